"""Measure `biotl.signal.quality` on BUT PPG and TROIKA, beside published definitions and a boosted tree.

    python benches/quality.py

BUT PPG: 24 recordings of 10 s, good or poor by three experts. TROIKA: 198 windows whose PPG gives a rate within 5 bpm
of the reference or not; ECG and accelerometer are not looked at (licence not stated: measured, not published). Nothing
is fitted but the tree, which is scored leave-one-subject-out; the others need no split. AUROC.
"""

import os
from pathlib import Path

import numpy as np
from scipy.signal import butter, cheby2, sosfiltfilt
from scipy.stats import kurtosis, skew
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from biotl.signal import ppg_peaks, quality

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))


def ssqi(x, fs):
    """Return the sSQI of the public pipeline (formats.md): it jumps at zero skewness."""
    y = sosfiltfilt(cheby2(4, 20, [0.4, 7], "bandpass", fs=fs, output="sos"), x)
    s = skew(y)
    return float(np.clip(1 / (1 + np.exp(2 * (s + 2))) if s < 0 else np.exp(-s), 0, 1))


def published(x, fs):
    """Return one value for each published definition."""
    y = sosfiltfilt(butter(4, [0.5, 8], "bandpass", fs=fs, output="sos"), x)
    power = np.abs(np.fft.rfft(y)) ** 2
    f = np.fft.rfftfreq(len(y), 1 / fs)
    relative = power[(f >= 1) & (f <= 2.25)].sum() / power[f <= 8].sum()
    return {
        "sSQI (public pipeline)": ssqi(x, fs),
        "skewness (Elgendi 2016)": skew(y),
        "kurtosis": kurtosis(y),
        "relative power 1-2.25 Hz": relative,
    }


def simple(x, fs):
    """Return the features of the boosted tree; the window is standardised, so that its amplitude says nothing."""
    y = sosfiltfilt(butter(2, [0.4, 10], "bandpass", fs=fs, output="sos"), x)
    y = y / max(y.std(), 1e-12)
    power = np.abs(np.fft.rfft(y * np.hanning(len(y)))) ** 2
    f = np.fft.rfftfreq(len(y), 1 / fs)
    bands = [
        power[(f >= a) & (f < b)].sum() / power.sum() for a, b in ((0.4, 0.8), (0.8, 1.5), (1.5, 3), (3, 6), (6, 10))
    ]
    shares = power / power.sum()
    entropy = -(shares * np.log(shares + 1e-12)).sum()
    gaps = np.diff(ppg_peaks(x, fs)) / fs
    rhythm = [np.median(gaps), gaps.std() / gaps.mean()] if len(gaps) > 2 else [0, 1]
    q = quality(x, fs, kind="ppg", window_s=len(x) / fs)
    return [skew(y), kurtosis(y), entropy, shares.max(), *bands, *rhythm, q.likeness[0], q.sureness[0], q.in_band[0]]


def measure(title, windows, fs, labels, subjects):
    """Print the AUROC of every definition on one data set."""
    scores = [quality(x, fs, kind="ppg", window_s=len(x) / fs) for x in windows]
    table = {"biotl quality": [q.score[0] for q in scores], "biotl likeness": [q.likeness[0] for q in scores]}
    rows = [published(x, fs) for x in windows]
    table |= {name: [row[name] for row in rows] for name in rows[0]}
    X = np.array([simple(x, fs) for x in windows])
    tree = np.empty(len(X))
    for subject in np.unique(subjects):
        left = subjects == subject
        model = HistGradientBoostingClassifier(max_iter=60, min_samples_leaf=5, random_state=0)
        tree[left] = model.fit(X[~left], labels[~left]).predict_proba(X[left])[:, 1]
    table["boosted tree, leave one subject out"] = tree
    print(f"{title}: {len(labels)} windows, {labels.sum()} good, {len(np.unique(subjects))} subjects")
    for name, values in sorted(table.items(), key=lambda item: -roc_auc_score(labels, item[1])):
        print(f"  {name:38} AUROC {roc_auc_score(labels, values):.3f}")


if __name__ == "__main__":
    z = np.load(DATA / "butppg" / "butppg_v1.npz")
    measure("BUT PPG", z["ppg"].astype(float), float(z["ppg_fs"]), z["quality"], z["subject"])
    z = np.load(DATA / "troika" / "troika_windows_5ch.npz")
    subjects = np.array([r[:2] for r in z["record"]])
    measure("TROIKA", z["signals"][:, 3].astype(float), float(z["fs"]), z["labels"], subjects)
