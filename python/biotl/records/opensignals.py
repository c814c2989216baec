"""Texts that open with ``#``: OpenSignals (BITalino, biosignalsplux) and the simple text format of BioSPPy."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

from biotl.errors import RecordError
from biotl.records import text
from biotl.records.record import Record

_PAIR = re.compile(r"#\s*(.*?)\s*:=\s*(.*)")
_HEAD = 100  # lines


def read(path: str | Path) -> Record:
    """Read a text of OpenSignals, or in the simple text format: raw codes, as the device wrote them.

    Row numbers and digital lines are no channels.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Record
        Signal float32 of shape (channels, samples). The unit is ``""`` unless the file states one: codes of a converter
        have none.

    Raises
    ------
    RecordError
        A file that is missing or ragged, without a rate, or of several devices.
    """
    path = Path(path)
    with text.opened(path) as file:
        lines = list(itertools.islice(file, _HEAD))
        skip = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
        parse = _opensignals if "opensignals" in lines[0].lower() else _simple
        fs, names, units, keep = parse(path, lines[:skip])
        first = lines[skip].strip().split() if skip < len(lines) else []
        if len(first) < max(keep, default=0) + 1:
            raise RecordError(str(path), f"line {skip + 1}", f"{len(first)} cells", f"{max(keep, default=0) + 1}")
        file.seek(0)
        columns = text.read_columns(
            path, itertools.islice(file, skip, None), text.Dialect(" "), width=len(first), values=keep, times=[],
            first_line=skip + 1,
        )  # fmt: skip
    return Record(path.stem, columns.values, fs, names, units, path.stem, source=path)


_About = tuple[float, tuple[str, ...], tuple[str, ...], list[int]]


def _opensignals(path: Path, lines: list[str]) -> _About:
    try:
        devices: dict[str, dict[str, Any]] = json.loads(lines[1].lstrip("# "))
        (device,) = devices.values()
        columns = [str(name) for name in device["column"]]
        fs = float(device["sampling rate"])
        sensors = [str(name) for name in device.get("sensor", [])]
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        wanted = 'one device with "column" and "sampling rate", as OpenSignals writes it'
        raise RecordError(str(path), "header", f"{type(error).__name__}: {error}"[:120], wanted) from error
    # row numbers and digital lines stand first; what is measured follows, one column a sensor
    keep = [i for i, name in enumerate(columns) if not re.fullmatch(r"nSeq|DI|DO|[IO]\d+", name)]
    if not 0 < fs < 1e6 or not keep:
        raise RecordError(str(path), "header", f"{fs} Hz, columns {columns}"[:120], "a rate and a column of samples")
    names = sensors if len(sensors) == len(keep) else [columns[i] for i in keep]
    twice = {name for name in names if names.count(name) > 1}
    named = tuple(columns[i] if name in twice else name for i, name in zip(keep, names, strict=True))
    return fs, named, ("",) * len(keep), keep


def _simple(path: Path, lines: list[str]) -> _About:
    about = {found[1].lower(): found[2] for line in lines if (found := _PAIR.match(line))}
    rate = next((value for key, value in about.items() if key.startswith("sampling rate")), "none")
    try:
        fs = float(rate)
    except ValueError:
        fs = 0.0
    names = tuple(name.strip() for name in about.get("labels", "").split("\t"))
    if not 0 < fs < 1e6:
        raise RecordError(str(path), "sampling rate", rate[:40], "a positive rate in Hz")
    units = about.get("units", "").split("\t")
    units = units if len(units) == len(names) else units[:1] * len(names)
    return fs, names, tuple(units), list(range(len(names)))
