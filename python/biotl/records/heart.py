"""A synthetic heart: what stays the same over every recording of one subject, and how it walks from beat to beat."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
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
    def draw(cls, rng: np.random.Generator, rate_bpm: float | None = None) -> "Subject":
        """Draw a subject; one in six has bundle branch block, one in ten atrial fibrillation.

        `rate_bpm` is its mean heart rate, by default drawn from 57 to 97; all else is drawn as without it.
        """
        symbol = str(rng.choice(["N", "L", "R"], p=[0.84, 0.08, 0.08]))
        fibrillating = bool(rng.random() < 0.1)
        rr_s = rng.uniform(0.62, 1.05)
        rr_s = rr_s if rate_bpm is None else 60 / rate_bpm
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


def walk(subject: Subject, duration_s: float, rng: np.random.Generator) -> Beats:
    """Walk from beat to beat, so that a longer recording begins with the shorter one."""
    # The two bands of ECGSYN's interval spectrum, each as eight lines: Mayer waves at 0.1 Hz and respiration.
    lines_hz = np.concatenate([rng.normal(0.1, 0.01, 8), rng.normal(subject.respiration_hz, 0.01, 8)])
    phase = rng.uniform(0, 2 * np.pi, 16)
    power = np.repeat([1 / 3, 2 / 3], 8) / 8
    names, shares = list(subject.share), list(subject.share.values())
    rows: list[tuple[float, float, str, float, int]] = []
    time, last, pause = -2.0, "N", 0.0
    least = min(0.4, 0.7 * subject.rr_s)  # no interval is shorter, but for a heart that is itself that fast
    while time < duration_s + 2.0:
        if subject.fibrillating:
            rr = float(np.clip(subject.rr_s * rng.lognormal(0.0, subject.rr_sd / subject.rr_s), least, 2.0))
        else:
            swing = np.sum(np.sqrt(2 * power) * np.cos(2 * np.pi * lines_hz * time + phase))
            rr = float(max(subject.rr_s + subject.rr_sd * swing, least))
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
