"""Noise of every kind that an ambulatory ECG meets, from models, at a stated signal-to-noise ratio.

The ratio is that of the MIT-BIH Noise Stress Test Database (Moody et al. 1984): signal power is an eighth of the
squared median peak-to-peak amplitude of the QRS complexes, noise power the variance of what is added.
"""

import numpy as np
from scipy import signal

KINDS = ("wander", "muscle", "electrode", "mains", "mixed")


def _band(rng, n, fs, low, high):
    spectrum = np.fft.rfft(rng.standard_normal(n))
    f = np.fft.rfftfreq(n, 1 / fs)
    shape = 1 / (1 + (f / high) ** 8) * (1 - np.exp(-((f / max(low, 1e-3)) ** 4)))
    return np.fft.irfft(spectrum * shape, n)


def _modulated(rng, n, fs, seconds, spread):
    """Return a slowly changing positive gain: noise comes and goes."""
    knots = rng.standard_normal(int(n / fs / seconds) + 3) * spread
    return np.exp(np.interp(np.arange(n) / fs / seconds, np.arange(len(knots)), knots))


def wander(rng, n, fs):
    """Return drift and respiration below 0.8 Hz."""
    t = np.arange(n) / fs
    breath = np.sin(2 * np.pi * rng.uniform(0.15, 0.4) * t + np.cumsum(rng.standard_normal(n)) * 0.05 / np.sqrt(fs))
    drift = _band(rng, n, fs, 0.01, rng.uniform(0.3, 0.8))
    return 0.5 * breath + drift / drift.std()


def muscle(rng, n, fs):
    """Return a myogram: broad noise from 10-30 Hz on, in bursts."""
    x = _band(rng, n, fs, rng.uniform(8, 30), min(rng.uniform(60, 200), 0.45 * fs))
    return x * _modulated(rng, n, fs, rng.uniform(0.3, 3), rng.uniform(0, 0.8))


def electrode(rng, n, fs):
    """Return electrode motion: bumps as wide as beats and waves, steps that decay, and noise of 1-10 Hz."""
    x = _band(rng, n, fs, 0.5, rng.uniform(3, 12)) * _modulated(rng, n, fs, rng.uniform(1, 5), rng.uniform(0.2, 1))
    x /= x.std()
    for _ in range(rng.poisson(n / fs * rng.uniform(0.2, 1.5))):
        at, width = rng.integers(n), rng.uniform(0.015, 0.25)
        span = np.arange(max(0, int(at - 4 * width * fs)), min(n, int(at + 4 * width * fs)))
        x[span] += rng.standard_t(3) * 2 * np.exp(-(((span - at) / fs / width) ** 2) / 2)
    for _ in range(rng.poisson(n / fs * 0.1)):
        at = rng.integers(n)
        x[at:] += rng.standard_t(3) * 2 * np.exp(-np.arange(n - at) / fs / rng.uniform(0.2, 3))
    if rng.random() < 0.5:
        x = signal.lfilter(*signal.butter(1, rng.uniform(5, 30), fs=fs), x)
    return x


def mains(rng, n, fs):
    """Return hum at 50 or 60 Hz with its third harmonic."""
    f = rng.choice([50, 60]) * (1 + rng.normal(0, 0.001))
    t = np.arange(n) / fs
    third = rng.uniform(0, 0.3) * np.sin(6 * np.pi * f * t) if 3 * f < fs / 2 else 0
    return (np.sin(2 * np.pi * f * t) + third) * _modulated(rng, n, fs, 5, 0.2)


def mixed(rng, n, fs):
    """Return all kinds at once."""
    parts = [make(rng, n, fs) for make in (wander, muscle, electrode, mains)]
    return sum(rng.uniform(0, 1) * part / part.std() for part in parts)


def add(rng, x, fs, beats, kind, snr_db):
    """Return `x` with noise of `kind` at `snr_db` against the QRS complexes at samples `beats`."""
    reach = int(0.05 * fs)
    spans = [x[max(0, b - reach) : b + reach + 1] for b in beats]
    power = np.median([np.ptp(s) for s in spans if len(s)]) ** 2 / 8 if len(spans) else x.var()
    noise = globals()[kind](rng, len(x), fs)
    noise -= noise.mean()
    return x + noise * np.sqrt(power / 10 ** (snr_db / 10) / max(noise.var(), 1e-30))
