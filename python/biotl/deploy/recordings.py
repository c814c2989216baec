"""Recordings on disk to predictions: which files are one recording, several at a time, each refused by itself."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from biotl.deploy.prediction import Prediction
from biotl.deploy.predictor import Predictor
from biotl.errors import BiotlError, RecordError, SignalError
from biotl.parallel import in_threads
from biotl.records import Record, find, read, wfdb

LONG_BYTES = 16e6
"""Of a file: an hour or more of one lead, for which a kernel may take longer than anybody wants to wait."""


def predict_files(
    predictor: Predictor,
    paths: Sequence[str | Path],
    *,
    units: Sequence[str] | str | None = None,
    lead: str | None = None,
    read: Callable[[Path], Record] = read,
) -> Iterator[tuple[Path, Prediction | BiotlError]]:
    """Read and answer recordings, several at a time, and hand them back in the order given.

    Parameters
    ----------
    predictor : Predictor
        The model.
    paths : sequence of str or Path
        What `biotl.records.read` takes, or folders of them; see `recordings`.
    units, lead
        As in `Predictor.predict`.
    read : callable
        How a file is read.

    Yields
    ------
    tuple of Path and (Prediction or BiotlError)
        A recording that is refused comes with the reason; the others go on.
    """

    def one(path: Path) -> Prediction | BiotlError:
        try:
            return predictor.predict(read(path), units=units, lead=lead)
        except RecordError as error:
            return error
        except SignalError as error:
            return error.at(str(path))

    places = recordings(paths)
    if len(places) == 1 or any(map(is_long, places)):  # in this thread, where Ctrl-C reaches the kernels
        yield from ((path, one(path)) for path in places)
        return
    threads = max(1, min(int(os.environ.get("OMP_NUM_THREADS", "4")), 4))
    try:
        yield from zip(places, in_threads(one, places, threads), strict=True)
    except KeyboardInterrupt:
        predictor.stop()
        raise


def recordings(paths: Sequence[str | Path]) -> list[Path]:
    """Return the recordings that paths name, each once: a folder stands for all that lie in it at any depth.

    The header, the samples and the marks of one WFDB record are one recording, however it is spelled.

    Raises
    ------
    RecordError
        If a folder holds none.
    """
    found: dict[Path, Path] = {}
    for given in map(Path, paths):
        inside = list(find([given]))
        if not inside:
            raise RecordError(str(given), "folder", "no recording", "a folder that holds one at any depth")
        for path in inside:
            found.setdefault(Path(os.path.realpath(path)), path)
    return list(found.values())


def is_long(path: Path) -> bool:
    """Say whether a recording's files are larger than `LONG_BYTES`."""
    stem = wfdb.stem(path)
    files = [path] if path.suffix and path.is_file() else stem.parent.glob(f"{stem.name}.*")
    return sum(file.stat().st_size for file in files if file.is_file()) > LONG_BYTES
