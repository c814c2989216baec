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
from biotl.records.record import Annotations, Record

Array = NDArray[np.float64]
LEADS = ("MLII", "V1")
# A noiseless wave begins and ends at 5 % of its own peak, in the lead where it is largest.
EDGE = 0.05
P, QRS, T = range(3)
WINDOW_S = ((-0.34, 0.0), (-0.17, 0.24), (0.04, 0.80))
MARK = "pNt"
# Gaussian events, one a row: centre after R in s, widths before and after it in s, amplitude in MLII and in V1 in mV.
SINUS = (
    np.array([[-0.165, 0.020, 0.020, 0.13, 0.07]]),
    np.array(
        [[-0.026, 0.008, 0.008, -0.09, 0.10], [0.0, 0.010, 0.010, 1.20, 0.22], [0.025, 0.009, 0.010, -0.22, -0.85]]
    ),
    np.array([[0.280, 0.055, 0.036, 0.28, 0.10]]),
)
VENTRICULAR = (
    np.zeros((0, 5)),
    np.array([[0.0, 0.030, 0.026, 1.55, -1.10], [0.075, 0.024, 0.030, -0.55, 0.35]]),
    np.array([[0.330, 0.070, 0.050, -0.50, 0.32]]),
)


@dataclass(frozen=True)
class Subject:
    """One heart and its electrodes: what stays the same over every recording of it.

    Parameters
    ----------
    symbol : str
        Symbol of its sinus beats: ``N``, or ``L`` and ``R`` under bundle branch block.
    fibrillating : bool
        Atrial fibrillation: intervals without memory, no P wave.
    rr_s, rr_sd : float
        Mean and standard deviation of its intervals in seconds.
    respiration_hz : float
        Breathing rate: moves the rate, the amplitude and the baseline.
    sinus : tuple of ndarray
        Gaussian events of P, QRS and T.
    foci : tuple of tuple of ndarray
        The same of each ventricular focus.
    share : dict of str to float
        Share of its beats that are ``A``, ``V`` and ``F``.
    wander_mv, hum_mv, muscle_mv, mains_hz : float
        Noise, as amplitudes in mV, and the frequency of the hum.
    atrial : ndarray, shape (2,)
        What an atrial premature beat makes of the P wave in MLII and in V1: another origin, another P.
    """

    symbol: str
    fibrillating: bool
    rr_s: float
    rr_sd: float
    respiration_hz: float
    sinus: tuple[Array, ...]
    foci: tuple[tuple[Array, ...], ...]
    share: dict[str, float]
    wander_mv: float
    hum_mv: float
    muscle_mv: float
    mains_hz: float
    atrial: Array

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Subject":
        """Draw a subject; one in six has bundle branch block, one in ten atrial fibrillation."""
        symbol = str(rng.choice(["N", "L", "R"], p=[0.84, 0.08, 0.08]))
        fibrillating = bool(rng.random() < 0.1)
        rr_s = rng.uniform(0.62, 1.05)
        v_share = rng.uniform(0.03, 0.15) * (rng.random() < 0.75)
        return cls(
            symbol,
            fibrillating,
            rr_s,
            rr_s * (rng.uniform(0.18, 0.28) if fibrillating else rng.uniform(0.02, 0.07)),
            rng.uniform(0.18, 0.33),
            _sinus(rng, symbol, fibrillating=fibrillating),
            tuple(_focus(rng) for _ in range(rng.integers(1, 3))),
            {
                "A": rng.uniform(0.02, 0.12) * (rng.random() < 0.65 and not fibrillating),
                "V": v_share,
                "F": v_share * rng.uniform(0.1, 0.4),
            },
            rng.uniform(0.03, 0.30),
            rng.uniform(0.0, 0.06),
            rng.uniform(0.008, 0.035),
            float(rng.choice([50.0, 60.0])),
            rng.uniform(-0.6, 1.1, 2),
        )


def _varied(events: tuple[Array, ...], rng: np.random.Generator) -> list[Array]:
    """Return events moved as hearts differ: timing by 7 %, width by 10 %, amplitude by 25 % and one gain for all."""
    gain = rng.lognormal(0.0, 0.2)
    out = [wave.copy() for wave in events]
    for wave in out:
        wave[:, 0] *= rng.normal(1.0, 0.07)
        wave[:, 1:3] *= rng.lognormal(0.0, 0.10)
        wave[:, 3:] *= gain * rng.lognormal(0.0, 0.25, (len(wave), 2))
    return out


def _sinus(rng: np.random.Generator, symbol: str, *, fibrillating: bool) -> tuple[Array, ...]:
    p, qrs, t = _varied(SINUS, rng)
    qrs[:, :3] *= {"N": 1.0, "L": 1.9, "R": 1.4}[symbol]
    if symbol == "L":  # the ST segment and T point away from a left block's QRS
        t[:, 3:] *= -0.8
    if symbol == "R":  # the late right ventricle: a broad S in MLII, R' in V1
        qrs = np.vstack([qrs, [0.062, 0.016, 0.018, -0.25, 0.70]])
    return (p[:0] if fibrillating else p), qrs, t


