"""NumPy archives: named arrays and a rate."""

import zipfile
from pathlib import Path

import numpy as np

from biotl.records.arrays import from_arrays
from biotl.records.foreign import refused
from biotl.records.record import Record


def read(path: str | Path, *, fs: float | None = None) -> Record:
    """Read an ``.npz`` whose arrays :func:`biotl.records.arrays.from_arrays` understands; never a pickle.

    Parameters
    ----------
    path : str or Path
        The file.
    fs : float, optional
        Rate in Hz, where the file states none.

    Returns
    -------
    Record
        See ``from_arrays``.

    Raises
    ------
    RecordError
        A file that is missing or damaged, that holds Python objects, or lacks a signal or its rate.
    """
    path = Path(path)
    with refused(path, "an .npz of plain arrays", field="archive"), path.open("rb") as file, zipfile.ZipFile(file):
        # a zip file for certain: np.load would take a lone array as well
        archive = np.load(file, allow_pickle=False)
        arrays = {name: archive[name] for name in archive.files}
    return from_arrays(path, arrays, fs=fs)
