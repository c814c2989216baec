"""Synthetic two-lead ECG with exact truth: the class of every beat; onset, peak and offset of every wave.

The waves follow the dynamical model of McSharry, Clifford, Tarassenko and Smith (2003, ECGSYN): a phase that turns once
a beat, a sum of Gaussian events on it, and a rate driven by respiration and by Mayer waves. Deviations: on the limit
cycle the equation of z is integrated in closed form (each event is then a Gaussian, so a block of beats is one array
expression), events may be asymmetric, as T waves are, and ectopic beats, bundle branch block and atrial fibrillation
are added.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biotl.errors import ConfigError
from biotl.records.heart import Array, Beats, Subject, walk
from biotl.records.record import Annotations, Record

LEADS = ("MLII", "V1")
# two leads of float64 with their noise take 200 bytes a sample at the peak: 2.5 GB for the longest
_MOST = 12_000_000  # samples: 9 hours at 360 Hz
# A noiseless wave begins and ends at 5 % of its own peak, in the lead where it is largest.
EDGE = 0.05
P, QRS, T = range(3)
WINDOW_S = ((-0.34, 0.0), (-0.17, 0.24), (0.04, 0.80))
MARK = "pNt"


def _events(subject: Subject, beats: Beats, wave: int, jitter: Array) -> Array:
    """Return the events of one wave of every beat, shape (beats, events, 5)."""
    sinus = (beats.kind != "V").astype(float) if wave == P else 1.0 - beats.ventricular
    parts = [(subject.sinus[wave], sinus)]
    parts += [(focus[wave], beats.ventricular * (beats.focus == i)) for i, focus in enumerate(subject.foci)]
    out = np.concatenate([np.repeat(events[None], len(beats.kind), 0) for events, _ in parts], axis=1)
    out[..., 3:] *= np.concatenate([np.repeat(weight[:, None], len(e), 1) for e, weight in parts], axis=1)[..., None]
    out[..., 3:] *= jitter[:, None, None]
    if wave == P:  # before an atrial beat and before a fusion P is nearer
        out[beats.kind == "A", :, 3:] *= subject.atrial
        out[np.isin(beats.kind, ["A", "F"]), :, 0] *= 0.85
    if wave == T:  # Bazett: the QT interval follows the square root of the interval
        out[..., :3] *= np.sqrt((beats.rr_s + subject.rr_s) / 2)[:, None, None]
    return out


def _draw_wave(signal: Array, beats: Beats, events: Array, wave: int, fs: float) -> NDArray[np.int64]:
    """Add one wave of every beat to ``signal``, (leads, samples); return onset, peak, offset, (beats, 3), or -1."""
    window = np.arange(round(WINDOW_S[wave][0] * fs), round(WINDOW_S[wave][1] * fs) + 1)
    marks = np.empty((len(events), 3), np.int64)
    for start in range(0, len(events), 2048):  # a block at a time: a day of beats would not fit
        block = slice(start, start + 2048)
        index = np.rint(beats.time_s[block] * fs).astype(np.int64)[:, None] + window
        tau = (index / fs - beats.time_s[block, None])[:, None] - events[block, :, :1]
        bell = np.exp(-0.5 * (tau / np.where(tau < 0, events[block, :, 1:2], events[block, :, 2:3])) ** 2)
        shape = np.einsum("bew,bel->lbw", bell, events[block, :, 3:])
        inside = (index >= 0) & (index < signal.shape[1])
        for lead, values in zip(signal, shape, strict=True):
            np.add.at(lead, index[inside], values[inside])
        size = np.abs(shape).max(axis=0)
        over = size > EDGE * size.max(axis=1, keepdims=True)
        first, last = over.argmax(axis=1), len(window) - 1 - over[:, ::-1].argmax(axis=1)
        marks[block] = index[:, :1] + np.stack([first, np.abs(shape[0]).argmax(axis=1), last], axis=1)
        marks[block][size.max(axis=1) < 0.005] = -1  # under 5 uV, one step of a usual converter, there is no wave
    return marks


def _apart(marks: NDArray[np.int64], wave: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order waves by peak and keep them apart.

    Where two collide the earlier one ends just before the later one begins, but not before its own peak; a wave whose
    peak then lies inside its neighbour (a P on a T) is not marked, as nobody could see it.
    """
    order = np.argsort(marks[:, 1], kind="stable")
    kept: list[int] = []
    marks = marks.copy()
    for i in order:
        if kept and marks[i, 0] <= marks[kept[-1], 2]:
            before = marks[kept[-1]]
            before[2] = max(before[1] + 1, marks[i, 0] - 1)
            marks[i, 0] = before[2] + 1
            if marks[i, 0] >= marks[i, 1]:
                if wave[i] != QRS:
                    continue
                kept.pop()
        kept.append(int(i))
    return marks[kept], wave[kept]


