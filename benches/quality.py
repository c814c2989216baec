"""Measure `biotl.signal.quality` beside published definitions and learnt models.

    python benches/quality.py [ppg] [ecg]

TROIKA: 198 windows of 10 s, good where the rate of the PPG lies within 5 bpm of the reference; the ECG is never looked
at (licence not stated: measured, and neither kept nor learnt from). "PPG" are measures of the PPG alone, "PPG + ACC"
of both. BUT PPG: 24 recordings of 10 s, good or poor by three experts; amplitude is not judged.

AUROC over all windows, and over the subjects held out: TROIKA 02, 04, 06 and BUT PPG 101, 103, 105; the formula of the
score was chosen on the others. The learnt models see five of six subjects and are scored on the sixth, for each.

ECG: MIT-BIH DS2, the first five minutes of each record, lead 0, in windows of 10 s as recorded and with every kind of
noise of `noise.py` at 24 to -6 dB. A window is good if `rpeaks` finds its annotated beats with F1 of 0.95 or more; what
is told is how well each measure, which knows no annotation, sorts good from poor.
"""

import os
import sys
import warnings
from pathlib import Path

import numpy as np
from scipy.signal import butter, cheby2, coherence, find_peaks, sosfiltfilt
from scipy.stats import kurtosis, skew
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from biotl.signal import quality, rpeaks

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))
DS2 = "100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234".split()  # noqa: SIM905
BEATS = set("NLRBAaJSVrFejnE/fQ?")
PARTS = ("likeness", "sureness", "evenness", "agreement", "in_band", "repetition", "dominance", "posterior")


def ssqi(x, fs):
    """Return the sSQI of the public pipeline (formats.md): it jumps at zero skewness."""
    s = skew(sosfiltfilt(cheby2(4, 20, [0.4, 7], "bandpass", fs=fs, output="sos"), x))
    return float(np.clip(1 / (1 + np.exp(2 * (s + 2))) if s < 0 else np.exp(-s), 0, 1))


def orphanidou(x, fs):
    """Return the mean correlation of pulses with their mean, 0 where rate or intervals rule them out (2015)."""
    y = sosfiltfilt(butter(2, [0.5, 8], "bandpass", fs=fs, output="sos"), x)
    peaks = find_peaks(y, distance=round(0.33 * fs), prominence=0.3 * y.std())[0]
    gaps = np.diff(peaks) / fs
    if len(gaps) < 3 or not 40 <= 60 / gaps.mean() <= 180 or gaps.max() > 3 or gaps.max() / gaps.min() > 2.2:
        return 0.0
    half = round(np.median(gaps) * fs / 2)
    beats = np.array([y[p - half : p + half] for p in peaks if half <= p <= len(y) - half])
    return float(np.mean([np.corrcoef(b, beats.mean(axis=0))[0, 1] for b in beats]))


def published(x, fs):
    """Return one value for each published definition."""
    y = sosfiltfilt(butter(4, [0.5, 8], "bandpass", fs=fs, output="sos"), x)
    power = np.abs(np.fft.rfft(y)) ** 2
    f = np.fft.rfftfreq(len(y), 1 / fs)
    shares = power / power.sum()
    return {
        "sSQI (public pipeline)": ssqi(x, fs),
        "skewness (Elgendi 2016)": skew(y),
        "kurtosis": kurtosis(y),
        "entropy": -(shares * np.log(shares + 1e-12)).sum(),
        "perfusion": np.ptp(y) / max(abs(x.mean()), 1e-12),
        "zero crossings": float((np.diff(np.sign(y)) != 0).mean()),
        "relative power 1-2.25 Hz": power[(f >= 1) & (f <= 2.25)].sum() / power[f <= 8].sum(),
        "template matching (Orphanidou 2015)": orphanidou(x, fs),
    }


def neurokit(x, fs):
    """Return NeuroKit's quality by template matching, 0 where it raises."""
    import neurokit2

    try:
        clean = neurokit2.ppg_clean(x, sampling_rate=int(fs))
        return float(np.nanmean(neurokit2.ppg_quality(clean, sampling_rate=int(fs), method="templatematch")))
    except Exception:
        return 0.0


