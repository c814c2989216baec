"""Public data sets as entries: what is in the folder, who was recorded, and what is known of it."""

import csv
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from biotl.config import nearest
from biotl.datasets.manifest import Entry, Labelled, read_manifest
from biotl.datasets.members import LINES, SUFFIXES, count, open_members
from biotl.errors import ConfigError, RecordError
from biotl.records import endomondo
from biotl.records.kinds import kind_of

_SIDE = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
_SPCUP = ("ECG", "PPG", "PPG2", "ACC_X", "ACC_Y", "ACC_Z")


def mitdb(root: Path) -> list[Entry]:
    """List the MIT-BIH Arrhythmia Database (Moody and Mark 2001): 48 records of 47 people.

    Records 201 and 202 are one man (the database's own notes); both carry the subject ``201``.
    """
    return [Entry(path.stem, (path,), "201" if path.stem == "202" else path.stem) for path in _headers(root)]


def ludb(root: Path) -> list[Entry]:
    """List the Lobachevsky University Database (Kalyakulina et al. 2020): 12 leads of 10 s, one record a person."""
    folder = root / "data" if (root / "data").is_dir() else root
    return [Entry(path.stem, (path,), path.stem) for path in _headers(folder)]


def qtdb(root: Path) -> list[Entry]:
    """List the QT Database (Laguna et al. 1997), whose records are cut from other databases.

    A record named after a MIT-BIH record is of that person: ``sel213`` and ``213`` carry one subject, so that nobody is
    learnt from here and judged there.
    """
    return [Entry(path.stem, (path,), path.stem.removeprefix("sel")) for path in _headers(root)]


def butppg(root: Path) -> list[Entry]:
    """List BUT PPG (Nemcova et al. 2021), version 1.0.0 or 2.0.0: 10 s of PPG, ECG and, where there is one, ACC.

    The first three digits of a record are its subject. Labels: ``quality`` ``good`` or ``poor`` (three experts),
    ``heart_rate`` in bpm, and what the table of subjects holds. A folder without its files is listed, to be refused by
    name; records of the table that have no folder are named in a warning.
    """
    marked, people = _table(root / "quality-hr-ann.csv", "ID"), _table(root / "subject-info.csv", "ID")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and (path.name in marked or any(path.iterdir())))
    if lost := sorted(marked.keys() - {path.name for path in folders}):
        warnings.warn(f"{root}: {len(lost)} records of the table have no folder: {', '.join(lost[:5])}", stacklevel=2)
    found = []
    for folder in folders:
        headers = {path.stem.rpartition("_")[2].upper(): path for path in folder.glob(f"{folder.name}_*.hea")}
        files = tuple(headers[kind].with_suffix("") for kind in ("PPG", "ECG", "ACC") if kind in headers)
        files = files or (folder / f"{folder.name}_PPG",)
        row = marked.get(folder.name, {})
        quality = {"1": "good", "0": "poor"}.get(row.get("Quality", ""), "")
        values = {"quality": quality, "heart_rate": row.get("HR", ""), **people.get(folder.name, {})}
        found.append(Entry(folder.name, files, folder.name[:3], labels=(Labelled(values=values),)))
    return found


def bidmc(root: Path) -> list[Entry]:
    """List BIDMC (Pimentel et al. 2017): 8 min of PLETH, II and RESP at 125 Hz, a recording a patient.

    As WFDB (``bidmc01``), as CSV (``bidmc_01_Signals.csv``) or as ``.npz`` (``bidmc_01.npz``), whichever comes first.
    """
    found: dict[str, Path] = {}
    for pattern in ("bidmc[0-9][0-9].hea", "bidmc_[0-9][0-9]_Signals.csv", "bidmc_[0-9][0-9].npz"):
        for path in sorted(root.rglob(pattern)):
            file = path.with_suffix("") if path.suffix == ".hea" else path / "0" if path.suffix == ".npz" else path
            found.setdefault(f"bidmc{path.name.removeprefix('bidmc').lstrip('_')[:2]}", file)
    return [Entry(name, (found[name],), name) for name in sorted(found)]


