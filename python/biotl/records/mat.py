"""MATLAB files: PhysioNet's ``val`` beside a header, or plain variables."""

import io
from pathlib import Path
from typing import Any

from biotl.errors import RecordError
from biotl.records import mat5, spcup, wfdb
from biotl.records.arrays import from_arrays
from biotl.records.foreign import bring, refused
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


def variables(path: Path) -> dict[str, Any]:
    """Variables of a MATLAB file by name; a structure is a mapping."""
    try:
        with path.open("rb") as file:
            new = b"\x89HDF" in file.read(600)  # at the start, or behind a header of 512 bytes
    except OSError as error:
        raise RecordError(str(path), "file", str(error), "a MATLAB file") from error
    if new:
        from biotl.records import hdf5

        return hdf5.variables(path)
    scipy_io = bring("scipy.io", "mat")
    data = path.read_bytes()
    if data.startswith(b"MATLAB 5.0"):
        mat5.check(path, data)
    with refused(path, "a MATLAB file"), io.BytesIO(data) as file:
        found = scipy_io.loadmat(file, simplify_cells=True)
    return {name: value for name, value in found.items() if not name.startswith("__")}
