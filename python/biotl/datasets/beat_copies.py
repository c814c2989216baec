"""Copies of training recordings with other rhythms: few hearts of a database have many ectopic beats, or fibrillate."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import biotl.signal
from biotl.datasets.beat_measures import BeatMeasures
from biotl.datasets.beats import match

N, S, V = 0, 1, 2
FEWEST = 5
"""Beats of a class below which a recording is not copied with more of them."""
SHARES = (0.03, 0.85)
"""From which to which share of the beats a class is copied to."""
SHORTEST_S = 0.3
NOISE_HZ = ((0.05, 1.0, 0.2), (1.0, 12.0, 0.15), (15.0, 100.0, 0.08))
"""Wander, electrode motion and muscle: band, and largest standard deviation in heights of the QRS complex."""


def with_prevalence(
    beats: BeatMeasures, label: NDArray[Any], of: int, share: float, size: int, rng: np.random.Generator
) -> tuple[BeatMeasures, NDArray[np.int64]]:
    """Put stretches of a recording together anew, so that a share of its beats is of one class.

    An ectopic beat keeps the interval before it, what follows a run is what followed its last beat, and runs are longer
    the larger the share; whatever is relative to the recording changes with its rhythm.

    Parameters
    ----------
    beats : BeatMeasures
        Of m beats.
    label : ndarray of int64, shape (m,)
        Class of each beat, negative where there is none.
    of : int
        The class that is to be more (or less) frequent; it must occur.
    share : float
        Wanted share, between 0 and 1.
    size : int
        Beats of the copy, roughly.
    rng : numpy.random.Generator
        Draws runs and stretches.

    Returns
    -------
    BeatMeasures, ndarray of int64
        The copy, and the class of each of its beats.
    """
    picked = prevalent(label, of, share, size, rng)
    return beats.rows(picked), label[picked]


def prevalent(label: NDArray[Any], of: int, share: float, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which beats of a recording follow one another in a copy of another share; see `with_prevalence`."""
    ectopic = np.flatnonzero(label == of)
    index: list[int] = []
    while len(index) < size:
        # a run, then at least one other beat: the longer the runs the larger the share
        usual = share / (1 - share)
        run = min(int(rng.geometric(min(1 - share / 2, 1 / max(1.0, 2 * usual)))), 40)
        first = int(rng.integers(len(ectopic)))
        chosen = ectopic[(first + np.arange(run)) % len(ectopic)]
        rest = 1 + int(rng.poisson(max(0.0, run / usual - 1)))
        index.extend(chosen.tolist())
        index.extend(_stretch(label, int(chosen[-1]) + 1, of, rest, rng))
    return np.array(index[:size])


def _stretch(label: NDArray[Any], start: int, of: int, length: int, rng: np.random.Generator) -> list[int]:
    """Return ``length`` consecutive beats from ``start`` on, going on elsewhere where the class comes again."""
    found: list[int] = []
    at = start
    while len(found) < length:
        while at < len(label) and label[at] != of and len(found) < length:
            found.append(at)
            at += 1
        others = np.flatnonzero(label == N)
        if not len(others):
            break
        at = int(rng.choice(others))
    return found


