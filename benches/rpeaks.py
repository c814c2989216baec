"""Measure `biotl.signal.rpeaks` on the 48 records of MIT-BIH beside the peers, interleaved by record, one thread.

    OMP_NUM_THREADS=1 python benches/rpeaks.py [sleepecg neurokit emrich2023 xqrs gqrs ecgdeli ...] [108 203 ...]
    OMP_NUM_THREADS=1 python benches/rpeaks.py stress [DS2] [...]
    OMP_NUM_THREADS=1 python benches/rpeaks.py stream|fused|reliability
    python benches/rpeaks.py plot benches/plots

The first prints, for lead 0 of whole records, sensitivity, PPV and F1 at 150 and 50 ms, mean error and jitter,
processor time against sleepecg (biotl where that is not run), and DS1, DS2 and the paced records apart. The second
adds noise (`noise.py`) to five minutes of each record of DS1, or DS2, and prints F1 at 150 ms, and likewise for strips
of 10 s, each a start in mid-record. The third measures the stream, two leads of which one is spoilt, and what a score
is worth. The last draws hard stretches.
Without names: biotl and sleepecg.
"""

import os
import sys
import time
import warnings
from pathlib import Path

import noise
import numpy as np

from biotl.records import read
from biotl.signal import RPeakStream, rpeaks

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))
FS = 360
BEATS = list("NLRBAaJSVrFejnE/fQ?")
PACED = ("102", "104", "107", "217")
DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split()  # noqa: SIM905
DS2 = "100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234".split()  # noqa: SIM905


def peers():
    """Return name -> detector of a lead and its rate; a library is imported when its detector first runs."""

    def sleepecg(x, fs):
        import sleepecg

        return sleepecg.detect_heartbeats(x, fs, backend="c")

    def neurokit(method):
        def run(x, fs):
            import neurokit2

            clean = neurokit2.ecg_clean(x, sampling_rate=fs, method=method)
            return neurokit2.ecg_findpeaks(clean, sampling_rate=fs, method=method)["ECG_R_Peaks"]

        return run

    def wfdb(name):
        def run(x, fs):
            from wfdb import processing

            if name == "xqrs":
                return processing.xqrs_detect(x, fs, verbose=False)
            return processing.gqrs_detect(sig=x, fs=fs, adc_gain=200, adc_zero=0)

        return run

    def ecgdeli(x, fs):
        import ecgdeli

        return ecgdeli.annotate(ecgdeli.filter_ecg(x, fs=fs), fs=fs, waves="QRS").leads[0].r_peak

    return {
        "biotl": rpeaks,
        "sleepecg": sleepecg,
        "neurokit": neurokit("neurokit"),
        "emrich2023": neurokit("emrich2023"),
        "xqrs": wfdb("xqrs"),
        "gqrs": wfdb("gqrs"),
        "ecgdeli": ecgdeli,
    }


def load(name, lead=0):
    """Return a lead in mV, the beats and the stretches of ventricular flutter, which are not scored."""
    record = read(DATA / "mitdb" / name)
    marks = record.annotations["atr"]
    flutter = list(zip(marks.sample[marks.symbol == "["], marks.sample[marks.symbol == "]"], strict=True))
    return record.signal[lead].astype(np.float64), marks.sample[np.isin(marks.symbol, BEATS)], flutter


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


def score(marks, found, flutter=(), fs=FS):
    """Return hits, misses and false beats at 150 and 50 ms, and the errors in ms at 150 ms."""
    found = np.unique(np.asarray(found, dtype=float).astype(np.int64))
    for a, b in flutter:
        marks, found = (v[(v < a) | (v > b)] for v in (marks, found))
    matched = [pairs(marks, found, round(tolerance * fs)) for tolerance in (0.15, 0.05)]
    counts = [(len(m), len(marks) - len(m), len(found) - len(m)) for m in matched]
    return np.array(counts), np.array([found[j] - marks[i] for i, j in matched[0]]) * 1000 / fs


def f1(counts):
    """Return F1 in percent of hits, misses and false beats."""
    return 200 * counts[0] / max(2 * counts[0] + counts[1] + counts[2], 1)


