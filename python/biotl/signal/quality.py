"""How good an ECG or a PPG is, window by window, and why not."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl.errors import SignalError

from ._arrays import as_leads, bridge, coerce
from .ppg import ppg_peaks
from .rpeaks import rpeaks

BEAT_S = {"ecg": (0.1, 0.15), "ppg": (0.25, 0.35)}
BAND_HZ = {"ecg": (0.7, 40.0), "ppg": (0.5, 8.0)}
QRS_HZ = (4.0, 20.0)
HARMONIC_HZ = 0.2
RATE_BPM = (25.0, 220.0)
LARGEST = 1e100
REASONS = ("missing", "flat", "clipped", "few beats", "unlike beats", "unsure beats", "out of band", "rate")


@dataclass(frozen=True)
class Quality:
    """One entry a window.

    Parameters
    ----------
    start : ndarray of int64, shape (windows,)
        First sample of each.
    score : ndarray of float32, shape (windows,)
        0 for none to 1 for the best: likeness, sureness and the square root of the share in band for an ECG, the square
        root of likeness, evenness and the share in band for a PPG, multiplied, less what is missing, flat or clipped.
    reasons : tuple of tuple of str, length windows
        What keeps the score down, of `REASONS`; empty where nothing does.
    missing, flat, clipped : ndarray of float32, shape (windows,)
        Share of samples that are not finite, that repeat the one before for 0.2 s or more, and that lie in such a run
        at the largest or smallest value of the window.
    likeness : ndarray of float32, shape (windows,)
        Mean correlation of the beats with their median beat, drift taken off.
    sureness : ndarray of float32, shape (windows,)
        Mean score of the beats by `rpeaks` or `ppg_peaks`.
    evenness : ndarray of float32, shape (windows,)
        1 less the coefficient of variation of the intervals, at least 0; of an ECG it is reported and not judged, since
        a heart may fibrillate.
    in_band : ndarray of float32, shape (windows,)
        Share of the spectral power where beats have theirs: of an ECG from 4 to 20 Hz, of a PPG within 0.2 Hz of the
        pulse rate, its double and its triple.
    skewness : ndarray of float32, shape (windows,)
        Third standardised moment, signed so that a pulse with a steep rise and a slow fall is positive. It is reported
        and not judged: the published sSQI falls from 1 to 0.02 where it crosses zero.
    rate : ndarray of float32, shape (windows,)
        Beats per minute by the median interval, NaN below three beats.
    """

    start: NDArray[np.int64]
    score: NDArray[np.float32]
    reasons: tuple[tuple[str, ...], ...]
    missing: NDArray[np.float32]
    flat: NDArray[np.float32]
    clipped: NDArray[np.float32]
    likeness: NDArray[np.float32]
    sureness: NDArray[np.float32]
    evenness: NDArray[np.float32]
    in_band: NDArray[np.float32]
    skewness: NDArray[np.float32]
    rate: NDArray[np.float32]


def quality(x: ArrayLike, fs: float, *, kind: Literal["ecg", "ppg"], window_s: float = 10.0) -> Quality:
    """Judge an ECG or a PPG in windows without overlap.

    Parameters
    ----------
    x : array_like, shape (samples,)
        One channel in any unit, unfiltered: a filter hides what is wrong. Samples that are not finite count as missing.
    fs : float
        Sampling rate in Hz, at least 50 for an ECG and 20 for a PPG.
    kind : {"ecg", "ppg"}
        What it should be.
    window_s : float
        Length of the windows in seconds, at least 4; a remainder shorter than half of it is left out.

    Returns
    -------
    Quality
        Its arrays have one entry a window. Amplitude is not judged, so neither unit nor gain matters.

    Raises
    ------
    SignalError
        If `x` is not one channel, or `kind` or `window_s` is not as above.

    References
    ----------
    .. [1] C. Orphanidou et al., "Signal-quality indices for the electrocardiogram and photoplethysmogram", IEEE J.
       Biomed. Health Inform. 19:832, 2015: the likeness of beats to their template, here to the median beat.

    Examples
    --------
    >>> t = np.arange(3600) / 360
    >>> ecg = np.exp(-(((t % 1 - 0.5) / 0.012) ** 2) / 2) + 0.2 * np.exp(-(((t % 1 - 0.8) / 0.04) ** 2) / 2)
    >>> quality(np.concatenate([ecg, np.zeros(3600)]), 360, kind="ecg").reasons
    ((), ('flat', 'few beats'))
    """
    channel = coerce(x)
    if channel.ndim != 1:
        raise SignalError(f"x: got shape {channel.shape}, wanted one channel of shape (samples,)")
    if kind not in BEAT_S:
        raise SignalError(f"kind: got {kind!r}, wanted 'ecg' or 'ppg'")
    if not window_s >= 4:
        raise SignalError(f"window_s: got {window_s}, wanted at least 4 s")
    if not 20 <= fs <= 1e9 or not window_s <= 1e9:
        raise SignalError(f"fs, window_s: got {fs} Hz and {window_s} s, wanted at least 20 Hz, and at most 1e9 of both")
    size = round(window_s * fs)
    start = np.arange(0, len(channel) - size // 2 + 1, size, dtype=np.int64)
    bad = ~np.isfinite(channel)
    whole = bridge(as_leads(channel), as_leads(bad))[0].astype(np.float64)
    if np.abs(whole).max(initial=0) > LARGEST:
        raise SignalError(f"x: got values up to {np.abs(whole).max():g}, wanted at most {LARGEST:g}: squares overflow")
    rows = [_window(whole[a : a + size], bad[a : a + size], fs, kind) for a in start]
    columns = np.array(rows, dtype=np.float32).reshape(len(rows), 9).T
    missing, flat, clipped, likeness, sureness, evenness, in_band, skewness, rate = columns
    few = np.isnan(rate)
    wrong = {
        "missing": missing > 0.1,
        "flat": flat > 0.2,
        "clipped": clipped > 0.05,
        "few beats": few,
        "unlike beats": ~few & (likeness < 0.7),
        "unsure beats": ~few & (sureness < 0.5),
        "out of band": ~few & (in_band < 0.3),
        "rate": ~few & ((rate < RATE_BPM[0]) | (rate > RATE_BPM[1])),
    }
    like = likeness.clip(0, 1)
    score = like * sureness * np.sqrt(in_band) if kind == "ecg" else np.sqrt(like) * evenness * in_band
    score = score * (1 - clipped) * (1 - flat) * (1 - missing)
    score[few] = 0
    reasons = tuple(tuple(name for name in REASONS if wrong[name][i]) for i in range(len(rows)))
    return Quality(start, score, reasons, missing, flat, clipped, likeness, sureness, evenness, in_band, skewness, rate)


def _window(x: NDArray[np.float64], bad: NDArray[np.bool_], fs: float, kind: str) -> tuple[float, ...]:
    """Return missing, flat, clipped, likeness, sureness, evenness, share in band, skewness and rate of one window."""
    still = _runs(np.diff(x, prepend=np.nan) == 0, max(2, round(0.2 * fs)))
    clipped = still & ((x == x.max()) | (x == x.min())) & (np.ptp(x) > 0)
    peaks, scores = (rpeaks if kind == "ecg" else ppg_peaks)(x, fs, scores=True)
    centred = x - x.mean()
    spread = centred.std()
    skewness = float(np.mean(centred**3) / spread**3) if spread > 0 else 0.0
    shares = bad.mean(), still.mean(), clipped.mean()
    if len(peaks) < 3 or spread == 0:
        return (*shares, 0.0, 0.0, 0.0, 0.0, skewness, np.nan)
    intervals = np.diff(peaks) / fs
    evenness = max(0.0, 1 - float(intervals.std() / intervals.mean()))
    rate = 60 / float(np.median(intervals))
    # Mirrored at both ends, so that drift does not become a step.
    spectrum = np.fft.rfft(np.concatenate([centred[::-1], centred, centred[::-1]]))
    f = np.fft.rfftfreq(3 * len(x), 1 / fs)
    low, high = BAND_HZ[kind]
    gain = (1 - np.exp(-((f / low) ** 4))) / (1 + (f / high) ** 8)
    clean = np.fft.irfft(spectrum * gain, 3 * len(x))[len(x) : 2 * len(x)]
    before, after = (round(s * fs) for s in BEAT_S[kind])
    whole = peaks[(peaks >= before) & (peaks + after < len(x))]
    likeness = _likeness(clean[whole[:, None] + np.arange(-before, after + 1)]) if len(whole) > 2 else 0.0
    power = np.abs(spectrum) ** 2
    if kind == "ecg":
        inside = (f >= QRS_HZ[0]) & (f <= QRS_HZ[1])
    else:
        inside = np.abs(f[:, None] * 60 / rate - [1, 2, 3]).min(axis=1) < HARMONIC_HZ * 60 / rate
    in_band = power[inside].sum() / max(power[(f >= low) & (f <= high) | inside].sum(), 1e-300)
    return (*shares, likeness, float(scores.mean()), evenness, float(in_band), skewness, rate)


def _runs(same: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Return where `same` holds for `length` samples or more on end."""
    edges = np.flatnonzero(np.diff(same.astype(np.int8), prepend=0, append=0))
    out = np.zeros(len(same), dtype=np.bool_)
    for a, b in edges.reshape(-1, 2):
        out[a:b] = b - a >= length
    return out


def _likeness(beats: NDArray[np.float64]) -> float:
    """Return the mean correlation of the rows with their median row."""
    beats = beats - beats.mean(axis=1, keepdims=True)
    template = np.median(beats / (np.linalg.norm(beats, axis=1, keepdims=True) + 1e-300), axis=0)
    template = template - template.mean()
    norms = np.linalg.norm(beats, axis=1) * np.linalg.norm(template)
    return float(np.mean(beats @ template / np.maximum(norms, 1e-300)))
