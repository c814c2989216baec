"""What is no heart: the signals of a lead that is off, of the mains, of a pacemaker alone, and of a calibration."""

import numpy as np

NAMES = (
    "flat",
    "white noise",
    "brown noise",
    "last bit",
    "last bits and hum",
    "hum of 50 Hz",
    "hum of 60 Hz",
    "hum and breath",
    "calibration square",
    "short calibration square",
    "paced spikes",
    "paced spikes with a tail",
    "saturated",
    "came off",
)
# of noise, against a height of 1; what is made of codes has its own
NOISES = (0.0, 0.02)


def signal(name, fs, *, noise=0.0, seed=0, seconds=60.0):
    """Return one of them, shape (samples,), about 1 high."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(fs * seconds)) / fs
    n, white, phase = len(t), rng.standard_normal(len(t)), rng.uniform()

    def hum(hz):
        # the mains are never at their nominal rate for long
        return np.sin(2 * np.pi * (1.0003 * hz * t + phase))

    def spikes(tail):
        at = np.diff(np.floor((t + phase) / 0.85), prepend=0).clip(0, 1)
        shape = -tail * np.exp(-np.arange(round(0.3 * fs)) / (0.06 * fs))
        shape[: max(1, round(0.002 * fs))] = 1
        return np.convolve(at, shape)[:n]

    made = {
        "flat": lambda: np.full(n, 3.0),
        "white noise": lambda: white,
        "brown noise": lambda: np.cumsum(white) / np.sqrt(fs),
        "last bit": lambda: np.round(0.3 * white),
        "last bits and hum": lambda: np.round(0.5 * white + 0.5 * hum(50)),
        "hum of 50 Hz": lambda: hum(50),
        "hum of 60 Hz": lambda: hum(60),
        "hum and breath": lambda: hum(50) + 3 * np.sin(2 * np.pi * 0.25 * t),
        "calibration square": lambda: np.sign(np.sin(2 * np.pi * (t + phase))),
        "short calibration square": lambda: ((t + phase) % 1 < 0.2).astype(float),
        "paced spikes": lambda: spikes(0.0),
        "paced spikes with a tail": lambda: spikes(0.1),
        "saturated": lambda: np.where(np.sin(2 * np.pi * (0.1 * t + phase)) > 0, 10.0, -10.0),
        "came off": lambda: np.where(t < 1, np.exp(-(((t - 0.5) / 0.012) ** 2) / 2), 0) + 1e-3 * white,
    }
    x = made[name]()
    return x if name.startswith("last bit") else x + noise * rng.standard_normal(n)