def table(names, records):
    """Print the table of whole records, all 48 without a list."""
    detect = {name: peers()[name] for name in names}
    rows = {name: {} for name in names}
    for record in records or sorted(path.stem for path in (DATA / "mitdb").glob("*.dat")):
        x, marks, flutter = load(record)
        for name in names:
            spent = []
            for _ in range(3 if name in ("biotl", "sleepecg") else 1):
                start = time.process_time()
                found = detect[name](x, FS)
                spent.append(time.process_time() - start)
            rows[name][record] = (*score(marks, found, flutter), float(np.median(spent)))
    peer = "sleepecg" if "sleepecg" in rows else names[0]
    usual = sum(row[2] for row in rows[peer].values())
    for name in names:
        print(f"\n{name}: {sum(row[2] for row in rows[name].values()) / usual:.3f} of {peer}'s processor time")
        groups = {title: [r for r in rows[name] if r in group] for title, group in (("DS1", DS1), ("paced", PACED))}
        groups["DS2"] = [r for r in rows[name] if r not in DS1 and r not in PACED]
        for title, group in {f"all {len(rows[name])}": list(rows[name]), **groups}.items():
            if not group:
                continue
            counts = sum(rows[name][r][0] for r in group)
            errors = np.concatenate([rows[name][r][1] for r in group])
            hit, miss, false = counts[0]
            jitter = np.abs(errors - np.median(errors)).mean()
            print(
                f"  {title:7} sensitivity {100 * hit / (hit + miss):.3f}  PPV {100 * hit / (hit + false):.3f}  "
                f"F1 {f1(counts[0]):.3f}  at 50 ms {f1(counts[1]):.3f}  missed {miss}  false {false}  "
                f"error {np.abs(errors).mean():.2f} ms  jitter {jitter:.2f} ms"
            )
        worst = sorted(rows[name], key=lambda r: -rows[name][r][0][0][1:].sum())[:8]
        print("  worst:", " ".join("{}:{}+{}".format(r, *rows[name][r][0][0][1:]) for r in worst))


def stress(names, side):
    """Print F1 at 150 ms under noise and in strips, over the records of one side."""
    records = {name: load(name) for name in side}
    for name in names:
        detect = peers()[name]
        for kind in noise.KINDS:
            line = []
            for snr_db in (24, 12, 6, 0):
                counts = np.zeros(3, int)
                for seed, (x, marks, _) in enumerate(records.values()):
                    part = marks[(marks >= 108_000) & (marks < 216_000)] - 108_000
                    y = noise.add(np.random.default_rng(seed), x[108_000:216_000], FS, part, kind, snr_db)
                    counts += score(part, detect(y, FS))[0][0]
                line.append(f"{snr_db} dB {f1(counts):.2f}")
            print(f"{name:12} {kind:10}", "  ".join(line), flush=True)
        counts = np.zeros(3, int)
        for x, marks, flutter in records.values():
            for start in range(1800, len(x) - 3600, 36_000):
                if all(stop < start or first > start + 3600 for first, stop in flutter):
                    part = marks[(marks >= start + 54) & (marks < start + 3546)] - start
                    found = np.asarray(detect(x[start : start + 3600], FS))
                    counts += score(part, found[(found >= 54) & (found < 3546)])[0][0]
        print(f"{name:12} strips of 10 s {f1(counts):.2f}", flush=True)


def streamed(x, fs, delay_s):
    """Return the peaks of a stream fed by tenths of a second."""
    stream, hop = RPeakStream(fs, delay_s=delay_s), round(0.1 * fs)
    return np.concatenate([*(stream.push(x[..., i : i + hop]) for i in range(0, x.shape[-1], hop)), stream.flush()])


def stream():
    """Print what the stream finds of five minutes of each record of DS1, by delay and by rate, against truth."""
    from scipy.signal import resample_poly

    for fs, delay_s in [
        (FS, None),
        (FS, 1.0),
        (FS, 2.0),
        (FS, 3.0),
        (FS, 5.0),
        *((fs, 3.0) for fs in (100, 250, 1000)),
    ]:
        counts, errors = np.zeros((2, 3), int), []
        for name in DS1:
            x, marks, flutter = load(name)
            part = np.round((marks[(marks >= 108_000) & (marks < 216_000)] - 108_000) * fs / FS).astype(int)
            y = x[108_000:216_000] if fs == FS else resample_poly(x[108_000:216_000], fs, FS, padtype="line")
            found = rpeaks(y, fs) if delay_s is None else streamed(y, fs, delay_s)
            spans = [((a - 108_000) * fs / FS, (b - 108_000) * fs / FS) for a, b in flutter]
            own, error = score(part, found, spans, fs)
            counts += own
            # A mark is as good as its 2.8 ms; what a record's errors vary about their own middle is jitter.
            errors.append(np.abs(error - np.median(error)))
        _, miss, false = counts[0]
        print(
            f"{fs:4} Hz  {'whole' if delay_s is None else f'{delay_s} s':6} F1 {f1(counts[0]):.3f}  at 50 ms "
            f"{f1(counts[1]):.3f}  missed {miss}  false {false}  jitter {np.concatenate(errors).mean():.2f} ms",
            flush=True,
        )


