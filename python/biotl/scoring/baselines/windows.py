"""Windows of any signal: simple features of time and spectrum; classes or values from them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.scoring.baselines.learners import Boosting, Learner, Logistic, Majority, Mean, Ridge, answer

Array = NDArray[Any]
CHANNEL_FEATURES = (
    *("missing", "mean", "log_sd", "log_range", "skewness", "log_kurtosis", "crossings_hz", "log_slope"),
    *("rhythm_s", "rhythm"),
    *("peak_hz", "peak_share", "centroid_hz", "entropy"),
    *(f"octave_{k}" for k in range(8)),
)
"""Of each channel: shape of its values, its autocorrelation's highest later peak, and its power by octaves."""
LEAF = 5
"""Windows are few where beats are many."""


def table(windows: Array, fs: float) -> NDArray[np.float64]:
    """Return one row a window: features of each channel, then the correlations of the channels.

    Parameters
    ----------
    windows : ndarray, shape (n, channels, samples)
        NaN where a sample is missing; such samples are taken as the channel's mean.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    ndarray of float64, shape (n, features)
        `CHANNEL_FEATURES` of each channel, and the correlation of each pair of channels. Every feature is finite.

    Examples
    --------
    >>> two_hz = np.sin(2 * np.pi * 2 * np.arange(256) / 64)[None, None]
    >>> float(table(two_hz, 64.0)[0, CHANNEL_FEATURES.index("peak_hz")])
    2.0
    """
    x = np.asarray(windows, np.float64)
    n, channels, samples = x.shape
    if not n:
        return np.zeros((0, channels * len(CHANNEL_FEATURES) + channels * (channels - 1) // 2))
    missing = ~np.isfinite(x)
    count = np.maximum((~missing).sum(-1), 1)
    mean = np.where(missing, 0, x).sum(-1) / count
    d = np.where(missing, 0, x - mean[..., None])
    sd = np.sqrt((d**2).sum(-1) / count)
    z = d / np.where(sd > 0, sd, 1)[..., None]
    power = np.abs(np.fft.rfft(z, 2 * samples)) ** 2  # padded: the autocorrelation must not wrap
    lags = np.fft.irfft(power)[..., :samples] / samples
    later = _after_first_crossing(lags)
    spectrum = power[..., ::2][..., 1:]
    hz = np.arange(1, spectrum.shape[-1] + 1) * fs / samples
    share = spectrum / np.maximum(spectrum.sum(-1, keepdims=True), 1e-12)
    peak = share.argmax(-1)
    octave = np.minimum(np.log2(hz[-1] / hz), 7).astype(np.int64)
    crossings = (np.diff(np.signbit(z), axis=-1)).sum(-1) * fs / samples / 2
    features = [
        missing.mean(-1), mean, _log(sd), _log(np.ptp(d, axis=-1)), (z**3).mean(-1), _log((z**4).mean(-1)), crossings,
        _log(np.sqrt((np.diff(z, axis=-1) ** 2).mean(-1)) * fs), later.argmax(-1) / fs, later.max(-1),
        hz[peak], share.max(-1), share @ hz, -(share * np.log(share + 1e-12)).sum(-1),
        *(share[..., octave == k].sum(-1) for k in range(8)),
    ]  # fmt: skip
    pairs = np.triu_indices(channels, 1)
    correlation = (z @ z.swapaxes(1, 2) / samples)[:, pairs[0], pairs[1]]
    return np.concatenate([np.stack(features, axis=-1).reshape(n, -1), correlation], axis=1)


def classes(train: Sequence[tuple[Array, Array]], test: Sequence[Array], *, seed: int = 0) -> dict[str, list[Array]]:
    """Answer classes by majority, logistic regression and boosting on tables, see `answer`."""
    made: dict[str, Learner] = {
        "majority": Majority(),
        "logistic regression": Logistic(),
        "gradient boosting": Boosting(classes=True, leaf=LEAF, seed=seed),
    }
    return answer(made, train, test)


def values(train: Sequence[tuple[Array, Array]], test: Sequence[Array], *, seed: int = 0) -> dict[str, list[Array]]:
    """Answer values by mean, ridge regression and boosting on tables, see `answer`."""
    made: dict[str, Learner] = {
        "mean": Mean(),
        "ridge regression": Ridge(),
        "gradient boosting": Boosting(classes=False, leaf=LEAF, seed=seed),
    }
    return answer(made, train, test)


def _log(x: Array) -> Array:
    return np.log10(x + 1e-6)  # heights differ by powers of ten; a flat window must stay finite


def _after_first_crossing(lags: Array) -> Array:
    """Blank an autocorrelation up to where it first falls below 0; the highest peak after it is the period."""
    passed = np.maximum.accumulate(lags < 0, axis=-1)
    return np.where(passed, lags, 0.0)
