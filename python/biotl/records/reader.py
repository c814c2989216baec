"""One way in for every format: ``read`` one recording, ``read_many`` in parallel, ``find`` what a folder holds."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from biotl.errors import ConfigError, RecordError
from biotl.parallel import in_threads
from biotl.records import kinds, wfdb
from biotl.records.record import Record
from biotl.records.source import Source, local

# formats whose files may leave the rate to whoever reads them
_RATE_ASKED = {"csv", "hdf5", "mat", "npy", "npz"}
# and those whose channels may have rates of their own
_RATES_MIXED = {"acq", "edf", "hdf5", "vital"}
_SUFFIXES = {".hea", ".edf", ".bdf", ".npz", ".npy", ".mat", ".csv", ".tsv", ".txt", ".h5", ".hdf5", ".ecg", ".scp"}
_SUFFIXES |= {".dcm", ".xml", ".acq", ".fit", ".gpx", ".tcx", ".vital", ".hrm"}


def read(
    source: Source,
    *,
    annotators: Sequence[str] | None = None,
    fs: float | None = None,
    units: str | Sequence[str] | None = None,
    channels: Sequence[str] | None = None,
    strict: bool = False,
) -> Record:
    """Read a recording; what a file is, its content says: only where that is silent, its name does.

    Parameters
    ----------
    source : path, address, binary file or bytes
        A file; the path of a WFDB record without extension; an address that fsspec knows; an open file or its bytes.
    annotators : sequence of str, optional
        Extensions of the annotation files to read beside a WFDB record; each must exist. By default ``atr`` is read
        where it lies there.
    fs : float, optional
        Rate in Hz for a file that states none. One that states another rate is refused.
    units : str or sequence of str, optional
        Unit of each channel; a single one goes to the channels whose unit the file does not state. A file that states
        another unit is refused.
    channels : sequence of str, optional
        Names of the channels to read, in this order; by default all. Of a file whose channels have rates of their
        own, those at the rate of its ECG or PPG; the others are named in a warning.
    strict : bool
        Refuse a WFDB record whose samples contradict the checksums of its header, instead of a warning that names the
        signal: some writers leave stale ones, in official files too.

    Returns
    -------
    Record
        See the reader of the format, the module of `biotl.records` of its name.

    Raises
    ------
    RecordError
        A file that is missing, of no known format, or that does not hold what it says; a folder.
    MissingExtraError
        A format whose library is not installed, with the extra that brings it.

    Examples
    --------
    >>> read(getfixture("mitdb") / "100").signal.shape
    (2, 650000)
    """
    rate = _rate(fs)
    with local(source) as path:
        try:
            record = _read(path, annotators, rate, channels, strict=strict)
        except OSError as error:  # to ask whether a file is there fails in a closed folder, or for a name too long
            raise RecordError(str(path), "file", error.strerror or str(error), "a readable file") from error
        except RecordError as error:
            if not isinstance(source, os.PathLike) and (not isinstance(source, str) or path != Path(source)):
                # what was read lay in a temporary file, which is nobody's
                home = f"{source.rpartition('/')[0]}/" if isinstance(source, str) else ""
                error.path, error.got = (text.replace(f"{path.parent}/", home) for text in (error.path, error.got))
            raise
    if record.source and not record.source.exists():
        record = replace(record, source=None)
    return _as_asked(record, rate, units)


def _read(
    path: Path, annotators: Sequence[str] | None, fs: float | None, channels: Sequence[str] | None, *, strict: bool
) -> Record:
    there = path.is_file()
    if not there and path.is_dir():
        inside = ", ".join(str(file.relative_to(path)) for file, _ in zip(find([path]), range(3), strict=False))
        hint = f"name a file in it, such as {inside}" if inside else "it holds no recording; name a file"
        raise RecordError(str(path), "file", "a folder", "one recording", hint)
    if not there and path.suffix.lower() in _FILES:
        return _gone(path)
    kind = kinds.kind_of(path) if there else "wfdb"
    if kind == "wfdb":
        record = wfdb.read(path, annotators=annotators, strict=strict)
    else:
        ask: dict[str, Any] = {"fs": fs} if kind in _RATE_ASKED else {}
        ask |= {"channels": channels} if kind in _RATES_MIXED else {}
        record = import_module(f"biotl.records.{kind}").read(path, **ask)
    return record if channels is None or record.channels == tuple(channels) else record.select(*channels)


_FILES = _SUFFIXES - {".hea"}


def _gone(path: Path) -> Record:
    with path.open("rb"):  # raises what the system says
        raise RecordError(str(path), "file", "no regular file", "a readable file")


def _rate(fs: Any) -> float | None:
    if fs is None:
        return None
    try:
        rate = float(np.ravel(fs)[0]) if np.size(fs) == 1 else 0.0
    except (TypeError, ValueError):
        rate = 0.0
    if not 0 < rate < np.inf:
        raise ConfigError(f"fs: got {str(fs)[:40]}, wanted one positive rate in Hz")
    return rate


def _as_asked(record: Record, fs: float | None, units: str | Sequence[str] | None) -> Record:
    """Hold a record to the rate and the units that were asked for, and fill in those that it does not state."""
    if fs is None and units is None:
        return record
    where = str(record.source or record.name)
    # device clocks differ from their nominal rate by some per mille
    if fs is not None and abs(record.fs - fs) > 0.01 * fs:
        hint = "leave fs out, or correct it: dataclasses.replace(record, fs=...)"
        raise RecordError(where, "fs", f"{record.fs:g} Hz stated in the file", f"{fs:g} Hz as asked", hint)
    if units is None:
        return record
    asked = tuple(unit or units for unit in record.units) if isinstance(units, str) else tuple(units)
    if len(asked) != len(record.units):
        raise RecordError(where, "units", f"{len(asked)} asked for", f"{len(record.units)}, one a channel")
    for name, stated, unit in zip(record.channels, record.units, asked, strict=True):
        if stated not in {"", unit}:
            raise RecordError(where, f"unit of {name}", f"{stated} in the file", f"{unit} as asked", "leave units out")
    return replace(record, units=asked)


def find(paths: Iterable[str | Path]) -> Iterator[Path]:
    """List the recordings among files and folders, each once: ``100.hea``, ``100.dat`` and ``100.atr`` are one.

    Parameters
    ----------
    paths : iterable of str or Path
        Files, records without extension, and folders, in which files of known extensions are looked for at any depth
        and hidden ones passed over; the segments of a record found there are no recordings of their own.

    Yields
    ------
    Path
        What :func:`read` takes, in the order of ``paths`` and by name within a folder.

    Examples
    --------
    >>> folder = getfixture("mitdb")
    >>> [path.name for path in find([folder / "100.hea", folder / "100.dat", folder / "100"])]
    ['100']
    """
    seen: set[Path] = set()
    for path in map(Path, paths):
        inside = sorted(filter(_is_recording, path.rglob("*"))) if path.is_dir() else [path]
        parts = {part for file in inside if path.is_dir() and file.suffix == ".hea" for part in wfdb.segments(file)}
        for file in inside:
            stem = wfdb.stem(file)
            one = stem if stem.with_name(f"{stem.name}.hea").is_file() or stem.suffix == ".hea" else file
            if file.suffix == ".mat" and file.with_suffix(".hea").is_file():
                one = file.with_suffix("")
            if one not in parts and one.resolve() not in seen:
                seen.add(one.resolve())
                yield one


def _is_recording(file: Path) -> bool:
    suffix = file.suffix.lower()
    if file.name.startswith("."):  # what a Mac leaves beside each file on a foreign disk, ._ecg.csv
        return False
    if suffix not in {".txt", ".xml"}:
        return suffix in _SUFFIXES
    try:  # a licence is a text as well
        return kinds.kind_of(file) != "csv"
    except RecordError:
        return False


def read_many(
    paths: Iterable[str | Path],
    *,
    annotators: Sequence[str] | None = None,
    threads: int | None = None,
    fs: float | None = None,
    units: str | Sequence[str] | None = None,
    channels: Sequence[str] | None = None,
    strict: bool = False,
) -> tuple[list[Record], list[RecordError]]:
    """Read recordings in parallel; those that are refused are listed and the rest go on.

    Parameters
    ----------
    paths : iterable of str or Path
        As in :func:`read`.
    annotators, fs, units, channels, strict
        As in :func:`read`.
    threads : int, optional
        How many at a time, at least 1; by default one a core. The result does not depend on it.

    Returns
    -------
    records : list of Record
        In the order of ``paths``.
    refused : list of RecordError
        One for each path without a record, in the order of ``paths``.
    """

    def attempt(path: str | Path) -> Record | RecordError:
        try:
            return read(path, annotators=annotators, fs=fs, units=units, channels=channels, strict=strict)
        except RecordError as error:
            return error

    results = list(in_threads(attempt, paths, threads))
    records = [result for result in results if isinstance(result, Record)]
    return records, [result for result in results if isinstance(result, RecordError)]