def spoilt(a, b, marks, rng):
    """Return what befalls two leads, by name."""
    n = len(a)
    return {
        "lead 0": a,
        "lead 1": b,
        "both": [a, b],
        "both, lead 1 off": [a, 1e-3 * rng.standard_normal(n)],
        "both, lead 0 off": [np.zeros(n), b],
        "both, lead 1 white noise": [a, rng.standard_normal(n)],
        "both, lead 0 electrode 0 dB": [noise.add(rng, a, FS, marks, "electrode", 0), b],
        "both, lead 1 electrode 0 dB": [a, noise.add(rng, b, FS, marks, "electrode", 0)],
        "both, lead 0 hum": [a + 5 * np.sin(2 * np.pi * 50 / FS * np.arange(n)), b],
    }


def fused():
    """Print both leads of DS1 together, beside each alone, and with one of them spoilt."""
    rng, totals = np.random.default_rng(0), {}
    for name in DS1:
        (a, marks, flutter), (b, *_) = load(name), load(name, 1)
        part = marks[(marks >= 108_000) & (marks < 216_000)] - 108_000
        spans = [(start - 108_000, stop - 108_000) for start, stop in flutter]
        for title, x in spoilt(a[108_000:216_000], b[108_000:216_000], part, rng).items():
            totals[title] = totals.get(title, 0) + score(part, rpeaks(x, FS), spans)[0]
    for title, counts in totals.items():
        _, miss, false = counts[0]
        print(f"{title:28} F1 {f1(counts[0]):.3f}  at 50 ms {f1(counts[1]):.3f}  missed {miss}  false {false}")


def reliability():
    """Print, by score, how many peaks were beats: DS1, as it is and with electrode motion at 6 dB, both leads."""
    for title, spoilt in (("as it is", False), ("electrode motion, 6 dB", True)):
        scores, right = [], []
        for seed, name in enumerate(DS1):
            for lead in (0, 1):
                x, marks, flutter = load(name, lead)
                part = marks[(marks >= 108_000) & (marks < 216_000)] - 108_000
                y = x[108_000:216_000]
                y = noise.add(np.random.default_rng(seed), y, FS, part, "electrode", 6) if spoilt else y
                found, score_ = rpeaks(y, FS, scores=True)
                clear = np.ones(len(found), bool)
                for a, b in flutter:
                    clear &= (found < a - 108_000) | (found > b - 108_000)
                hits = np.zeros(len(found), bool)
                hits[[j for _, j in pairs(part, found, 54)]] = True
                scores.append(score_[clear])
                right.append(hits[clear])
        score_, hits = np.concatenate(scores), np.concatenate(right)
        for low, high in ((0, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 0.95), (0.95, 0.99), (0.99, 1.01)):
            own = (score_ >= low) & (score_ < high)
            if own.any():
                print(
                    f"{title:24} score {score_[own].mean():.3f}  beats {100 * hits[own].mean():6.2f} % of {own.sum()}"
                )


def plot(folder):
    """Draw ten hard seconds of three records, with truth and detections."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in ("108", "203", "208"):
        x, marks, _ = load(name)
        found = rpeaks(x, FS)
        hit = pairs(marks, found, 54)
        wrong = np.concatenate([np.delete(marks, [i for i, _ in hit]), np.delete(found, [j for _, j in hit])])
        start = max(0, int(max(wrong, key=lambda w: (np.abs(wrong - w) < 1800).sum())) - 1800)
        span = slice(start, start + 3600)
        figure, axes = plt.subplots(figsize=(10, 2.4), layout="constrained")
        axes.plot(np.arange(*span.indices(len(x))) / FS, x[span], lw=0.7, color="0.3")
        for beats, level, style, label in ((marks, 0.2, "k|", "marked"), (found, 0.08, "C3v", "found")):
            inside = beats[(beats >= start) & (beats < start + 3600)]
            axes.plot(
                inside / FS, np.full(len(inside), x[span].max() + level * np.ptp(x[span])), style, ms=6, label=label
            )
        axes.set(title=f"MIT-BIH {name}", xlabel="s", ylabel="mV")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize="small")
        figure.savefig(Path(folder) / f"rpeaks_{name}.png", dpi=80)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    words = sys.argv[1:]
    if words[:1] == ["plot"]:
        plot(words[1])
    elif words[:1] in (["stream"], ["fused"], ["reliability"]):
        {"stream": stream, "fused": fused, "reliability": reliability}[words[0]]()
    elif words[:1] == ["stress"]:
        names = [word for word in words[1:] if word != "DS2"]
        stress(names or ["biotl", "sleepecg"], DS2 if "DS2" in words else DS1)
    else:
        names = [word for word in words if not word.isdigit()] or ["biotl", "sleepecg"]
        table(names if "biotl" in names else ["biotl", *names], [word for word in words if word.isdigit()])