def _focus(rng: np.random.Generator) -> tuple[Array, ...]:
    axis = np.where(rng.random(2) < 0.3, -0.8, 1.0)  # where the focus lies turns whole beats over, lead by lead
    return tuple(wave * np.concatenate([np.ones(3), axis]) for wave in _varied(VENTRICULAR, rng))


@dataclass(frozen=True)
class Beats:
    """Beats in order of time: class ``N``, ``A``, ``V`` or ``F``, interval before each, ventricular share, focus."""

    time_s: Array
    rr_s: Array
    kind: NDArray[np.str_]
    ventricular: Array
    focus: NDArray[np.int64]


def _beats(subject: Subject, duration_s: float, rng: np.random.Generator) -> Beats:
    """Walk from beat to beat, so that a longer recording begins with the shorter one."""
    # The two bands of ECGSYN's interval spectrum, each as eight lines: Mayer waves at 0.1 Hz and respiration.
    lines_hz = np.concatenate([rng.normal(0.1, 0.01, 8), rng.normal(subject.respiration_hz, 0.01, 8)])
    phase = rng.uniform(0, 2 * np.pi, 16)
    power = np.repeat([1 / 3, 2 / 3], 8) / 8
    names, shares = list(subject.share), list(subject.share.values())
    rows: list[tuple[float, float, str, float, int]] = []
    time, last, pause = -2.0, "N", 0.0
    while time < duration_s + 2.0:
        if subject.fibrillating:
            rr = float(np.clip(subject.rr_s * rng.lognormal(0.0, subject.rr_sd / subject.rr_s), 0.4, 2.0))
        else:
            swing = np.sum(np.sqrt(2 * power) * np.cos(2 * np.pi * lines_hz * time + phase))
            rr = float(max(subject.rr_s + subject.rr_sd * swing, 0.4))
        kind = str(rng.choice(["N", *names], p=[1 - sum(shares), *shares]))
        early, mix, focus = rng.random(), rng.uniform(0.25, 0.75), int(rng.integers(len(subject.foci)))
        couplet = last == "V" and rng.random() < 0.12
        if couplet:
            kind = "V"
        elif last != "N":
            kind = "N"
        if kind == "A":  # resets the sinus node: the next interval is about a usual one
            step, pause = rr * (0.64 + 0.30 * early), 1.05 * rr
        elif kind == "V":  # leaves the sinus node alone: the pause makes up for the early beat; one in four is late
            step = rr * (0.52 + 0.26 * early / 0.75 if early < 0.75 else 0.8 + 0.7 * (early - 0.75))
            pause = 2 * rr - step
        elif kind == "F":  # meets the sinus beat, so it is nearly on time
            step, pause = rr * (0.90 + 0.09 * early), rr
        else:
            step, pause = (pause if last in {"A", "V"} else rr), 0.0
        time += step
        last = kind
        rows.append((time, step, kind, {"V": 1.0, "F": mix}.get(kind, 0.0), focus))
    times, steps, kinds, mixes, foci = zip(*rows, strict=True)
    return Beats(np.array(times), np.array(steps), np.array(kinds), np.array(mixes), np.array(foci))


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
        If the length or the rate is too small for one beat.

    Examples
    --------
    >>> record = ecg(7, subject=3, duration_s=10.0)
    >>> record.signal.shape, record.channels
    ((2, 3600), ('MLII', 'V1'))
    """
    if not (duration_s >= 2.0 and fs >= 100.0):
        raise ConfigError(f"synthetic ECG needs at least 2 s at 100 Hz or more, got {duration_s} s at {fs} Hz")
    heart = Subject.draw(np.random.default_rng([seed, subject]))
    rhythm, jitters, sounds = (np.random.default_rng([seed, subject, visit, part]) for part in range(3))
    beats = _beats(heart, duration_s, rhythm)
    n = round(duration_s * fs)
    signal = np.zeros((2, n))
    breath = 1 + 0.05 * np.sin(2 * np.pi * heart.respiration_hz * beats.time_s)
    marks = []
    for wave in (P, QRS, T):
        jitter = breath * jitters.lognormal(0.0, 0.04, len(beats.time_s))
        marks.append(_draw_wave(signal, beats, _events(heart, beats, wave, jitter), wave, fs))
    if heart.fibrillating:
        signal += _flutter(n, fs, sounds)
    signal += noise * _noise(heart, n, fs, sounds)
    r_peak = marks[QRS][:, 1]
    inside = (r_peak >= 0) & (r_peak < n)
    symbol = np.where(beats.kind == "N", heart.symbol, beats.kind)[inside]
    name = f"s{subject:03d}" if visit == 0 else f"s{subject:03d}v{visit}"
    return Record(
        name,
        signal.astype(np.float32),
        fs,
        LEADS,
        ("mV", "mV"),
        f"synthetic-{seed}-{subject}",
        {"atr": _annotations(r_peak[inside], symbol), "waves": _wave_annotations(np.stack(marks), n)},
    )


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
