"""Measure `biotl.signal.ppg_peaks` beat by beat against the ECG beside it, with the peers.

    python benches/ppg.py [biotl biotl+motion biotl:stream neurokit:elgendi ...]
    python benches/ppg.py --records [biotl ...]      one line a recording
    python benches/ppg.py --speed                    process time against the peers, one channel of 8 min
    python benches/ppg.py --plot FOLDER              the hard stretches with truth and pulses

Truth are the R peaks of the ECG, each moved by the delay that makes most pulses fall within 0.1 s of one (-0.1 to
0.7 s, one for 30 s, since the transit time changes with effort). Pulses and beats are matched one to one. The rate is
that of the median interval in 10 s; a window with less than three pulses counts as 0 bpm.

BIDMC (27 people, 8 min at rest, monitors of an intensive care unit), CapnoBase (15 cases, 8 min at 300 Hz, pulses
marked by hand), MIMIC 041 (2 x 8 s; R peaks of leads III and V, since I is broken), v102s (5 min; its values wrap at
12 bits and are unwrapped), BUT PPG (24 x 10 s by a phone at 30 Hz, poor ones too), TROIKA (7 runs of 5 min, a wrist at
125 Hz with its accelerometer; licence not stated: measured here, and neither kept nor drawn in the repository).
Constants were chosen on TROIKA 01, 03, 05, the even subjects of BUT PPG, v102s, MIMIC 041 and the odd ones of BIDMC and
CapnoBase ("chosen on"); the others are "held out". Of the peers none takes an accelerometer: "biotl+motion" does,
"biotl" does not.
"""

import itertools
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from biotl.signal import PulseStream, ppg_peaks, rpeaks

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))
WITHIN_S = 0.1
LAGS_S = np.arange(-0.1, 0.7, 0.02)


def neurokit(method):
    """Return a detector of NeuroKit with its own cleaning."""
    import neurokit2

    def run(x, fs, _motion):
        clean = neurokit2.ppg_clean(x, sampling_rate=int(fs), method="elgendi")
        return neurokit2.ppg_findpeaks(clean, sampling_rate=int(fs), method=method)["PPG_Peaks"]

    return run


def heartpy():
    """Return HeartPy on its own filter; what it rejects as no beat is left out, as it does."""
    import heartpy

    def run(x, fs, _motion):
        clean = heartpy.filter_signal(x, cutoff=[0.7, 3.5], sample_rate=fs, order=3, filtertype="bandpass")
        working, _ = heartpy.process(clean, fs)
        return np.array(working["peaklist"])[np.array(working["binary_peaklist"]) == 1]

    return run


def biosppy():
    """Return the onsets of BioSPPy (Elgendi 2013 or Kavsaoglu 2016 by its default) on its own filter."""
    from biosppy.signals import ppg

    return lambda x, fs, _motion: ppg.ppg(x, fs, show=False)["peaks"]


def stream(x, fs, _motion):
    """Run PulseStream over parts of 0.1 s."""
    pulses, part = PulseStream(fs), max(1, round(0.1 * fs))
    found = [pulses.push(x[i : i + part]) for i in range(0, len(x), part)]
    return np.concatenate([*found, pulses.flush()])


METHODS = {
    "biotl": lambda: lambda x, fs, _motion: ppg_peaks(x, fs),
    "biotl+motion": lambda: lambda x, fs, motion: ppg_peaks(x, fs, motion=motion),
    "biotl:stream": lambda: stream,
    "neurokit:elgendi": lambda: neurokit("elgendi"),
    "neurokit:charlton": lambda: neurokit("charlton"),
    "heartpy": heartpy,
    "biosppy": biosppy,
}
SLOW = {"neurokit:bishop": lambda: neurokit("bishop")}  # hours on 8 min: quadratic


def whole(x):
    """Return x with its gaps bridged."""
    good = np.isfinite(x)
    return np.interp(np.arange(len(x)), np.flatnonzero(good), x[good]).astype(float)


