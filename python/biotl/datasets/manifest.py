"""What there is to learn from: one entry a recording, from a manifest CSV or an adapter."""

import csv
import io
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PureWindowsPath

from biotl.datasets.members import is_member, read_member
from biotl.errors import RecordError
from biotl.records import Record, read
from biotl.records.text import opened

_OWN = ("id", "subject", "split", "time", "fs", "channels", "start_s", "stop_s")
SPLITS = ("train", "validation", "test", "")
_COMMA = re.compile(r"^([+-]?\d+),(\d+)$")
_WHEN = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T _-](\d\d)[:-]?(\d\d)(?:[:-]?(\d\d))?")


@dataclass(frozen=True)
class Labelled:
    """What is stated of a stretch of a recording; a label of the whole recording spans 0 to infinity."""

    start_s: float = 0.0
    stop_s: float = math.inf
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One recording: who it is of, where it lies and what is known of it.

    Parameters
    ----------
    id : str
        Unique; a recording is known by it and never by a file name.
    files : tuple of Path
        What `biotl.records.read` takes; several where channels lie in files of their own, all starting at one moment.
    subject : str
        Who was recorded, empty where nobody knows. One person under two names is the manifest's to say.
    split : str
        ``train``, ``validation``, ``test`` or nothing.
    labels : tuple of Labelled
        Of the recording or of stretches of it.
    when : str
        Text that sorts a subject's recordings in time, such as an ISO date.
    fs : float, optional
        Rate in Hz of the first file, where it states none.
    channels : tuple of str
        What the channels of the first file are, in order, where it does not name them.
    """

    id: str
    files: tuple[Path, ...]
    subject: str
    split: str = ""
    labels: tuple[Labelled, ...] = ()
    when: str = ""
    fs: float | None = None
    channels: tuple[str, ...] = ()

    def read(self, annotators: Sequence[str] | None = None) -> list[Record]:
        """Read the files, in order, each at its own rate.

        Parameters
        ----------
        annotators : sequence of str, optional
            Extensions of annotation files to read where they lie beside a WFDB file; by default as
            `biotl.records.read` does.

        Raises
        ------
        RecordError
            As `biotl.records.read`.
        """
        first, *rest = self.files
        records = [self._named(_read(first, annotators, self.fs)), *(_read(path, annotators) for path in rest)]
        return [replace(r, subject=self.subject, start=r.start or began(self.when)) for r in records]

    def _named(self, record: Record) -> Record:
        if not self.channels:
            return record
        if len(self.channels) != len(record.channels):
            got, wanted = f"{len(record.channels)} ({', '.join(record.channels)})", f"{len(self.channels)} as named"
            raise RecordError(str(record.source or record.name), "channels", got, wanted)
        return replace(record, channels=self.channels)


def began(when: str) -> datetime | None:
    """Return the date and time that a text holds, as a column of times or a file's name does; None where it has none.

    Examples
    --------
    >>> began("run of 2013-06-05 06:24"), began("2013-06-05-062419.tcx"), began("00000017")
    (datetime.datetime(2013, 6, 5, 6, 24), datetime.datetime(2013, 6, 5, 6, 24, 19), None)
    """
    found = _WHEN.search(when)
    try:
        return None if found is None else datetime.fromisoformat("{}-{}-{}T{}:{}:{}".format(*found.groups("00")))
    except ValueError:
        return None


def _read(path: Path, annotators: Sequence[str] | None, fs: float | None = None) -> Record:
    if is_member(path):
        return read_member(path)
    if annotators is not None:
        annotators = [name for name in annotators if path.with_name(f"{wfdb_stem(path).name}.{name}").is_file()]
    return read(path, annotators=annotators, fs=fs)


def wfdb_stem(path: Path) -> Path:
    """Return the path of a WFDB record without the extension of its header, signal or beats."""
    return path.with_suffix("") if path.suffix in {".hea", ".dat", ".atr"} else path


def read_manifest(path: Path | str, *, split_column: str = "split") -> list[Entry]:
    """Read a table of recordings.

    Parameters
    ----------
    path : Path or str
        A CSV (or semicolons or tabs, and then decimal commas) with the columns ``id``, ``file`` (and ``file2``,
        ``file3`` ... for further channels) and ``subject``; optionally ``split``, ``time`` (sorts a subject's
        recordings), ``fs`` and ``channels`` (``ECG;PPG``) of a file that does not state them, and any columns of
        labels. With ``start_s`` and ``stop_s`` the labels are of a stretch, and an id may stand in several rows. Files
        are relative to the manifest; ``windows.npz/17`` is a window of a file of many.
    split_column : str
        The column that says train, validation or test.

    An empty ``subject`` says that nobody knows who was recorded.

    Returns
    -------
    list of Entry
        In the order of the file. Whether the files are there is not looked at.

    Raises
    ------
    RecordError
        Naming row and column: no such file, a column or cell that is missing, an id that stands twice, a split of
        another name, a stretch that does not end after it starts.
    """
    path = Path(path)
    try:
        with opened(path) as file:
            text = file.read()
        separator = max(",;\t", key=text.partition("\n")[0].count)
        table = list(csv.reader(io.StringIO(text), delimiter=separator))
    except (OSError, csv.Error) as error:
        raise RecordError(
            str(path), "file", getattr(error, "strerror", None) or str(error), "a manifest: a CSV with id,file,subject"
        ) from error
    if separator != ",":  # as spreadsheets write it where the comma is the decimal sign
        table = [[_COMMA.sub(r"\1.\2", cell) for cell in row] for row in table]
    if not table:
        raise RecordError(str(path), "row 1", "nothing", "a header row: id,file,subject")
    head = [cell.strip() for cell in table[0]]
    needed = ["id", "file", "subject", *([split_column] if split_column != "split" else [])]
    if lacks := [name for name in needed if name not in head]:
        raise RecordError(str(path), "row 1", ", ".join(head)[:150], f"a column {lacks[0]!r}")
    if twice := sorted({name for name in head if head.count(name) > 1}):
        raise RecordError(str(path), "row 1", f"the column {twice[0]!r} twice", "each column once")
    found: dict[str, Entry] = {}
    known_as: dict[tuple[Path, ...], str] = {}
    for number, cells in _rows(path, table):
        row = dict(zip(head, cells, strict=True))
        entry = _entry(path, number, row, split_column)
        # under an id a stretch, the whole file would be read and prepared for each of them
        if row.get("start_s") and (known := known_as.setdefault(entry.files, entry.id)) != entry.id:
            got, hint = f"{entry.id} for a stretch of {entry.files[0].name}", "stretches of one recording share its id"
            raise RecordError(str(path), f"row {number}, id", got, f"{known}, as it is called above", hint)
        if entry.id not in found:
            found[entry.id] = entry
            continue
        first = found[entry.id]
        if not row.get("start_s"):
            hint = "give each recording an id of its own, or each row a start_s and stop_s"
            raise RecordError(str(path), f"row {number}, id", entry.id, "an id that stands once", hint)
        for name in ("files", "subject", "split", "when"):
            if getattr(entry, name) != getattr(first, name):
                raise RecordError(str(path), f"row {number}, {name}", f"another than before of {entry.id}", "the same")
        found[entry.id] = replace(first, labels=first.labels + entry.labels)
    return list(found.values())


def _rows(path: Path, table: Sequence[Sequence[str]]) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(table[1:], start=2):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != len(table[0]):
            got, wanted = f"{len(cells)} cells", f"{len(table[0])} as in the header row"
            raise RecordError(str(path), f"row {number}", got, wanted)
        yield number, cells


def _entry(path: Path, number: int, row: Mapping[str, str], split_column: str) -> Entry:
    for name in ("id", "file"):
        if not row[name]:
            raise RecordError(str(path), f"row {number}, {name}", "nothing", "a value")
    split = row.get(split_column, "")
    if split not in SPLITS:
        wanted = "train, validation, test or nothing"
        raise RecordError(str(path), f"row {number}, {split_column}", split, wanted)
    files = tuple(_file(path, number, name, row[name]) for name in row if _is_file(name) and row[name])
    values = {name: row[name] for name in row if name not in {*_OWN, split_column} and not _is_file(name)}
    start, stop = (_number(path, number, name, row.get(name, "")) for name in ("start_s", "stop_s"))
    stretch = Labelled(0.0 if start is None else start, math.inf if stop is None else stop, values)
    if not stretch.start_s < stretch.stop_s:
        raise RecordError(str(path), f"row {number}, stop_s", f"{stretch.stop_s:g}", f"more than {stretch.start_s:g}")
    fs = _number(path, number, "fs", row.get("fs", ""))
    channels = tuple(name.strip() for name in row.get("channels", "").split(";") if name.strip())
    labels = (stretch,) if values else ()
    return Entry(row["id"], files, row["subject"], split, labels, row.get("time", ""), fs or None, channels)


def _file(path: Path, number: int, column: str, cell: str) -> Path:
    """Return the file of a cell; one that was written on Windows is read elsewhere as it was meant."""
    if os.sep == "\\" or "\\" not in cell or (path.parent / cell).exists():
        return path.parent / cell
    meant = PureWindowsPath(cell)
    if meant.drive:
        hint = "of a drive of Windows only Windows knows where it is"
        raise RecordError(str(path), f"row {number}, {column}", cell, "a file relative to the manifest", hint)
    return path.parent / meant.as_posix()


def _is_file(name: str) -> bool:
    return name == "file" or (name.startswith("file") and name[4:].isdigit())


def _number(path: Path, number: int, name: str, text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        wanted = "a rate in Hz" if name == "fs" else "seconds from the start of the recording"
        raise RecordError(str(path), f"row {number}, {name}", text, wanted)
    return value