def _noise(subject: Subject, n: int, fs: float, rng: np.random.Generator) -> Array:
    """Return baseline wander, mains hum and muscle noise of both leads, shape (2, n), in mV."""
    t, freq = np.arange(n) / fs, np.fft.rfftfreq(n, 1 / fs)

    def shaped(gain: Array) -> Array:
        noise = np.fft.irfft(np.fft.rfft(rng.standard_normal((2, n))) * gain, n)
        return np.asarray(noise / (noise.std(axis=1, keepdims=True) + 1e-12))

    drift = shaped(np.where((freq > 0.02) & (freq < 0.6), 1 / np.maximum(freq, 0.05), 0.0))
    breath = np.sin(2 * np.pi * subject.respiration_hz * t + rng.uniform(0, 2 * np.pi, (2, 1)))
    muscle = shaped((freq > 15).astype(float))
    burst = 1 + 2 * np.clip(shaped((freq < 0.3).astype(float)) - 1.0, 0, None)
    hum = np.zeros((2, n))
    for harmonic, part in ((1, 1.0), (3, 0.2)):
        if harmonic * subject.mains_hz < fs / 2:
            hum += part * np.sin(2 * np.pi * harmonic * subject.mains_hz * t + rng.uniform(0, 2 * np.pi, (2, 1)))
    swell = 1 + 0.3 * np.sin(2 * np.pi * 0.05 * t + rng.uniform(0, 2 * np.pi))
    return (
        subject.wander_mv * (drift + 0.6 * breath) + subject.hum_mv * swell * hum + subject.muscle_mv * burst * muscle
    )


def _flutter(n: int, fs: float, rng: np.random.Generator) -> Array:
    """Return the fibrillatory waves of the atria, 5-8 Hz, shape (2, n), in mV."""
    t = np.arange(n) / fs
    phase = 2 * np.pi * (rng.uniform(5, 8) * t + 0.3 * np.sin(2 * np.pi * 0.2 * t))
    return np.array([[0.03], [0.06]]) * (np.sin(phase) + 0.4 * np.sin(2 * phase + 1.0))


def ecg(
    seed: int, subject: int = 0, *, duration_s: float = 60.0, fs: float = 360.0, noise: float = 1.0, visit: int = 0
) -> Record:
    """Synthesise a recording of one subject, with its truth.

    The same ``seed`` and ``subject`` are the same heart; ``fs``, ``noise`` and a longer ``duration_s`` leave its beats
    where they are.

    Parameters
    ----------
    seed : int
        Seed of the whole population.
    subject : int
        Which subject of it.
    duration_s : float
        Length in seconds.
    fs : float
        Sampling rate in Hz, at least 100.
    noise : float
        Factor on baseline wander, mains hum and muscle noise; 0 leaves the heart alone.
    visit : int
        Another recording of the same subject.

    Returns
    -------
    Record
        Leads ``MLII`` and ``V1`` in mV, shape (2, round(duration_s * fs)). ``annotations["atr"]`` holds a symbol
        (N, L, R, A, V, F) at each R peak; ``annotations["waves"]`` holds ``(``, one of ``p N t``, and ``)`` for each
        wave that lies in the record whole; waves never overlap.

    Raises
    ------
    ConfigError
        If the length or the rate is too small for one beat, or there are more than 12 million samples.

    Examples
    --------
    >>> record = ecg(7, subject=3, duration_s=10.0)
    >>> record.signal.shape, record.channels
    ((2, 3600), ('MLII', 'V1'))
    """
    beats = trace(seed, subject, duration_s=duration_s, fs=fs, visit=visit)
    name = f"s{subject:03d}" if visit == 0 else f"s{subject:03d}v{visit}"
    signal = (beats.clean + noise * beats.noise).astype(np.float32)
    about = {"atr": beats.beats, "waves": beats.waves}
    return Record(name, signal, fs, LEADS, ("mV", "mV"), f"synthetic-{seed}-{subject}", about)


