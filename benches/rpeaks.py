"""Measure `biotl.signal.rpeaks` on the 48 records of MIT-BIH beside the peers, interleaved by record, one thread.

    OMP_NUM_THREADS=1 python benches/rpeaks.py [sleepecg neurokit:neurokit emrich2023 xqrs gqrs ecgdeli ...]
    OMP_NUM_THREADS=1 python benches/rpeaks.py stress [...]
    python benches/rpeaks.py plot benches/plots

The first prints, for lead 0 of whole records, sensitivity, PPV and F1 at 150 and 50 ms, mean error and jitter,
processor time against sleepecg, and DS1, DS2 and the paced records apart. The second adds noise (`noise.py`) to five
minutes of each record of DS1 and prints F1 at 150 ms, and likewise for strips of 10 s, each a start in mid-record. The
third draws the hardest stretches. Without names: biotl and sleepecg.
"""

import os
import sys
import time
import warnings
from pathlib import Path

import noise
import numpy as np

from biotl.records import read
from biotl.signal import rpeaks

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))
FS = 360
BEATS = list("NLRBAaJSVrFejnE/fQ?")
PACED = ("102", "104", "107", "217")
DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split()  # noqa: SIM905


def peers():
    """Return name -> detector; a library is imported when its detector first runs."""

    def sleepecg(x):
        import sleepecg

        return sleepecg.detect_heartbeats(x, FS, backend="c")

    def neurokit(method):
        def run(x):
            import neurokit2

            clean = neurokit2.ecg_clean(x, sampling_rate=FS, method=method)
            return neurokit2.ecg_findpeaks(clean, sampling_rate=FS, method=method)["ECG_R_Peaks"]

        return run

    def wfdb(name):
        def run(x):
            from wfdb import processing

            if name == "xqrs":
                return processing.xqrs_detect(x, FS, verbose=False)
            return processing.gqrs_detect(sig=x, fs=FS, adc_gain=200, adc_zero=0)

        return run

    def ecgdeli(x):
        import ecgdeli

        return ecgdeli.annotate(ecgdeli.filter_ecg(x, fs=FS), fs=FS, waves="QRS").leads[0].r_peak

    return {
        "biotl": lambda x: rpeaks(x, FS),
        "sleepecg": sleepecg,
        "neurokit": neurokit("neurokit"),
        "emrich2023": neurokit("emrich2023"),
        "xqrs": wfdb("xqrs"),
        "gqrs": wfdb("gqrs"),
        "ecgdeli": ecgdeli,
    }


def load(name):
    """Return lead 0 in mV, the beats and the stretches of ventricular flutter, which are not scored."""
    record = read(DATA / "mitdb" / name)
    marks = record.annotations["atr"]
    flutter = list(zip(marks.sample[marks.symbol == "["], marks.sample[marks.symbol == "]"], strict=True))
    return record.signal[0].astype(np.float64), marks.sample[np.isin(marks.symbol, BEATS)], flutter


def pairs(marks, found, tolerance):
    """Return index pairs of marks and detections, one to one, the nearer first where two compete."""
    out, i, j = [], 0, 0
    while i < len(marks) and j < len(found):
        off = found[j] - marks[i]
        if abs(off) > tolerance:
            i, j = (i, j + 1) if off < 0 else (i + 1, j)
        elif (
            j + 1 < len(found)
            and abs(found[j + 1] - marks[i]) < abs(off)
            and (i + 1 == len(marks) or abs(found[j + 1] - marks[i + 1]) >= abs(found[j + 1] - marks[i]))
        ):
            j += 1
        else:
            out.append((i, j))
            i, j = i + 1, j + 1
    return out


def score(marks, found, flutter=()):
    """Return hits, misses and false beats at 150 and 50 ms, and the errors in ms at 150 ms."""
    found = np.unique(np.asarray(found, dtype=float).astype(np.int64))
    for a, b in flutter:
        marks, found = (v[(v < a) | (v > b)] for v in (marks, found))
    counts = []
    for tolerance in (54, 18):
        matched = pairs(marks, found, tolerance)
        counts.append((len(matched), len(marks) - len(matched), len(found) - len(matched)))
        if tolerance == 54:
            errors = np.array([found[j] - marks[i] for i, j in matched]) * 1000 / FS
    return np.array(counts), errors


def f1(counts):
    """Return F1 in percent of hits, misses and false beats."""
    return 200 * counts[0] / max(2 * counts[0] + counts[1] + counts[2], 1)


