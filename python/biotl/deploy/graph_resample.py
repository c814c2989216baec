"""Another rate in a graph: the polyphase filter of `biotl.signal.resample` as one strided convolution."""

import numpy as np

from biotl.deploy.graph_nodes import Nodes
from biotl.errors import ConfigError
from biotl.signal.resample import ratio

MOST = 2_000_000
"""Weights of the convolution: 8 MB; 360 to 125 Hz takes 5,000."""


def resampled(nodes: Nodes, x: str, level: str, fs: float, fs_new: float) -> str:
    """Add what `biotl.signal.resample` does, its edges repeated.

    Parameters
    ----------
    nodes : Nodes
        What is added to.
    x : str
        A value of shape (rows, samples), less its level.
    level : str
        A value of shape (rows, 1), which stays what it is.
    fs, fs_new : float
        Rates in Hz.

    Raises
    ------
    ConfigError
        If the rates have no small ratio.
    """
    up, down = ratio(fs, fs_new)
    half = 10 * max(up, down)
    first, last = -(half // up), ((up - 1) * down + half) // up
    if up * (last - first + 1) > MOST:
        raise ConfigError(
            f"rate: got {fs:g} Hz to {fs_new:g} Hz, {up} samples for {down}; wanted a smaller ratio in a graph: "
            "resample the recording first, or --preprocess spec"
        )
    taps = _taps(half, max(up, down)) * up
    at = np.arange(up)[:, None] * down - np.arange(first, last + 1) * up + half
    weights = np.where((at >= 0) & (at < len(taps)), taps[np.clip(at, 0, len(taps) - 1)], 0)
    samples = nodes.size(x)
    padded = nodes("Pad", x, [0, -first, 0, last + down], mode="edge")
    y = nodes("Conv", nodes("Unsqueeze", padded, [1]), weights[:, None], strides=[down])
    # a windowed sinc passes a constant to a few 1e-4 only, and each phase another one
    y = nodes("Add", y, nodes("Mul", nodes("Unsqueeze", level, [2]), weights.sum(1)[None, :, None] - 1))
    y = nodes("Reshape", nodes("Transpose", y, perm=[0, 2, 1]), [0, -1])
    count = nodes("Div", nodes("Add", nodes("Mul", samples, [up]), [down - 1]), [down])
    return nodes.cut(y, 0, count)


def _taps(half: int, rate: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the windowed sinc that `scipy.signal.resample_poly` takes by default; its sum is 1."""
    place = np.arange(-half, half + 1)
    taps = np.sinc(place / rate) * np.kaiser(2 * half + 1, 5.0)
    return np.asarray(taps / taps.sum(), np.float64)
