"""One way in for every format: ``read`` one recording, ``read_many`` in parallel."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from biotl.errors import RecordError
from biotl.parallel import in_threads
from biotl.records import csv, mat, npz, wfdb
from biotl.records.record import Record

_READERS: dict[str, Callable[[str | Path], Record]] = {".csv": csv.read, ".mat": mat.read, ".npz": npz.read}


def read(path: str | Path, *, annotators: Sequence[str] | None = None) -> Record:
    """Read a recording: ``.npz``, ``.mat`` or ``.csv`` by their extension, everything else is a WFDB record.

    Parameters
    ----------
    path : str or Path
        A file, or the path of a WFDB record without extension.
    annotators : sequence of str, optional
        Extensions of the annotation files to read beside a WFDB record; each must exist. By default ``atr`` is read
        where it lies there.

    Returns
    -------
    Record
        See the reader of the format.

    Raises
    ------
    RecordError
        A file that is missing, of no known format, or that does not hold what it says.

    Examples
    --------
    >>> read(getfixture("mitdb") / "100").signal.shape
    (2, 650000)
    """
    path = Path(path)
    suffix = path.suffix.lower()
    try:
        if suffix in _READERS:
            return _READERS[suffix](path)
        foreign = path.is_file() and wfdb.stem(path) == path and not path.with_name(path.name + ".hea").is_file()
        if not foreign:
            return wfdb.read(path, annotators=annotators)
    except OSError as error:  # to ask whether a file is there fails in a folder that is closed, or for a name too long
        raise RecordError(str(path), "file", str(error), "a readable file") from error
    wanted = "a WFDB record, .npz, .mat or .csv"
    raise RecordError(str(path), "file", f"an unknown format {suffix!r}", wanted, "convert it, or name its header")


def read_many(
    paths: Iterable[str | Path], *, annotators: Sequence[str] | None = None, threads: int | None = None
) -> tuple[list[Record], list[RecordError]]:
    """Read recordings in parallel; those that are refused are listed and the rest go on.

    Parameters
    ----------
    paths : iterable of str or Path
        As in :func:`read`.
    annotators : sequence of str, optional
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
            return read(path, annotators=annotators)
        except RecordError as error:
            return error

    results = list(in_threads(attempt, paths, threads))
    records = [result for result in results if isinstance(result, Record)]
    return records, [result for result in results if isinstance(result, RecordError)]