@dataclass(frozen=True)
class Trace:
    """Two leads in mV, shape (2, samples): the heart, and what lies over it; beats and waves as annotations."""

    clean: Array
    noise: Array
    beats: Annotations
    waves: Annotations


def trace(
    seed: int, subject: int, *, duration_s: float, fs: float, visit: int = 0, rate_bpm: float | None = None
) -> Trace:
    """Synthesise what `ecg` records, signal and noise apart; `rate_bpm` is the mean heart rate, by default drawn.

    Raises
    ------
    ConfigError
        As `ecg`; or if the rate lies outside 20 to 240 bpm.
    """
    if not (2.0 <= duration_s < np.inf and 100.0 <= fs < np.inf):
        raise ConfigError(f"synthetic ECG needs at least 2 s at 100 Hz or more, got {duration_s} s at {fs} Hz")
    if duration_s * fs > _MOST:
        got = f"{duration_s / 60:g} minutes at {fs:g} Hz are {duration_s * fs:.3g} samples"
        raise ConfigError(f"synthetic ECG: {got}, wanted at most {_MOST:,}, {_MOST / fs / 60:.0f} minutes")
    if rate_bpm is not None and not 20 <= rate_bpm <= 240:
        raise ConfigError(f"synthetic ECG: rate_bpm: got {rate_bpm:g}, wanted 20 to 240")
    heart = Subject.draw(np.random.default_rng([seed, subject]), rate_bpm)
    rhythm, jitters, sounds = (np.random.default_rng([seed, subject, visit, part]) for part in range(3))
    beats = walk(heart, duration_s, rhythm)
    n = round(duration_s * fs)
    signal = np.zeros((2, n))
    breath = 1 + 0.05 * np.sin(2 * np.pi * heart.respiration_hz * beats.time_s)
    marks = []
    for wave in (P, QRS, T):
        jitter = breath * jitters.lognormal(0.0, 0.04, len(beats.time_s))
        marks.append(_draw_wave(signal, beats, _events(heart, beats, wave, jitter), wave, fs))
    if heart.fibrillating:
        signal += _flutter(n, fs, sounds)
    r_peak = marks[QRS][:, 1]
    inside = (r_peak >= 0) & (r_peak < n)
    symbol = np.where(beats.kind == "N", heart.symbol, beats.kind)[inside]
    beat = _annotations(r_peak[inside], symbol)
    return Trace(signal, _noise(heart, n, fs, sounds), beat, _wave_annotations(np.stack(marks), n))


def _wave_annotations(marks: NDArray[np.int64], n: int) -> Annotations:
    wave = np.repeat(np.arange(3), marks.shape[1])
    flat = marks.reshape(-1, 3)
    seen = flat[:, 1] >= 0
    flat, wave = _apart(flat[seen], wave[seen])
    whole = (flat[:, 0] >= 0) & (flat[:, 2] < n)
    flat, wave = flat[whole], wave[whole]
    symbol = np.stack([np.full(len(wave), "("), np.array(list(MARK))[wave], np.full(len(wave), ")")], axis=1)
    return _annotations(flat.ravel(), symbol.ravel())


def _annotations(sample: NDArray[np.int64], symbol: NDArray[np.str_]) -> Annotations:
    zeros = np.zeros(len(sample), np.int8)
    return Annotations(sample.astype(np.int64), symbol, ("",) * len(sample), zeros, zeros, zeros)
