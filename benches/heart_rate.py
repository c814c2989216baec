"""Measure `biotl.signal.heart_rate` under motion against the ECG beside it, and on noise that has no rate.

    python benches/heart_rate.py [FOLDER]      runs of the IEEE SP Cup (test folders hold other people) and DaLiA S6
    python benches/heart_rate.py --windows     each 8 s by itself, at a confidence of 0.7
    python benches/heart_rate.py --parts       what each part buys
    python benches/heart_rate.py --noise       share of frames of noise and of pure motion that are given a rate
    python benches/heart_rate.py --speed       process time for a second of signal against pulses by ppg_peaks

Truth is the rate of the ECG in windows of 8 s, one every 2 s, as published with the data. Mean absolute error in beats
per minute over what is answered, the share answered, the share within 5, and how often the interval of 90 % holds.
Constants were chosen on SP Cup train 01-06, test S01-S04 and DaLiA S6 alone, so these are "chosen on"; FOLDER may hold
others: MATLAB files DATA_*.mat beside DATA_*_BPMtrace.mat, or TEST_*.mat beside True_*.mat. Licences are not stated
(SP Cup) or CC BY 4.0 (DaLiA): measured, and nothing of them kept.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import scipy.io

from biotl.signal import heart_rate, ppg_peaks

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))
LAGS = {"causal": 0.0, "8 s late": 8.0, "offline": np.inf}


def runs(folder):
    """Yield name, PPG, accelerometer, rate and truth of each run; of two sensors the first."""
    for path in sorted(folder.rglob("*.mat")):
        pairs = {"DATA": path.with_name(f"{path.stem}_BPMtrace.mat"), "TEST": path.with_name(f"True{path.name[4:]}")}
        truth = pairs.get(path.name[:4])
        if truth is None or not truth.exists() or "BPMtrace" in path.name:
            continue
        signals = scipy.io.loadmat(path)["sig"].astype(float)
        ecg = len(signals) == 6
        yield path.stem, signals[int(ecg)], signals[-3:], 125.0, scipy.io.loadmat(truth)["BPM0"].ravel()


def dalia():
    """Yield the stairs of DaLiA S6, its windows joined."""
    z = np.load(DATA / "dalia_s6" / "S6_stairs.npz")
    x = np.concatenate([z["X"][0], *(window[:, -64:] for window in z["X"][1:])], axis=1)
    yield "DaLiA S6", x[0], x[1:], 32.0, z["y"].ravel()


def compare(found, truth):
    """Return the errors, NaN where nothing was answered, and whether the interval holds."""
    n = min(len(truth), (len(found) + 1) // 2)
    rows = slice(0, 2 * n, 2)
    return np.abs(found.rate[rows] - truth[:n]), (found.low[rows] <= truth[:n]) & (truth[:n] <= found.high[rows])


def line(title, errors, held):
    """Print one line of figures."""
    known = np.isfinite(errors)
    within = 100 * (errors[known] <= 5).mean()
    print(
        f"{title:24} answered {100 * known.mean():5.1f} %  error {errors[known].mean():5.2f} bpm  "
        f"within 5 {within:5.1f} %  interval holds {100 * held[known].mean():5.1f} %  of {len(errors)}",
        flush=True,
    )


def table(data):
    """Print each run offline, and all of them at each lag."""
    for lag, lag_s in LAGS.items():
        pairs = [(name, *compare(heart_rate(x, fs, motion=axes, lag_s=lag_s), y)) for name, x, axes, fs, y in data]
        if lag == "offline":
            for name, errors, held in pairs:
                line(name, errors, held)
        line(f"all, {lag}", *(np.concatenate([pair[k] for pair in pairs]) for k in (1, 2)))


def windows(data):
    """Print what each 8 s says by itself."""
    errors = []
    for _, x, axes, fs, truth in data:
        size = round(8 * fs) + round(fs)  # and what the resampler needs
        for n, rate in enumerate(truth):
            a = round(2 * n * fs)
            found = heart_rate(x[a : a + size], fs, motion=axes[:, a : a + size], lag_s=0)
            sure = len(found) > 0 and found.confidence[0] >= 0.7
            errors.append(abs(found.rate[0] - rate) if sure else np.nan)
    line("8 s alone, 0.7 sure", np.array(errors), np.ones(len(errors), dtype=bool))


def spectral_peak(x, fs, second):
    """Return the strongest frequency of 8 s from 0.7 to 3.5 Hz, a minute."""
    part = x[round(second * fs) : round((second + 8) * fs)]
    power = np.abs(np.fft.rfft((part - part.mean()) * np.hanning(len(part)), 8192))
    f = np.fft.rfftfreq(8192, 1 / fs)
    inside = (f >= 0.7) & (f <= 3.5)
    return 60 * f[inside][power[inside].argmax()]


def pulse_rate(peaks, second):
    """Return the rate of the mean interval of the pulses in 8 s, 0 for fewer than three."""
    near = peaks[(peaks >= second) & (peaks < second + 8)]
    return 60 / np.diff(near).mean() if len(near) > 2 else 0.0


def parts(data):
    """Print the plain spectral peak, pulses, and the belief without and with the accelerometer."""
    errors = {}
    for _, x, axes, fs, truth in data:
        peaks = ppg_peaks(x, fs, motion=axes) / fs
        ways = {
            "spectral peak": [spectral_peak(x, fs, 2 * n) for n in range(len(truth))],
            "pulses, accelerometer": [pulse_rate(peaks, 2 * n) for n in range(len(truth))],
        }
        for name, rates in ways.items():
            errors.setdefault(name, []).append(np.abs(np.array(rates) - truth))
        for name, motion, lag_s in (
            ("belief, no accelerometer", None, np.inf),
            ("accelerometer, causal", axes, 0),
            ("accelerometer, offline", axes, np.inf),
        ):
            errors.setdefault(name, []).append(compare(heart_rate(x, fs, motion=motion, lag_s=lag_s), truth)[0])
    for name, each in errors.items():
        line(name, np.concatenate(each), np.ones(sum(map(len, each)), dtype=bool))


def noise(data):
    """Print how often noise is given a rate, alone and beside the accelerometers, and what these explain whole."""
    rng = np.random.default_rng(0)
    given = {}
    for _, x, axes, fs, _ in data:
        n = len(x)
        spectrum = np.fft.rfft(rng.standard_normal(n))
        f = np.maximum(np.arange(len(spectrum)), 1)
        swing = sum(np.convolve(a - a.mean(), np.exp(-np.arange(40) / 12))[:n] for a in axes)
        kinds = {
            "white noise": np.fft.irfft(spectrum, n),
            "1/f noise": np.fft.irfft(spectrum / np.sqrt(f), n),
            "1/f2 noise": np.fft.irfft(spectrum / f, n),
            "motion": swing / swing.std() + 0.15 * rng.standard_normal(n),
        }
        for name, y in kinds.items():
            for motion in (axes, None) if "noise" in name else (axes,):
                for lag_s in LAGS.values():
                    key = f"{name}{'' if motion is None else ', accelerometer'}"
                    given.setdefault(key, []).append(np.isfinite(heart_rate(y, fs, motion=motion, lag_s=lag_s).rate))
    for name, each in given.items():
        print(f"{name:28} given a rate {100 * np.concatenate(each).mean():5.2f} % of {sum(map(len, each))} frames")


def speed(data):
    """Print process time for a second of signal, and against ppg_peaks with the same accelerometer, taken in turn."""
    _, x, axes, fs, _ = data[0]
    times = {"heart_rate": [], "ppg_peaks": []}
    for _ in range(7):
        for name, run in (("heart_rate", heart_rate), ("ppg_peaks", ppg_peaks)):
            start = time.process_time()
            run(x, fs, motion=axes)
            times[name].append(time.process_time() - start)
    ours, pulses = (np.median(times[name]) for name in times)
    print(f"heart_rate {1000 * ours * fs / len(x):.3f} ms a second of signal, {ours / pulses:.2f} times ppg_peaks")


if __name__ == "__main__":
    folders = [Path(word) for word in sys.argv[1:] if not word.startswith("--")]
    chosen = list(runs(folders[0] if folders else DATA / "spcup2015")) + ([] if folders else list(dalia()))
    for name, show in (("--windows", windows), ("--parts", parts), ("--noise", noise), ("--speed", speed)):
        if name in sys.argv:
            show(chosen)
    if not any(word.startswith("--") for word in sys.argv):
        table(chosen)
