"""R peaks of an ECG."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError


def rpeaks(x: ArrayLike, fs: float) -> NDArray[np.int64]:
    """Find the R peaks of one ECG lead.

    Parameters
    ----------
    x : array_like, shape (n_samples,)
        One lead, in any unit and of either polarity; unfiltered is best.
    fs : float
        Sampling rate in Hz, 100 to 1000.

    Returns
    -------
    ndarray of int64, shape (n_beats,)
        The sample of each R peak: where the QRS complex lies furthest from the local baseline, up or down.

    Raises
    ------
    SignalError
        If `x` is not one lead, or a sample is not finite.

    Notes
    -----
    Energy of the first two derivatives of a Gaussian (after Martínez et al., IEEE Trans. Biomed. Eng. 51:570, 2004, who
    use the first alone), compared with the median of its maxima over the ten seconds around.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(3600) / 360
    >>> ecg = np.exp(-(((t % 1 - 0.5) / 0.012) ** 2) / 2)
    >>> rpeaks(ecg, 360)[:3]
    array([180, 540, 900])
    """
    x = np.asarray(x)
    if x.ndim != 1:
        raise SignalError(f"x: got shape {x.shape}, wanted one lead of shape (n_samples,)")
    if x.dtype == np.float32:
        return _core.rpeaks(np.ascontiguousarray(x, dtype=np.float32), float(fs))
    return _core.rpeaks(np.ascontiguousarray(x, dtype=np.float64), float(fs))