def records():
    """Yield set, name, held out, PPG, its rate, motion or None and the beats in seconds."""
    for path in sorted((DATA / "bidmc").glob("*.npz")):
        z, number = np.load(path), int(path.stem[-2:])
        ppg, ecg = (whole(z["x"][list(z["channels"]).index(name)]) for name in ("PLETH", "II"))
        yield "BIDMC", path.stem, number % 2 == 0, ppg, 125.0, None, rpeaks(ecg, 125) / 125
    for path in sorted((DATA / "capnobase").glob("*.npz")):
        z = np.load(path)
        marks = next(z[name] for name in z.files if name.startswith("lab_pleth_peak_x"))
        marks = marks / 300 if str(z["label_units"]) == "samples" else marks
        yield "CapnoBase", path.stem, int(path.stem) % 2 == 0, whole(z["x"][0]), 300.0, None, marks
    import wfdb

    for name in ("041s01", "041s02"):
        leads = wfdb.rdrecord(str(DATA / "ecgppg" / "wfdb" / name), smooth_frames=False).e_p_signal
        yield (
            "MIMIC 041",
            name,
            False,
            whole(leads[5]),
            125.0,
            None,
            rpeaks([whole(leads[0]), whole(leads[2])], 500) / 500,
        )
    z = np.load(DATA / "ecgppg" / "wfdb_v102s_1.npz")
    ppg, ecg = (np.unwrap(whole(z[name]), period=4096 / gain) for name, gain in (("ppg", 1250), ("ecg", 2281)))
    yield "v102s", "v102s", False, ppg, 250.0, None, rpeaks(ecg, 250) / 250
    z = np.load(DATA / "butppg" / "butppg_v1.npz")
    for ppg, ecg, name, subject in zip(z["ppg"], z["ecg"], z["record_id"], z["subject"], strict=True):
        yield "BUT PPG", str(name), bool(subject % 2), whole(ppg), 30.0, None, rpeaks(ecg, 1000) / 1000
    z = np.load(DATA / "troika" / "troika_windows_5ch.npz")
    for name in np.unique(z["record"]):
        for k, run in enumerate(joined(z["signals"][z["record"] == name].astype(float))):
            yield "TROIKA", f"{name} {k}", int(name[1]) % 2 == 0, run[3], 125.0, run[:3], rpeaks(run[4], 125) / 125


def joined(windows):
    """Return the windows of a recording on end, parted where one is missing: where a channel leaps."""
    usual = np.abs(np.diff(windows, axis=2)).mean(axis=2)
    leap = np.abs(windows[1:, :, 0] - windows[:-1, :, -1]) > 8 * usual[:-1]
    return [np.concatenate(list(part), axis=1) for part in np.split(windows, np.flatnonzero(leap.any(axis=1)) + 1)]


def hits(beats, pulses):
    """Return the number of pairs within the tolerance, one to one."""
    i = j = n = 0
    while i < len(beats) and j < len(pulses):
        if abs(pulses[j] - beats[i]) <= WITHIN_S:
            i, j, n = i + 1, j + 1, n + 1
        elif pulses[j] < beats[i]:
            j += 1
        else:
            i += 1
    return n


def compare(beats, pulses, length):
    """Return pairs, beats, pulses, and the errors of the rate in beats per minute, one for 10 s."""
    total = np.zeros(3)
    edges = np.linspace(0, length, max(1, round(length / 30)) + 1)
    for start, stop in itertools.pairwise(edges):
        near = beats[(beats >= start - 1) & (beats < stop)]
        heard = pulses[(pulses >= start) & (pulses < stop)]

        def inside(v, start=start, stop=stop):
            return v[(v >= start + WITHIN_S) & (v < stop - WITHIN_S)]

        lag = max(LAGS_S, key=lambda lag: hits(inside(near + lag), heard))
        pairs = hits(inside(near + lag), heard)
        # a pulse at the edge is false only if no beat of the stretch claims it
        total += pairs, len(inside(near + lag)), max(pairs, len(inside(heard)))
    errors = []
    for start in np.arange(0, length - 9.9, 10):
        rates = [
            60 / np.median(np.diff(v[(v >= start) & (v < start + 10)]))
            if ((v >= start) & (v < start + 10)).sum() > 2
            else 0
            for v in (beats, pulses)
        ]
        errors += [abs(rates[0] - rates[1])] if rates[0] else []
    return total, errors


def line(title, total, errors):
    """Print one line of figures."""
    pairs, beats, pulses = total
    errors = np.array(errors)
    rate = f"{errors.mean():6.2f} bpm, within 5 in {100 * (errors < 5).mean():5.1f} %" if len(errors) else "     -"
    print(
        f"{title:44} sensitivity {100 * pairs / beats:6.2f} %  PPV {100 * pairs / max(pulses, 1):6.2f} %  "
        f"F1 {200 * pairs / (beats + pulses):6.2f} %  of {int(beats):5} beats  rate off by {rate}",
        flush=True,
    )