def spectrum(x, fs):
    """Return frequencies and relative power of a standardised window, so that its amplitude says nothing."""
    y = sosfiltfilt(butter(2, [0.4, 10], "bandpass", fs=fs, output="sos"), x)
    y = y / max(y.std(), 1e-12)
    power = np.abs(np.fft.rfft(y * np.hanning(len(y)), 4096)) ** 2
    return y, np.fft.rfftfreq(4096, 1 / fs), power


def simple(x, fs):
    """Return the features of the learnt models: shape, spectrum and autocorrelation of the PPG."""
    y, f, power = spectrum(x, fs)
    shares = power / power.sum()
    beating = (f > 0.6) & (f < 3.5)
    first = f[beating][shares[beating].argmax()]
    near = [shares[np.abs(f - k * first) < 0.2].sum() for k in (1, 2, 3)]
    second = shares[beating & (np.abs(f - first) > 0.25)].max() / shares[beating].max()
    alike = np.correlate(y, y, "full")[len(y) - 1 :] / (y @ y)
    lags = alike[round(0.28 * fs) : round(1.44 * fs)]
    edges = ((0.4, 0.8), (0.8, 1.5), (1.5, 3), (3, 6), (6, 10))
    bands = [shares[(f >= a) & (f < b)].sum() for a, b in edges]
    entropy = -(shares * np.log(shares + 1e-12)).sum()
    return [
        skew(y),
        kurtosis(y),
        entropy,
        *near,
        first,
        second,
        lags.max(),
        lags.argmax() / fs,
        *bands,
        skew(np.diff(y)),
    ]


def moving(x, axes, fs):
    """Return the features of the learnt models that tell how the PPG and the accelerometer hang together."""
    _, f, power = spectrum(x, fs)
    share = power / power.sum()
    raw = [sosfiltfilt(butter(2, [0.4, 10], "bandpass", fs=fs, output="sos"), a) for a in axes]
    shaking = sum(np.abs(np.fft.rfft(a * np.hanning(len(a)), 4096)) ** 2 for a in raw)
    shaken = shaking / shaking.sum()
    beating = (f > 0.6) & (f < 3.5)
    pulse, step = (f[beating][v[beating].argmax()] for v in (share, shaken))
    common = np.max([coherence(x, a, fs, nperseg=512)[1][2:16] for a in axes], axis=0)
    gaps = [abs(pulse - step), abs(pulse - 2 * step), abs(pulse - step / 2)]
    at = [shaken[np.abs(f - pulse) < 0.2].sum(), share[np.abs(f - step) < 0.2].sum()]
    return [np.log(shaking.sum()), step, *gaps, *at, common.mean(), common.max(), np.sqrt(share * shaken).sum()]


def tree():
    """Return a boosted tree."""
    return HistGradientBoostingClassifier(max_iter=60, min_samples_leaf=5, random_state=0)


