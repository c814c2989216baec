"""How good an ECG or a PPG is, window by window, and why not."""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError

from ._arrays import as_leads, bridge, one_channel, rate
from ._results import Result
from .heart_rate import FRAME_HZ
from .ppg import motion_axes
from .resample import ratio
from .rpeaks import found

BEAT_S = {"ecg": (0.1, 0.15), "ppg": (0.25, 0.35)}
BAND_HZ = {"ecg": (0.7, 40.0), "ppg": (0.5, 8.0)}
QRS_HZ = (4.0, 20.0)
HARMONIC_HZ = 0.2
PULSE_HZ = (0.6, 3.6)
RATE_BPM = (25.0, 220.0)
LARGEST = 1e100
# a score below this is never without a reason
UNSURE = 0.5
# multiples of the pulse rate that narrow pulses have power at, and Hz around each
MULTIPLES, LINE_HZ = np.arange(1, 7), 0.25
# power of the likeness by which they count: 0.98 counts 0.7, 0.9 counts 0.2
ALIKE = 16
AGREE_S = 0.1
# of likeness, sureness, agreement and in_band, each with what it says where there is less of it; of an ECG chosen on
# MIT-BIH DS1 with noise, so that neither ectopic beats nor a high T wave are a fault
LEAST = {
    "ecg": {"unlike beats": 0.5, "unsure beats": 0.9, "detectors disagree": 0.8, "out of band": 0.15},
    "ppg": {"unlike beats": 0.7, "unsure beats": 0.2, "detectors disagree": 0.7, "out of band": 0.3},
}


