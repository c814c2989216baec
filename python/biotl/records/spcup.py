"""IEEE Signal Processing Cup 2015 (TROIKA): wrist PPG with acceleration, at 125 Hz, in files that state neither."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records.matlab import variables
from biotl.records.record import Record

_FS = 125.0  # Zhang, Pi and Liu 2015
_TEST = ("PPG1", "PPG2", "ACC_X", "ACC_Y", "ACC_Z")
_FILE = re.compile(r"(DATA_(\d+)_TYPE\d+|TEST_(S\d+)_T\d+)$")


def is_spcup(path: Path, variables: Mapping[str, Any]) -> bool:
    """Whether a MATLAB file is one of the set: by its name, its one variable and the rows of that."""
    shape = np.shape(variables.get("sig", 0))
    return bool(_FILE.match(path.stem)) and len(variables) == 1 and len(shape) == 2 and shape[0] in (5, 6)


def from_variables(path: Path, variables: Mapping[str, Any]) -> Record:
    """Build a Record of one file: ``DATA_01_TYPE01.mat`` (with ECG) or ``TEST_S01_T01.mat`` (without).

    Parameters
    ----------
    path : Path
        The file; its name says who was recorded.
    variables : mapping of str to ndarray
        What it holds: ``sig``, of shape (6, samples) or (5, samples).

    Returns
    -------
    Record
        Channels ECG (training files only), PPG1, PPG2, ACC_X, ACC_Y, ACC_Z; units are not stated, so ``""``.

    References
    ----------
    Z. Zhang, Z. Pi, B. Liu, TROIKA, IEEE Transactions on Biomedical Engineering 62 (2015).
    """
    signal = np.ascontiguousarray(variables["sig"], np.float32)
    names = _TEST if len(signal) == 5 else ("ECG", *_TEST)
    found = _FILE.match(path.stem)
    subject = (found[2] or found[3]) if found else path.stem
    return Record(path.stem, signal, _FS, names, ("",) * len(names), subject, source=path)


def heart_rate(path: str | Path) -> NDArray[np.float64]:
    """Read the reference: heart rate in bpm of the windows of 8 s that begin each 2 s, shape (windows,).

    Parameters
    ----------
    path : str or Path
        ``DATA_01_TYPE01_BPMtrace.mat`` or ``True_S01_T01.mat``.

    Raises
    ------
    RecordError
        A file that is missing or damaged, or without variable ``BPM0``.
    """
    path = Path(path)
    rate = np.ravel(variables(path).get("BPM0", np.zeros(0)))
    if rate.size == 0 or rate.dtype.kind not in "fiu":
        raise RecordError(str(path), "BPM0", "none", "the heart rate of each window")
    return rate.astype(np.float64)
