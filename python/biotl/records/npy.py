"""One NumPy array: the caller states the rate."""

from pathlib import Path

import numpy as np

from biotl.records.arrays import from_arrays
from biotl.records.foreign import refused
from biotl.records.record import Record


def read(path: str | Path, *, fs: float | None = None) -> Record:
    """Read an ``.npy`` of shape (samples,) or (channels, samples), either way round; never a pickle.

    A structured array gives each of its fields as a channel.

    Parameters
    ----------
    path : str or Path
        The file.
    fs : float, optional
        Rate in Hz, which such a file cannot state, unless a field holds times.

    Returns
    -------
    Record
        Signal float32 of shape (channels, samples).

    Raises
    ------
    RecordError
        A file that is missing or damaged, that holds Python objects, or whose rate nobody states.
    """
    path = Path(path)
    with refused(path, "an .npy of plain numbers", field="array"):
        # a map of the file: a header that lies about its size takes no memory
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    names = array.dtype.names
    return from_arrays(path, {name: array[name] for name in names} if names else {path.stem: array}, fs=fs)