@dataclass(frozen=True, eq=False, repr=False)
class Quality(Result):
    """One entry a window.

    Parameters
    ----------
    start : ndarray of int64, shape (windows,)
        First sample of each.
    score : ndarray of float32, shape (windows,)
        0 for none to 1 for the best, a product less what is missing, flat or clipped. Of an ECG: likeness, sureness,
        agreement and the root of the share in band. Of a PPG: dominance, the square of agreement, and the roots of
        repetition and sureness. Of a PPG with its motion: posterior.
    reasons : tuple of tuple of str, length windows
        What keeps the score down: missing, flat, clipped, jumps, few beats, unlike beats, unsure beats, detectors
        disagree, out of band, rate, motion; empty where nothing does. Of a PPG no score below 0.5 is without: where
        none of these is worse than its limit, it is "rate unsure".
    missing, flat, clipped : ndarray of float32, shape (windows,)
        Share of samples that are not finite, that repeat the one before for 0.2 s or more, and that lie in such a run
        at the largest or smallest value of the window.
    likeness : ndarray of float32, shape (windows,)
        Mean correlation of the beats with their median beat, drift taken off.
    sureness : ndarray of float32, shape (windows,)
        Mean score of the beats by `rpeaks` or `ppg_peaks`.
    evenness : ndarray of float32, shape (windows,)
        1 less the coefficient of variation of the intervals, at least 0; reported and not judged, since a heart may
        fibrillate.
    agreement : ndarray of float32, shape (windows,)
        Of an ECG, the F1 of the beats against those of a plain energy detector within 0.1 s. Of a PPG,
        ``2 ** -octaves`` between the pulse rate and the strongest frequency from 0.6 to 3.6 Hz; where pulses are
        alike, between that and the nearest multiple of the rate, since narrow pulses have strong harmonics.
    in_band : ndarray of float32, shape (windows,)
        Share of the spectral power where beats have theirs: of an ECG from 4 to 20 Hz, of a PPG within 0.2 Hz of the
        pulse rate, its double and its triple.
    repetition : ndarray of float32, shape (windows,)
        Autocorrelation at the median interval, at least 0.
    dominance : ndarray of float32, shape (windows,)
        1 less the power of the second summit of the spectrum from 0.6 to 3.6 Hz against the first; where pulses are
        alike, of the largest power beside the multiples of their rate.
    posterior : ndarray of float32, shape (windows,)
        Of a PPG with its motion, the probability by `heart_rate`, offline, that the strongest frequency of the PPG as
        it is lies within 5 beats a minute of the heart rate; else 0.
    jumps : ndarray of float32, shape (windows,)
        Of a PPG, how many samples are a step, a spike or a wrap of the codes from the one before.
    shaken : ndarray of float32, shape (windows,)
        Share of the power of the motion within 0.2 Hz of the strongest frequency of the signal; 0 without motion.
    skewness : ndarray of float32, shape (windows,)
        Third standardised moment. It is reported and not judged: its sign is that of the sensor, and the published sSQI
        falls from 1 to 0.02 where it crosses zero.
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
    agreement: NDArray[np.float32]
    in_band: NDArray[np.float32]
    repetition: NDArray[np.float32]
    dominance: NDArray[np.float32]
    posterior: NDArray[np.float32]
    jumps: NDArray[np.float32]
    shaken: NDArray[np.float32]
    skewness: NDArray[np.float32]
    rate: NDArray[np.float32]


def quality(
    x: ArrayLike,
    fs: float,
    *,
    kind: Literal["ecg", "ppg"],
    motion: ArrayLike | None = None,
    window_s: float = 10.0,
) -> Quality:
    """Judge an ECG or a PPG in windows without overlap.

    Parameters
    ----------
    x : array_like, shape (samples,)
        One channel in any unit, unfiltered: a filter hides what is wrong. Samples that are not finite count as missing.
    fs : float
        Sampling rate in Hz, at least 50 for an ECG and 20 for a PPG.
    kind : {"ecg", "ppg"}
        What it should be.
    motion : array_like, shape (axes, samples), optional
        An accelerometer beside a PPG, in any unit: pulses are found with it, and its rhythm is not taken for theirs.
        Samples that are not finite are bridged. The recording is then to be 9 s long at least.
    window_s : float
        Length of the windows in seconds, at least 4; a remainder shorter than half of it is left out.

    Returns
    -------
    Quality
        Its arrays have one entry a window. Amplitude is not judged, so neither unit nor gain matters.

    Raises
    ------
    SignalError
        If `x` is not one channel, or `kind`, `motion` or `window_s` is not as above.

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
    channel, fs = one_channel(x), rate(fs)
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
    axes = motion_axes(motion, len(channel), "interpolate")
    if kind == "ecg" and len(axes):
        raise SignalError("motion: got an accelerometer beside an ECG, wanted a PPG")
    rows = [_window(whole[a : a + size], bad[a : a + size], axes[:, a : a + size], fs, kind) for a in start]
    if len(axes):
        for row, value in zip(rows, _posterior(whole, axes, fs, start, size), strict=True):
            row["posterior"] = value
    names = [field.name for field in fields(Quality)][3:]
    columns = {name: np.array([row.get(name, 0.0) for row in rows], dtype=np.float32) for name in names}
    c = SimpleNamespace(**columns)
    few = np.isnan(c.rate)
    judged = zip(LEAST[kind].items(), (c.likeness, c.sureness, c.agreement, c.in_band), strict=True)
    wrong = {
        "missing": c.missing > 0.1,
        "flat": c.flat > 0.2,
        "clipped": c.clipped > 0.05,
        "jumps": c.jumps > 0,
        "few beats": few,
        **{name: ~few & (value < least) for (name, least), value in judged},
        "rate": ~few & ((c.rate < RATE_BPM[0]) | (c.rate > RATE_BPM[1])),
        "motion": c.shaken > 0.5,
    }
    if kind == "ecg":
        score = c.likeness.clip(0, 1) * c.sureness * c.agreement * np.sqrt(c.in_band)
    elif len(axes):
        score = c.posterior
    else:
        score = c.dominance * c.agreement**2 * np.sqrt(c.repetition * c.sureness)
    score = score * (1 - c.clipped) * (1 - c.flat) * (1 - c.missing)
    score[few] = 0
    named = np.any(list(wrong.values()), axis=0)
    wrong["rate unsure"] = (kind == "ppg") & ~named & (score < UNSURE)
    reasons = tuple(tuple(name for name in wrong if wrong[name][i]) for i in range(len(rows)))
    return Quality(start=start, score=score, reasons=reasons, **columns)