def installed(name):
    """Return a method, or None, saying so, where its package is not installed."""
    try:
        return (METHODS | SLOW)[name]()
    except ModuleNotFoundError as error:
        print(f"{name:18} left out: {error}")
        return None


def run(name, each):
    """Print one line a data set and half, or a recording."""
    find = installed(name)
    if find is None:
        return
    sums = {}
    for group, title, held_out, ppg, fs, motion, beats in DATASET:
        if name.endswith("+motion") and motion is None:
            continue
        try:
            pulses = np.asarray(find(ppg, fs, motion)) / fs
        except Exception:  # peers raise where they find nothing
            pulses = np.empty(0)
        total, errors = compare(beats, pulses, len(ppg) / fs)
        half = "held out" if held_out else "chosen on"
        for key in [f"{group} {title}"] if each else [f"{group}, {half}", f"{group}, all"]:
            before = sums.get(key, (0, []))
            sums[key] = before[0] + total, before[1] + errors
    for key in sums if each else sorted(sums):
        if each or not key.endswith("all") or f"{key[:-5]}, held out" in sums:
            line(f"{name:18} {key}", *sums[key])


def speed():
    """Print the median process time against ours, runs taken in turn."""
    x = whole(np.load(DATA / "ecgppg" / "bidmc_01.npz")["ppg"])
    rows = {name: find for name in METHODS if "motion" not in name and (find := installed(name))}
    times = {name: [] for name in rows}
    for _ in range(5):
        for name, find in rows.items():
            start = time.process_time()
            for _ in range(20 if name == "biotl" else 1):
                find(x, 125.0, None)
            times[name].append((time.process_time() - start) / (20 if name == "biotl" else 1))
    for name, taken in times.items():
        print(f"{name:18} {np.median(taken) / np.median(times['biotl']):8.1f} times the time of biotl")


def plot(folder):
    """Draw a stretch of BIDMC with a loose sensor and one of a run, truth above; keep what TROIKA shows to yourself."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    for stem, title, start in (("ppg_bidmc", "bidmc_01 first half", 90.0), ("ppg_troika", "02_TYPE02 0", 160.0)):
        _, _, _, ppg, fs, motion, beats = next(r for r in DATASET if r[1] == title)
        rows = [("ppg_peaks", ppg_peaks(ppg, fs, motion=motion) / fs, "C3")]
        rows += [("without motion", ppg_peaks(ppg, fs) / fs, "C1")] if motion is not None else []
        rows += [("NeuroKit, MSPTDfast", neurokit("charlton")(ppg, fs, None) / fs, "C0")]
        figure, axis = plt.subplots(figsize=(11, 3.4), layout="constrained")
        shown = slice(round(start * fs), round((start + 20) * fs))
        t = np.arange(len(ppg))[shown] / fs
        axis.plot(t, (ppg[shown] - ppg[shown].mean()) / np.ptp(ppg[shown]), "0.2", lw=0.8, label="PPG")
        if motion is not None:
            size = np.linalg.norm(motion, axis=0)[shown]
            axis.plot(t, (size - size.mean()) / np.ptp(size) * 0.6 - 1.9, "0.6", lw=0.6, label="acceleration")
        pulses = rows[0][1]
        window = beats[(beats > start - 1) & (beats < start + 21)]
        lag = max(LAGS_S, key=lambda lag: hits(window + lag, pulses))
        for k, (label, at, colour) in enumerate([(f"R peaks + {1000 * lag:.0f} ms", beats + lag, "k"), *rows]):
            at = at[(at >= start) & (at < start + 20)]
            axis.plot(at, np.full(len(at), 1.05 - 0.13 * k), "|", color=colour, ms=9, mew=2, label=label)
        axis.set(xlabel="s", yticks=[], xlim=(start, start + 20), title=title)
        figure.legend(loc="outside lower center", ncols=6, fontsize=8)
        figure.savefig(Path(folder) / f"{stem}.png", dpi=90)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    chosen = [name for name in sys.argv[1:] if name in METHODS | SLOW]
    if "--speed" in sys.argv:
        speed()
        sys.exit()
    DATASET = list(records())
    if "--plot" in sys.argv:
        plot(sys.argv[sys.argv.index("--plot") + 1])
        sys.exit()
    for method in chosen or METHODS:
        run(method, "--records" in sys.argv)
