"""Synthetic PPG and acceleration beside the synthetic ECG, with what nobody could measure of them.

After Karhinoja et al. 2024 (arXiv 2408.16291), which showed that a detector learns from exact labels of a generator
what annotated recordings do not teach: a pulse of two waves follows each beat by a transit time, is smaller after a
short interval, rides on respiration, and is spoilt by movement, whose rhythm is the accelerometer's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biotl.records.heart import Array
from biotl.records.record import Annotations, Record
from biotl.records.synthetic import trace

CHANNELS = ("PPG", "ECG", "ACC_X", "ACC_Y", "ACC_Z")
UNITS = ("NU", "mV", "g", "g", "g")
LEAD_S = 1.6  # 1450 samples of a 10 s window at 125 Hz: no large prime, which the noise's transforms would pay for
"""Of the heart before the recording: the first pulses belong to beats that came before it."""


@dataclass(frozen=True, repr=False, eq=False)
class Pulses:
    """A recording of one heart, and its truth.

    Parameters
    ----------
    record : Record
        PPG, ECG and three axes of acceleration. Annotations: ``atr`` and ``waves`` as of `biotl.records.ecg`, and
        ``pulses``, the foot ``(`` and the crest ``p`` of each pulse.
    clean : ndarray of float32, shape (2, samples)
        PPG and ECG without movement, noise and drift.
    moving : ndarray of bool, shape (samples,)
        Where the wearer moves.
    """

    record: Record
    clean: NDArray[np.float32]
    moving: NDArray[np.bool_]


def pulses(
    seed: int,
    subject: int = 0,
    *,
    duration_s: float = 60.0,
    fs: float = 125.0,
    visit: int = 0,
    rate_bpm: float | None = None,
    moves_s: tuple[tuple[float, float], ...] | None = None,
) -> Pulses:
    """Synthesise PPG, ECG and acceleration of one subject.

    Parameters
    ----------
    seed, subject, duration_s, fs, visit
        As of `biotl.records.ecg`.
    rate_bpm : float, optional
        Mean heart rate from 20 to 240 bpm; by default drawn from 57 to 97.
    moves_s : tuple of (float, float), optional
        Where the wearer moves, from and to in seconds; by default in two fifths of the time, some eight seconds each.

    Raises
    ------
    ConfigError
        As `biotl.records.ecg`.

    Examples
    --------
    >>> made = pulses(7, subject=3, duration_s=10.0)
    >>> made.record.channels, made.record.signal.shape
    (('PPG', 'ECG', 'ACC_X', 'ACC_Y', 'ACC_Z'), (5, 1250))
    """
    heart = trace(seed, subject, duration_s=duration_s + LEAD_S, fs=fs, visit=visit, rate_bpm=rate_bpm)
    rng = np.random.default_rng([seed, subject, visit, 3])
    lead = round(LEAD_S * fs)
    n = heart.clean.shape[1]
    t = np.arange(n) / fs
    wave, feet, crests = _waves(heart.beats.sample / fs, t, rng)
    if moves_s is None:
        moving = _moving(t, rng)
    else:
        moving = np.any([(t - LEAD_S >= a) & (t - LEAD_S < b) for a, b in moves_s] or np.zeros((1, n), bool), axis=0)
    shaken = _cadence(t, fs, rng) * moving
    acc = 0.02 * rng.standard_normal((3, n)) + rng.uniform(0.2, 0.6, (3, 1)) * shaken
    # a step reaches the sensor a little later, and jolts of no rhythm come with it
    lag, leak = int(rng.integers(1, max(2, round(0.1 * fs)))), rng.lognormal(0.0, 0.7)
    ppg = wave + leak * np.roll(shaken, lag) + 0.3 * leak * moving * _slow(n, fs, 0.3, 2.0, rng)
    breath = np.sin(2 * np.pi * rng.uniform(0.15, 0.4) * t + rng.uniform(0, 6))
    ppg += rng.lognormal(-2.0, 0.7) * breath + rng.lognormal(-1.5, 0.7) * _slow(n, fs, 0.02, 0.5, rng)
    ppg += 10 ** rng.uniform(-2.3, -0.8) * rng.standard_normal(n)
    ecg = heart.clean[0] + heart.noise[0] + rng.uniform(0.02, 0.2) * np.roll(shaken, lag)
    signal = np.concatenate([ppg[None], ecg[None], acc])[:, lead:].astype(np.float32)
    clean = np.stack([wave, heart.clean[0]])[:, lead:].astype(np.float32)
    marks = np.stack([feet, crests], axis=1)
    inside = (marks >= LEAD_S).all(1) & (marks < t[-1]).all(1)
    at = np.rint(marks[inside].ravel() * fs).astype(np.int64) - lead
    found = {"atr": _later(heart.beats, lead), "waves": _whole(_later(heart.waves, lead))}
    found["pulses"] = _marks(at, np.array(["(", "p"] * int(inside.sum()), "U1"))
    name = f"s{subject:03d}" if visit == 0 else f"s{subject:03d}v{visit}"
    record = Record(name, signal, fs, CHANNELS, UNITS, f"synthetic-{seed}-{subject}", found)
    return Pulses(record, clean, moving[lead:])


def _waves(beat_s: Array, t: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return a pulse after each beat, a wave and the dicrotic one behind it, and where each has its foot and crest."""
    wave = np.zeros_like(t)
    if not len(beat_s):
        return wave, beat_s, beat_s
    transit, second, fall = rng.uniform(0.15, 0.35), rng.uniform(0.0, 0.6), rng.uniform(1.0, 2.5)
    before = np.diff(beat_s, prepend=beat_s[:1] - (beat_s[1] - beat_s[0] if len(beat_s) > 1 else 0.8))
    usual = float(np.median(before))
    # as the ejection does, the pulse narrows as the heart goes faster (the square root, as of QT)
    width = rng.uniform(0.065, 0.11) * np.sqrt(usual / 0.8)
    crest = beat_s + transit + 0.02 * np.sin(2 * np.pi * 0.1 * beat_s)
    # an early beat ejects what little has flowed in
    size = np.clip(before / usual, 0.15, 1.3) ** 1.5 * rng.lognormal(0.0, 0.05, len(beat_s))
    for at, height in zip(crest, size, strict=True):
        near = slice(*np.searchsorted(t, [at - 0.4, at + 1.0]))
        x = t[near] - at
        main = np.exp(-0.5 * (x / np.where(x < 0, width, fall * width)) ** 2)
        wave[near] += height * (main + second * np.exp(-0.5 * ((x - 3 * width) / (1.3 * width)) ** 2))
    return wave, crest - 2.5 * width, crest


def _moving(t: Array, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return rest and movement in turns, 12 s and 8 s long in the mean, by whichever the recording begins."""
    first, turns = int(rng.random() < 0.4), 4 + int(t[-1] / 4)
    edges = np.cumsum(rng.exponential(np.resize([8.0, 12.0] if first else [12.0, 8.0], turns)))
    moving: NDArray[np.bool_] = (np.searchsorted(edges, t) + first) % 2 == 1
    return moving


def _cadence(t: Array, fs: float, rng: np.random.Generator) -> Array:
    """Return what steps do to an accelerometer: a rhythm with two overtones that drifts, in the range of a heart's."""
    phase = 2 * np.pi * np.cumsum(rng.uniform(0.8, 3.0) + 0.05 * np.sin(t)) / fs
    return np.asarray(sum(a * np.sin((k + 1) * phase + rng.uniform(0, 6)) for k, a in enumerate((1.0, 0.5, 0.25))))


def _slow(n: int, fs: float, low: float, high: float, rng: np.random.Generator) -> Array:
    """Return noise between two frequencies in Hz, of deviation 1."""
    freq = np.fft.rfftfreq(n, 1 / fs)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * ((freq >= low) & (freq <= high)), n)
    return np.asarray(noise / (noise.std() + 1e-12))


def _marks(sample: NDArray[np.int64], symbol: NDArray[np.str_]) -> Annotations:
    zeros = np.zeros(len(sample), np.int8)
    return Annotations(sample, symbol, ("",) * len(sample), zeros, zeros, zeros)


def _later(marks: Annotations, lead: int) -> Annotations:
    kept = marks.sample >= lead
    return _marks(marks.sample[kept] - lead, marks.symbol[kept])


def _whole(marks: Annotations) -> Annotations:
    """Return waves from the first that begins in the recording: of the one before its onset may be cut off."""
    first = int(np.argmax(marks.symbol == "(")) if len(marks) else 0
    return _marks(marks.sample[first:], marks.symbol[first:])