def _window(
    x: NDArray[np.float64], bad: NDArray[np.bool_], axes: NDArray[np.float32], fs: float, kind: str
) -> dict[str, Any]:
    """Return what `Quality` says of one window, without what cannot be known."""
    still = _runs(np.diff(x, prepend=np.nan) == 0, max(2, round(0.2 * fs)))
    clipped = still & ((x == x.max()) | (x == x.min())) & (np.ptp(x) > 0)
    if kind == "ecg":
        peaks, scores = found(x[None], fs, "raise")
    else:
        peaks, scores, _ = _core.ppg_peaks(x, np.ascontiguousarray(axes), fs, 0.0)
    centred = x - x.mean()
    spread = centred.std()
    skewness = float(np.mean(centred**3) / spread**3) if spread > 0 else 0.0
    jumps = 0 if kind == "ecg" else len(_core.ppg_jumps(x, fs))
    known = {
        "jumps": jumps,
        "missing": bad.mean(),
        "flat": still.mean(),
        "clipped": clipped.mean(),
        "skewness": skewness,
    }
    if len(peaks) < 3 or spread == 0:
        return known | {"rate": np.nan}
    intervals = np.diff(peaks) / fs
    evenness = max(0.0, 1 - float(intervals.std() / intervals.mean()))
    rate = 60 / float(np.median(intervals))
    clean = _filtered(centred, fs, BAND_HZ[kind])
    before, after = (round(s * fs) for s in BEAT_S[kind])
    whole = peaks[(peaks >= before) & (peaks + after < len(x))]
    correlations = _likeness(clean[whole[:, None] + np.arange(-before, after + 1)]) if len(whole) > 2 else np.zeros(1)
    lag = round(60 / rate * fs)
    reach = max(2, round(0.016 * fs))
    lags = range(max(1, lag - reach), min(len(x), lag + reach + 1))
    nearby = max((float(clean[k:] @ clean[: len(x) - k]) for k in lags), default=0.0)
    repetition = max(0.0, nearby / max(float(clean @ clean), 1e-300))
    power, f = _power(x, fs, BAND_HZ[kind])
    beating = (f >= PULSE_HZ[0]) & (f <= PULSE_HZ[1])
    strongest = float(f[beating][power[beating].argmax()])
    most = max(power[beating].max(), 1e-300)

    def dominant(own: Any) -> float:
        rivals = beating & (np.abs(f[:, None] - own).min(axis=1) > LINE_HZ)
        return 1 - float(power[rivals].max(initial=0) / most)

    dominance = dominant(strongest)
    if kind == "ecg":
        inside = (f >= QRS_HZ[0]) & (f <= QRS_HZ[1])
        agreement = _f1(peaks, _energy_beats(clean, fs), AGREE_S * fs)
    else:
        inside = np.abs(f[:, None] * 60 / rate - [1, 2, 3]).min(axis=1) < HARMONIC_HZ * 60 / rate
        octaves = np.abs(np.log2(rate / 60 * MULTIPLES / strongest))
        # harmonics are those of the pulse where most pulses are alike, as narrow ones are and shaken ones are not
        alike = max(float(np.median(correlations)), 0.0) ** ALIKE
        agreement = max(2.0 ** -float(octaves[0]), alike * 2.0 ** -float(octaves.min()))
        dominance = max(dominance, alike * dominant(rate / 60 * MULTIPLES))
    in_band = float(power[inside].sum() / max(power.sum(), 1e-300))
    shaking = sum((_power(axis.astype(np.float64), fs, BAND_HZ[kind])[0] for axis in axes), np.zeros(len(f)))
    shaken = float(shaking[np.abs(f - strongest) < HARMONIC_HZ].sum() / max(shaking.sum(), 1e-300))
    return known | {
        "likeness": correlations.mean(),
        "sureness": scores.mean(),
        "evenness": evenness,
        "agreement": agreement,
        "in_band": in_band,
        "repetition": repetition,
        "dominance": dominance,
        "shaken": shaken,
        "rate": rate,
    }


