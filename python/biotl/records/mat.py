"""MATLAB files: PhysioNet's ``val`` beside a header, or plain variables."""

from pathlib import Path

from biotl.records import spcup, wfdb
from biotl.records.arrays import from_arrays
from biotl.records.matlab import variables
from biotl.records.record import Record


def read(path: str | Path, *, fs: float | None = None) -> Record:
    """Read a ``.mat`` file of version 4 to 7.3.

    With a ``.hea`` beside it that names it, it is the signal file of a WFDB record (variable ``val``, PhysioNet's
    challenges) and the header says rate, units and gain. Without one, its variables must say what
    :func:`biotl.records.arrays.from_arrays` asks for; structures are looked into.

    Parameters
    ----------
    path : str or Path
        The file.
    fs : float, optional
        Rate in Hz, where the file states none.

    Returns
    -------
    Record
        Signal float32 of shape (channels, samples).

    Raises
    ------
    RecordError
        A file that is missing or damaged, or lacks a signal or its rate.
    MissingExtraError
        If scipy is not installed and there is no header, or h5py for version 7.3.
    """
    path = Path(path)
    header = path.with_suffix(".hea")
    if header.is_file() and path.name.encode() in header.read_bytes():
        return wfdb.read(path.with_suffix(""))
    found = variables(path)
    return spcup.from_variables(path, found) if spcup.is_spcup(path, found) else from_arrays(path, found, fs=fs)
