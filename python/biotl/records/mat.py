"""MATLAB files: PhysioNet's ``val`` beside a header, or plain variables."""

from pathlib import Path

from biotl.errors import MissingExtraError, RecordError
from biotl.records import wfdb
from biotl.records.arrays import from_arrays
from biotl.records.record import Record


def read(path: str | Path) -> Record:
    """Read a ``.mat`` file of version 4 to 7.2.

    With a ``.hea`` of the same name beside it, it is the signal file of a WFDB record (variable ``val``, PhysioNet's
    challenges) and the header says rate, units and gain. Without one, its variables must say what
    :func:`biotl.records.arrays.from_arrays` asks for.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Record
        Signal float32 of shape (channels, samples).

    Raises
    ------
    RecordError
        A file that is missing, damaged or of version 7.3, or lacks a signal or its rate.
    MissingExtraError
        If scipy is not installed and there is no header.
    """
    path = Path(path)
    if path.with_suffix(".hea").exists():
        return wfdb.read(path.with_suffix(""))
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise MissingExtraError("scipy", "train") from error
    try:
        with path.open("rb") as file:
            variables = loadmat(file)  # type: ignore[arg-type]  # the stubs know no open files
    except NotImplementedError as error:
        raise RecordError(str(path), "version", "7.3", "4 to 7.2", "save with -v7 in MATLAB") from error
    except Exception as error:  # loadmat meets damage with whatever exception comes first
        raise RecordError(str(path), "file", f"{type(error).__name__}: {error}", "a MATLAB file") from error
    return from_arrays(path, {name: value for name, value in variables.items() if not name.startswith("__")})