def _posterior(
    x: NDArray[np.float64], axes: NDArray[np.float32], fs: float, start: NDArray[np.int64], size: int
) -> list[float]:
    """Return, window by window, how likely the strongest frequency is the heart rate, 0 for less than a frame."""
    stream = _core.HeartRateStream(*ratio(fs, FRAME_HZ), len(axes), None)
    rows = np.concatenate([stream.push(np.concatenate([x[None], axes])), stream.finish()])
    if not len(rows):
        return [0.0] * len(start)
    # a window without the middle of a frame takes the nearest
    middle = (start + size / 2) / fs
    inside = [np.abs(rows[:, 0] - at) <= max(size / fs / 2 - 4, 0) + 1e-6 for at in middle]
    nearest = [np.abs(rows[:, 0] - at).argmin() for at in middle]
    return [
        float(rows[part, -1].mean() if part.any() else rows[k, -1]) for part, k in zip(inside, nearest, strict=True)
    ]


def _gain(f: NDArray[Any], band: tuple[float, float]) -> NDArray[np.float64]:
    """Return the response of a smooth band."""
    return np.asarray((1 - np.exp(-((f / band[0]) ** 4))) / (1 + (f / band[1]) ** 8))


def _filtered(centred: NDArray[np.float64], fs: float, band: tuple[float, float]) -> NDArray[np.float64]:
    """Return a window filtered; mirrored at both ends, so that drift does not become a step."""
    n = len(centred)
    mirrored = np.concatenate([centred[::-1], centred, centred[::-1]])
    spectrum = np.fft.rfft(mirrored) * _gain(np.fft.rfftfreq(3 * n, 1 / fs), band)
    return np.fft.irfft(spectrum, 3 * n)[n : 2 * n]


def _power(x: NDArray[np.float64], fs: float, band: tuple[float, float]) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return the power in the band, by a Hann window over the signal less its drift, and its Hz."""
    clean = _filtered(x - x.mean(), fs, band)
    f = np.fft.rfftfreq(4 * len(x), 1 / fs)
    return np.square(np.abs(np.fft.rfft(clean * np.hanning(len(x)), 4 * len(x)))), f


def _energy_beats(clean: NDArray[np.float64], fs: float) -> NDArray[np.int64]:
    """Return the beats of a plain detector: summits of the slope's energy over 0.12 s, above a share of the usual."""
    width = max(1, round(0.12 * fs))
    energy = np.sqrt(np.convolve(np.diff(clean, prepend=clean[0]) ** 2, np.ones(width) / width, "same"))
    half = round(0.3 * fs)
    blocks = [energy[a : a + 2 * half + 1].max() for a in range(0, len(energy), 2 * half + 1)]
    least = 0.5 * np.quantile(blocks, 0.6)
    summits: NDArray[np.int64] = np.flatnonzero((energy[1:-1] >= energy[:-2]) & (energy[1:-1] > energy[2:])) + 1
    around = np.lib.stride_tricks.sliding_window_view(np.pad(energy, half // 2), 2 * (half // 2) + 1)
    kept: NDArray[np.bool_] = (energy[summits] > least) & (energy[summits] >= around[summits].max(axis=1))
    return summits[kept]


def _f1(a: NDArray[np.int64], b: NDArray[np.int64], within: float) -> float:
    """Return the share of events of two ascending lists that have one of the other nearby."""
    if len(a) == 0 or len(b) == 0:
        return 0.0
    near = np.abs(a[:, None] - b) <= within
    return float((near.any(axis=1).sum() + near.any(axis=0).sum()) / (len(a) + len(b)))


def _runs(same: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Return where `same` holds for `length` samples or more on end."""
    edges = np.flatnonzero(np.diff(same.astype(np.int8), prepend=0, append=0))
    out = np.zeros(len(same), dtype=np.bool_)
    for a, b in edges.reshape(-1, 2):
        out[a:b] = b - a >= length
    return out


def _likeness(beats: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlation of each row with their median row."""
    beats = beats - beats.mean(axis=1, keepdims=True)
    template = np.median(beats / (np.linalg.norm(beats, axis=1, keepdims=True) + 1e-300), axis=0)
    template = template - template.mean()
    norms = np.linalg.norm(beats, axis=1) * np.linalg.norm(template)
    return np.asarray(beats @ template / np.maximum(norms, 1e-300))