def table(names):
    """Print the table of whole records."""
    detect = {name: peers()[name] for name in names}
    rows = {name: {} for name in names}
    for path in sorted((DATA / "mitdb").glob("*.dat")):
        x, marks, flutter = load(path.stem)
        for name in names:
            spent = []
            for _ in range(3 if name in ("biotl", "sleepecg") else 1):
                start = time.process_time()
                found = detect[name](x)
                spent.append(time.process_time() - start)
            rows[name][path.stem] = (*score(marks, found, flutter), float(np.median(spent)))
    usual = sum(row[2] for row in rows.get("sleepecg", rows[names[0]]).values())
    for name in names:
        print(f"\n{name}: {sum(row[2] for row in rows[name].values()) / usual:.3f} of sleepecg's processor time")
        groups = {"all 48": list(rows[name]), "DS1": DS1, "paced": PACED}
        groups["DS2"] = [r for r in rows[name] if r not in DS1 and r not in PACED]
        for title, records in groups.items():
            counts = sum(rows[name][r][0] for r in records)
            errors = np.concatenate([rows[name][r][1] for r in records])
            hit, miss, false = counts[0]
            jitter = np.abs(errors - np.median(errors)).mean()
            print(
                f"  {title:7} sensitivity {100 * hit / (hit + miss):.3f}  PPV {100 * hit / (hit + false):.3f}  "
                f"F1 {f1(counts[0]):.3f}  at 50 ms {f1(counts[1]):.3f}  missed {miss}  false {false}  "
                f"error {np.abs(errors).mean():.2f} ms  jitter {jitter:.2f} ms"
            )
        worst = sorted(rows[name], key=lambda r: -rows[name][r][0][0][1:].sum())[:8]
        print("  worst:", " ".join("{}:{}+{}".format(r, *rows[name][r][0][0][1:]) for r in worst))


def stress(names):
    """Print F1 at 150 ms under noise and in strips (DS1)."""
    records = {name: load(name) for name in DS1}
    for name in names:
        detect = peers()[name]
        for kind in noise.KINDS:
            line = []
            for snr_db in (24, 12, 6, 0):
                counts = np.zeros(3, int)
                for seed, (x, marks, _) in enumerate(records.values()):
                    part = marks[(marks >= 108_000) & (marks < 216_000)] - 108_000
                    y = noise.add(np.random.default_rng(seed), x[108_000:216_000], FS, part, kind, snr_db)
                    counts += score(part, detect(y))[0][0]
                line.append(f"{snr_db} dB {f1(counts):.2f}")
            print(f"{name:12} {kind:10}", "  ".join(line), flush=True)
        counts = np.zeros(3, int)
        for x, marks, flutter in records.values():
            for start in range(1800, len(x) - 3600, 36_000):
                if all(stop < start or first > start + 3600 for first, stop in flutter):
                    part = marks[(marks >= start + 54) & (marks < start + 3546)] - start
                    found = np.asarray(detect(x[start : start + 3600]))
                    counts += score(part, found[(found >= 54) & (found < 3546)])[0][0]
        print(f"{name:12} strips of 10 s {f1(counts):.2f}", flush=True)


def plot(folder):
    """Draw ten hard seconds of three records, with truth and detections."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in ("105", "203", "222"):
        x, marks, _ = load(name)
        found = rpeaks(x, FS)
        hit = pairs(marks, found, 54)
        wrong = np.concatenate([np.delete(marks, [i for i, _ in hit]), np.delete(found, [j for _, j in hit])])
        start = max(0, int(max(wrong, key=lambda w: (np.abs(wrong - w) < 1800).sum())) - 1800)
        span = slice(start, start + 3600)
        figure, axes = plt.subplots(figsize=(10, 2.4), layout="constrained")
        axes.plot(np.arange(*span.indices(len(x))) / FS, x[span], lw=0.7, color="0.3")
        for beats, level, style, label in ((marks, 1.08, "k|", "marked"), (found, 1.0, "C3v", "found")):
            inside = beats[(beats >= start) & (beats < start + 3600)]
            axes.plot(inside / FS, np.full(len(inside), level * x[span].max()), style, ms=6, label=label)
        axes.set(title=f"MIT-BIH {name}", xlabel="s", ylabel="mV")
        axes.legend(loc="lower right", ncols=2, fontsize="small")
        figure.savefig(Path(folder) / f"rpeaks_{name}.png", dpi=80)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    words = sys.argv[1:]
    if words[:1] == ["plot"]:
        plot(words[1])
    elif words[:1] == ["stress"]:
        stress(words[1:] or ["biotl", "sleepecg"])
    else:
        table(words if "biotl" in words else ["biotl", *words] if words else ["biotl", "sleepecg"])