def logistic():
    """Return a logistic regression."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000))


def left_out(make, features, labels, subjects):
    """Return the probability of good, each subject by a model that never saw it."""
    out = np.empty(len(labels))
    for subject in np.unique(subjects):
        left = subjects == subject
        out[left] = make().fit(features[~left], labels[~left]).predict_proba(features[left])[:, 1]
    return out


def show(title, table, labels, held_out):
    """Print AUROC over all windows and over the held-out subjects, best first."""
    print(
        f"{title}: {len(labels)} windows, {labels.sum()} good; held out {held_out.sum()}, {labels[held_out].sum()} good"
    )
    for name, values in sorted(table.items(), key=lambda item: -roc_auc_score(labels, item[1])):
        aurocs = [roc_auc_score(labels[part], np.asarray(values)[part]) for part in (labels >= 0, held_out)]
        print(f"  {name:46} AUROC {aurocs[0]:.3f}   held out {aurocs[1]:.3f}")


def measure(title, windows, fs, labels, subjects, held_out, motion=None):
    """Print the AUROC of every measure on one set of PPGs."""
    found = [quality(x, fs, kind="ppg", window_s=len(x) / fs) for x in windows]
    table = {"biotl quality": [q.score[0] for q in found]}
    table |= {f"biotl {name}": [getattr(q, name)[0] for q in found] for name in PARTS}
    rows = [published(x, fs) for x in windows]
    table |= {name: [row[name] for row in rows] for name in rows[0]}
    table["NeuroKit template matching"] = [neurokit(x, fs) for x in windows]
    alone = np.array([simple(x, fs) for x in windows])
    features = {"PPG": alone}
    if motion is not None:
        both = [
            quality(x, fs, kind="ppg", motion=a, window_s=len(x) / fs) for x, a in zip(windows, motion, strict=True)
        ]
        table["biotl quality, PPG + ACC"] = [q.score[0] for q in both]
        table |= {f"biotl {name}, PPG + ACC": [getattr(q, name)[0] for q in both] for name in PARTS}
        features["PPG + ACC"] = np.array([moving(x, a, fs) for x, a in zip(windows, motion, strict=True)])
        features["PPG + ACC"] = np.concatenate([alone, features["PPG + ACC"]], axis=1)
    for name, values in features.items():
        table[f"boosted tree, {name}, learnt"] = left_out(tree, values, labels, subjects)
        table[f"logistic regression, {name}, learnt"] = left_out(logistic, values, labels, subjects)
    show(title, table, labels, held_out)


def f1(found, truth, within):
    """Return F1 of two lists of beats."""
    near = np.abs(found[:, None] - truth) <= within
    return (near.any(axis=0).sum() + near.any(axis=1).sum()) / max(len(found) + len(truth), 1)


def ecg():
    """Print the AUROC of every measure of the ECG, and the share of windows without a reason by noise."""
    import noise
    import wfdb

    rng = np.random.default_rng(0)
    found, good, level = [], [], []
    for record in DS2:
        path = str(DATA / "mitdb" / record)
        clean = wfdb.rdrecord(path, sampto=108000, channels=[0]).p_signal[:, 0]
        marks = wfdb.rdann(path, "atr", sampto=108000)
        beats = marks.sample[[s in BEATS for s in marks.symbol]]
        for kind, snr in [("none", np.inf), *((kind, snr) for kind in noise.KINDS for snr in (24, 12, 6, 0, -6))]:
            x = clean if kind == "none" else noise.add(rng, clean, 360, beats, kind, snr)
            start = 3600 * rng.integers(0, 30, size=4)
            for a in np.unique(start):
                window, truth = x[a : a + 3600], beats[(beats > a + 54) & (beats < a + 3546)] - a
                peaks = rpeaks(window, 360)
                good.append(f1(peaks[(peaks > 54) & (peaks < 3546)], truth, 54) >= 0.95)
                found.append(quality(window, 360, kind="ecg"))
                level.append((kind, snr))
    labels = np.array(good).astype(int)
    table = {"biotl quality": [q.score[0] for q in found]}
    table |= {f"biotl {name}": [getattr(q, name)[0] for q in found] for name in PARTS}
    show("MIT-BIH DS2 with noise", table, labels, np.ones(len(labels), dtype=bool))
    reasoned = np.array([len(q.reasons[0]) > 0 for q in found])
    for kind, snr in dict.fromkeys(level):
        at = np.array([pair == (kind, snr) for pair in level])
        score = np.median([q.score[0] for q, here in zip(found, at, strict=True) if here])
        print(
            f"  {kind:10} {snr:4} dB  good {100 * labels[at].mean():5.1f} %  "
            f"with a reason {100 * reasoned[at].mean():5.1f} %  median score {score:.2f}"
        )


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    asked = sys.argv[1:] or ["ppg", "ecg"]
    if "ppg" in asked:
        z = np.load(DATA / "butppg" / "butppg_v1.npz")
        measure(
            "BUT PPG", z["ppg"].astype(float), float(z["ppg_fs"]), z["quality"], z["subject"], z["subject"] % 2 == 1
        )
        z = np.load(DATA / "troika" / "troika_windows_5ch.npz")
        people = np.array([int(r[:2]) for r in z["record"]])
        signals = z["signals"].astype(float)
        measure("TROIKA", signals[:, 3], float(z["fs"]), z["labels"], people, people % 2 == 0, signals[:, :3])
    if "ecg" in asked:
        ecg()