def retime(
    x: NDArray[Any], rpeaks: NDArray[Any], fs: float, rr_s: NDArray[Any], p_gain: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Give a recording other RR intervals and P waves of other size.

    What lies between T and P is stretched, or left out; where a P wave comes so early that it meets the T wave before,
    the two add up, as they do in the heart.

    Parameters
    ----------
    x : ndarray, shape (leads, samples)
        ECG.
    rpeaks : ndarray of int64, shape (m,)
        R peaks in samples.
    fs : float
        Sampling rate in Hz.
    rr_s : ndarray, shape (m,)
        Wanted interval before each beat in seconds; the first is not used.
    p_gain : ndarray, shape (m,)
        Factor of each P wave: 0 takes it out, below 0 turns it over.

    Returns
    -------
    ndarray of float32, shape (leads, samples), ndarray of int64, shape (m,)
        The new recording, and its R peaks.
    """
    rr = np.diff(rpeaks, prepend=0)
    ahead = np.minimum(0.26 * fs, 0.45 * np.append(rr[1:2], rr[1:])).astype(np.int64)
    cut = np.maximum(rpeaks - ahead, 0)
    stop = np.append(cut[1:], x.shape[1])
    wanted = np.append(np.rint(np.maximum(rr_s[1:], SHORTEST_S) * fs).astype(np.int64) - rr[1:], 0)
    parts = [x[:, : cut[0]]]
    new = np.zeros(len(rpeaks), np.int64)
    at, under = int(cut[0]), x[:, :0]
    for i in range(len(rpeaks)):
        part = x[:, cut[i] : stop[i]].astype(np.float32)
        quiet = int(max(0, rpeaks[i] - cut[i] - 0.05 * fs))
        if p_gain[i] != 1 and quiet > 4:
            wave = part[:, :quiet]
            line = np.linspace(wave[:, :2].mean(axis=1), wave[:, -2:].mean(axis=1), quiet, axis=1)
            part[:, :quiet] = line + p_gain[i] * (wave - line)
        n = min(under.shape[1], quiet)
        if n > 1:
            part[:, :n] += (under[:, :n] - part[:, :1]) * (0.5 + 0.5 * np.cos(np.linspace(0, np.pi, n)))
        new[i] = at + rpeaks[i] - cut[i]
        length = max(part.shape[1] + int(wanted[i]), int(rpeaks[i] - cut[i] + 0.1 * fs))
        under = part[:, length:]
        part = _stretched(part, length) if length > part.shape[1] else part[:, :length]
        parts.append(part)
        at += part.shape[1]
    return np.concatenate(parts, axis=1).astype(np.float32), new


def _stretched(part: NDArray[Any], length: int) -> NDArray[Any]:
    """Stretch the last fifth of a beat, which is between T and P, so that the whole has the length wanted."""
    kept = part.shape[1] - max(2, part.shape[1] // 5)
    at = np.append(np.arange(kept), np.linspace(kept, part.shape[1] - 1, length - kept))
    return np.stack([np.interp(at, np.arange(part.shape[1]), lead) for lead in part])


def with_premature(
    x: NDArray[Any], rpeaks: NDArray[Any], fs: float, label: NDArray[Any], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Let some sinus beats of a recording come early, with a P wave of another focus: supraventricular beats.

    The sinus rhythm itself swings as with breathing, so that coming early alone decides nothing.

    Returns
    -------
    ndarray of float32, ndarray of int64, ndarray of int64
        The new recording, its R peaks and the class of each beat.
    """
    rr, gain, new = _intervals(rpeaks, fs), np.ones(len(label)), np.array(label)
    rr *= _breathing(len(rr), rng)
    _draw_premature(rr, gain, new, rng)
    return (*retime(x, rpeaks, fs, rr, gain), new)


def with_fibrillation(
    x: NDArray[Any],
    rpeaks: NDArray[Any],
    fs: float,
    label: NDArray[Any],
    rng: np.random.Generator,
    *,
    whole: float = 0.3,
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Let a recording fibrillate for a part of its length: intervals without memory, f waves in place of P waves.

    Supraventricular beats of that part lose their class (-2, not scored): in fibrillation there are none. Half of the
    time the sinus rhythm around it has premature beats, so that a missing P wave alone decides nothing.

    Parameters
    ----------
    x, rpeaks, fs, label, rng
        The recording, the R peaks in samples, the rate in Hz, the class of each beat, and what everything is drawn by.
    whole : float
        Chance that all of it fibrillates.

    Returns
    -------
    ndarray of float32, ndarray of int64, ndarray of int64
        The new recording, its R peaks and the class of each beat.
    """
    rr, gain, new = _intervals(rpeaks, fs), np.ones(len(label)), np.array(label)
    rr *= _breathing(len(rr), rng)
    if rng.random() < 0.5:
        _draw_premature(rr, gain, new, rng)
    m = len(label)
    length = m if rng.random() < whole else int(m * rng.uniform(0.2, 0.8))
    first = int(rng.integers(m - length + 1))
    part = slice(first, first + length)
    rate = np.median(rr) * rng.uniform(0.65, 1.0)
    rr[part] = np.clip(rate * rng.lognormal(0, rng.uniform(0.15, 0.35), length), 0.36, 2.0)
    gain[part] = 0
    new[part] = np.where(new[part] == S, -2, new[part])
    y, peaks = retime(x, rpeaks, fs, rr, gain)
    a, b = int(peaks[first]), int(peaks[first + length - 1])
    seconds = np.arange(b - a) / fs
    # f waves: 5 to 8 Hz, their rate wandering, up to a fourteenth of the R wave
    phase = 2 * np.pi * np.cumsum(rng.uniform(5, 8) + 0.7 * np.sin(2 * np.pi * 0.23 * seconds)) / fs
    height = np.percentile(np.abs(x - np.median(x, axis=1, keepdims=True)), 99.5, axis=1)
    waves = (np.sin(phase) + 0.4 * np.sin(2 * phase)) * height[:, None] * rng.uniform(0.0, 0.07, (len(x), 1))
    y[:, a:b] += waves.astype(np.float32)
    return y, peaks, new


def with_noise(
    x: NDArray[Any], rpeaks: NDArray[Any], fs: float, label: NDArray[Any], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Lay wander, muscle and electrode noise over a recording, and look for its beats anew.

    Returns
    -------
    ndarray of float32, shape (leads, samples), ndarray of int64, shape (m,), ndarray of int64, shape (m,)
        The noisy recording, the R peaks found in it, and their classes, -1 where the detector made one up.
    """
    n, size = x.shape[1], np.percentile(np.abs(x - np.median(x, axis=1, keepdims=True)), 99.5, axis=1)
    hertz = np.fft.rfftfreq(n, 1 / fs)
    noise = np.zeros(x.shape)
    for low, high, most in NOISE_HZ:
        shape = (hertz >= low) & (hertz < rng.uniform(0.5, 1) * high)
        part = np.fft.irfft(shape * np.fft.rfft(rng.standard_normal(x.shape)), n)
        # it comes and goes within seconds
        knots = rng.standard_normal(max(2, int(n / fs / 3)))
        gain = np.exp(0.7 * np.interp(np.linspace(0, len(knots) - 1, n), np.arange(len(knots)), knots))
        noise += rng.uniform(0, most, (len(x), 1)) * gain * part / part.std(axis=1, keepdims=True)
    y = (x + size[:, None] * noise).astype(np.float32)
    peaks = biotl.signal.rpeaks(y, fs)
    found = match(rpeaks, peaks, round(0.15 * fs))
    return y, peaks, np.where(found >= 0, label[found], -1).astype(np.int64)


def _intervals(rpeaks: NDArray[Any], fs: float) -> NDArray[np.float64]:
    rr = np.diff(rpeaks) / fs
    return np.append(np.median(rr), rr)


def _breathing(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw by what factor sinus arrhythmia moves each interval: swings of 3 to 8 beats, on a slower drift.

    A young heart's intervals swing by a quarter and more, and its P waves stay: such beats are early, and sinus beats.
    """
    beat = np.arange(n)
    swing, drift = rng.uniform(0, 0.25) * (rng.random() < 0.7), rng.uniform(0, 0.1)
    phase = np.cumsum(2 * np.pi / rng.uniform(3, 8) * rng.lognormal(0, 0.2, n))
    return np.asarray(np.exp(swing * np.sin(phase) + drift * np.sin(2 * np.pi * beat / rng.uniform(20, 60))))


def _draw_premature(
    rr: NDArray[np.float64], gain: NDArray[np.float64], label: NDArray[Any], rng: np.random.Generator
) -> None:
    """Draw which sinus beats come early, and write their intervals, P gains and class in place."""
    calm = label == N
    free = calm & np.append(False, calm[:-1]) & np.append(calm[1:], False)
    share = rng.uniform(0.03, 0.2)
    early = rng.uniform(0.5, 0.75), rng.uniform(0.78, 0.92)
    # a focus of its own: one near the sinus node draws the same P wave, a junctional one hardly any
    focus = rng.choice([rng.uniform(-1, -0.3), rng.uniform(-0.2, 0.2), rng.uniform(0.3, 0.7), 1.0])
    goes_on = rng.choice([0.0, 0.3, 0.8])
    median = np.median(rr)
    factor = 1.0
    for i in np.flatnonzero(free):
        run = label[i - 1] == S
        if rng.random() >= (goes_on if run else share):
            if run:  # the sinus node is reset: about a usual interval follows
                rr[i] = max(rr[i], median) * rng.uniform(1.0, 1.2)
            continue
        factor = factor * rng.normal(1, 0.03) if run else rng.uniform(*early)
        rr[i] *= factor
        gain[i] = focus + rng.normal(0, 0.1)
        label[i] = S