def troika(root: Path) -> list[Entry]:
    """List the IEEE Signal Processing Cup 2015 (Zhang, Pi and Liu 2015): as windows in ``.npz``, or its ``.mat`` files.

    Of a ``.mat`` file the channels are ECG, two PPG and ACC (the test files hold no ECG), at 125 Hz, and the label
    ``heart_rate`` is its trace: each value of 8 s, every 2 s. The number before ``_TYPE`` is the subject; of the test
    files ``S..`` is.
    """
    if _archives(root):
        return windows(root)
    found = []
    for path in sorted([*root.rglob("DATA_*.mat"), *root.rglob("TEST_*.mat")]):
        if path.stem.endswith("_BPMtrace"):
            continue
        name = path.stem.split("_", 1)[1]
        trace = path.with_name(f"{path.stem}_BPMtrace.mat")
        trace = trace if trace.is_file() else path.with_name(f"True_{name}.mat")
        channels = _SPCUP if path.stem.startswith("DATA_") else _SPCUP[1:]
        found.append(Entry(name, (path,), name.split("_")[0], labels=_trace(trace), fs=125.0, channels=channels))
    return found


def _trace(path: Path) -> tuple[Labelled, ...]:
    if not path.is_file():
        return ()
    from biotl.records.matlab import variables

    rates = np.ravel(variables(path).get("BPM0", ()))
    return tuple(Labelled(2.0 * k, 2.0 * k + 8.0, {"heart_rate": f"{rate:.4f}"}) for k, rate in enumerate(rates))


def vitaldb(root: Path) -> list[Entry]:
    """List VitalDB (Lee et al. 2022): ``.vital`` files named by case, or folders so named with tracks of its API.

    A track of the API is a CSV of a time and its values; a waveform gives a few times only and has its own rate, 500 Hz
    for most. A numeric, which gives a time for each value, is left out: it is no waveform. ``clinical_data.csv`` (or
    ``clinical_information.csv``, ``cases.csv``) beside them, with the columns ``caseid`` and ``subjectid``, says who
    was operated on: several operations of one patient are one subject. Without it nobody knows.
    """
    tables = (root / f"{name}.csv" for name in ("clinical_data", "clinical_information", "cases"))
    people = next((_table(path, "caseid") for path in tables if path.is_file()), {})
    cases: dict[str, tuple[Path, ...]] = {path.stem: (path,) for path in sorted(root.rglob("*.vital"))}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        tracks = tuple(path for path in sorted(folder.glob("*.csv")) if _is_wave(path))
        cases |= {folder.name: tracks} if tracks else {}
    found = []
    for case, files in cases.items():
        row = people.get(case.lstrip("0") or "0", people.get(case, {}))
        labels = (Labelled(values=row),) if row else ()
        found.append(Entry(case, files, row.get("subjectid", ""), labels=labels))
    return found


def _is_wave(path: Path) -> bool:
    """Whether a track of VitalDB's API is a waveform: its third value has no time of its own."""
    with path.open(encoding="utf-8", errors="replace") as file:
        head = [file.readline() for _ in range(4)]
    return head[0].startswith(("Time,", '"Time",')) and head[3].startswith(",")


def workouts(root: Path) -> list[Entry]:
    """List workouts: files of speed, altitude and heart rate, or files of many.

    Of many are the documented dictionary in one ``.npz`` or ``.pt``, and lines of Endomondo or FitRec in ``.json``,
    each with its ``userId``, sorted by its first time. Who ran a file of one is in ``users.csv`` (``file,user``), or
    in the ``name`` and ``userId`` of an ``.npz`` beside the files; a file name sorts a user's workouts in time, as
    names with a date do.
    """
    files = sorted(p for p in root.rglob("*") if p.suffix.lower() in {".csv", ".fit", ".tcx", ".gpx"})
    files = [path for path in files if path.name != "users.csv"]
    archives, texts = _archives(root), sorted(root.rglob(f"*{LINES}"))
    found = [entry for path in texts if _is_of_lines(path) for entry in _lines(root, path)]
    if not files:
        return found + [entry for path in archives for entry in _members(path, "userId")]
    users = {name: row.get("user", "") for name, row in _table(root / "users.csv", "file").items()}
    for path in archives:
        arrays = open_members(path)
        if "name" in arrays and "userId" in arrays:
            users |= dict(zip(map(str, arrays["name"]), map(str, np.ravel(arrays["userId"])), strict=True))
    ids = [path.relative_to(root).as_posix() for path in files]
    return found + [Entry(id_, (p,), users.get(p.name, ""), when=p.name) for id_, p in zip(ids, files, strict=True)]


def _is_of_lines(path: Path) -> bool:
    try:
        return kind_of(path) == "endomondo"
    except RecordError:  # the documented tools leave scaler_params.json and metadata.json there
        return False


def _lines(root: Path, path: Path) -> Iterator[Entry]:
    """List the workouts of a file of lines; what sorts them is a time, and no date, which would be of UTC."""
    name = path.relative_to(root).as_posix()
    for k, line in enumerate(endomondo.lines(path)):
        yield Entry(f"{name}/{k}", (path / str(k),), line.user, when=f"{line.start_s:015.0f}")


def windows(root: Path) -> list[Entry]:
    """List the windows of ``.npz`` or ``.pt`` files in the documented shapes, one entry each; see `datasets.members`.

    ``root`` is one such file or a folder of them; ``train``, ``val`` or ``test`` at the start of a file's name is the
    split. ``labels`` become the label ``label``; other arrays of one value a window become labels of their names. The
    subject is ``subject``, ``patient_ids``, or what stands before the first ``_`` of ``record``.
    """
    files = [root] if root.is_file() else _archives(root)
    return [entry for path in files for entry in _members(path, "subject", "patient_ids", "record")]


def _archives(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("*") if path.suffix in SUFFIXES)


def _members(path: Path, *people: str) -> Iterator[Entry]:
    arrays, n = open_members(path), count(path)
    split = _SIDE.get(path.stem.split("_")[0], "")
    order = list(_SIDE.values()).index(split) if split else 0  # what is tested comes after what is learnt from
    who = next((np.ravel(arrays[key]) for key in people if key in arrays and np.size(arrays[key]) == n), None)
    columns = {
        "label" if key == "labels" else key: np.ravel(array)
        for key, array in arrays.items()
        if np.size(array) == n and array.ndim > 0 and n > 1 and key not in {"channels", "label_names"}
    }
    for k in range(n):
        subject = "" if who is None else str(who[k]).split("_")[0]
        labels = (Labelled(values={key: str(column[k]) for key, column in columns.items()}),) if columns else ()
        yield Entry(f"{path.stem}/{k}", (path / str(k),), subject, split, labels, f"{order}{k:08}")


ADAPTERS: dict[str, Callable[[Path], list[Entry]]] = {
    "mitdb": mitdb,
    "ludb": ludb,
    "qtdb": qtdb,
    "butppg": butppg,
    "bidmc": bidmc,
    "troika": troika,
    "vitaldb": vitaldb,
    "workouts": workouts,
    "windows": windows,
}
"""Adapters by name; each lists the recordings under a folder."""


class Source(Protocol):
    """What says where recordings come from: a manifest, or an adapter and its folder."""

    @property
    def manifest(self) -> Path | None:
        """A manifest CSV, which always works in place of an adapter."""

    @property
    def adapter(self) -> str:
        """Name of an adapter."""

    @property
    def root(self) -> Path | None:
        """Its folder."""


def entries(data: Source, *, split_column: str = "split") -> list[Entry]:
    """List the recordings that a configuration names.

    Parameters
    ----------
    data : object
        With ``manifest``, or with ``adapter`` and ``root``.
    split_column : str
        See `biotl.datasets.manifest.read_manifest`.

    Raises
    ------
    ConfigError
        If neither is given, or the adapter does not exist.
    RecordError
        If the manifest is refused, or the folder holds no recording.
    """
    if data.manifest is not None:
        return read_manifest(data.manifest, split_column=split_column)
    if data.adapter not in ADAPTERS:
        raise ConfigError(f"data.adapter: got {data.adapter!r}{nearest(data.adapter, ADAPTERS)}")
    if data.root is None:
        raise ConfigError("data: got neither a manifest nor a root, wanted one of the two")
    root = Path(data.root)
    found = ADAPTERS[data.adapter](root) if root.exists() else []
    if not found:
        hint = f"`biotl fetch {data.adapter}` gets what is public, `data.manifest` names your own"
        raise RecordError(str(root), "folder", "no recording", f"the files of {data.adapter}", hint)
    return found


def _headers(folder: Path) -> Iterator[Path]:
    """Yield the WFDB records of a folder, without extension: in order of number, those of other names after them."""
    names = {path.name.removesuffix(".hea") for path in folder.glob("*.hea")}
    for name in sorted(names, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name)):
        yield folder / name


def _table(path: Path, key: str) -> Mapping[str, dict[str, str]]:
    """Return the rows of a CSV by one column; nothing where there is no file."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if rows and key not in rows[0]:
        raise RecordError(str(path), "header row", ", ".join(rows[0])[:150], f"a column {key!r}")
    return {row[key]: {name: value for name, value in row.items() if name != key} for row in rows}
