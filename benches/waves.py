"""Measure `biotl.signal.delineate` on marks that it was not trained on, beside the peers; or draw the hardest.

    python benches/waves.py [biotl neurokit:dwt neurokit:cwt ecgdeli ...]
    python benches/waves.py together
    python benches/waves.py --plot benches/plots

LUDB 71-100: every lead apart, inside its annotated span; a P or T wave counts as absent only between two annotated
complexes, and every complex found from the first annotated one to the last that is none of them as invented.
QTDB, the nine records from MIT-BIH DS2: marks of one cardiologist made on both leads together, scored mark by mark, on
the first lead and, as is customary, on the lead that comes nearer to each mark. What is not marked there is not known
to be absent, so PPV stands for LUDB only. P waves invented on beats without one: by kind of beat, LUDB 71-100 and
MIT-BIH DS2. A wave is found when its peak lies within 150 ms of the mark. R peaks come from `rpeaks` for all. The CSE
tolerances times 1.5: P onset 15 ms, P offset 19, QRS onset 10, QRS offset 17, T offset 46.

The second gives `delineate` all leads of a record at once: QTDB's marks are of both leads together; of LUDB, the median
of the leads' marks, of a wave that half of them have or more (absent: none has it).
"""

import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from marked import DS2, QTDB_TEST, ludb, mitdb, qtdb

from biotl.signal import delineate, rpeaks

NAMES = ("P on", "P peak", "P off", "QRS on", "QRS peak", "QRS off", "T on", "T peak", "T off")
# LUDB 71-100 by what the headers say of them
PACED, FIBRILLATION = {74, 90, 93, 95}, {83, 88, 96}
HARDEST = ((74, "v1"), (93, "ii"), (72, "iii"))


def biotl(x, peaks, fs):
    """Return (beats, 9) samples, -1 where absent."""
    waves = delineate(x, peaks, fs)
    return np.stack([getattr(getattr(waves, w), p) for w in ("p", "qrs", "t") for p in ("onset", "peak", "offset")], 1)


def neurokit(method):
    """Return NeuroKit's delineation by one method, in the form of `biotl`."""
    import neurokit2

    def run(x, peaks, fs):
        keys = [f"ECG_{w}_{p}" for w in ("P", "R", "T") for p in ("Onsets", "Peaks", "Offsets")]
        keys[1], keys[4], keys[7] = "ECG_P_Peaks", "ECG_R_Peaks", "ECG_T_Peaks"
        clean = neurokit2.ecg_clean(x, sampling_rate=int(fs))
        _, found = neurokit2.ecg_delineate(clean, peaks, sampling_rate=int(fs), method=method)
        found["ECG_R_Peaks"] = peaks
        columns = [np.asarray(found.get(k, np.full(len(peaks), np.nan)), float)[: len(peaks)] for k in keys]
        return np.nan_to_num(np.stack(columns, 1), nan=-1).astype(int)

    return run


def ecgdeli(x, peaks, fs):
    """Return ecgdeli's delineation; it brings its own R peaks, so the nearest beat within 150 ms counts."""
    import ecgdeli as library

    lead = library.annotate(library.filter_ecg(x, fs=int(fs)), fs=int(fs), waves="PQRST").leads[0]
    names = ("p_on", "p_peak", "p_off", "qrs_on", "r_peak", "qrs_off", "t_on", "t_peak", "t_off")
    own = np.stack([getattr(lead, n) for n in names], 1)
    own[(own < 0) | (own >= len(x))] = -1
    out = np.full((len(peaks), 9), -1)
    for i, peak in enumerate(peaks):
        near = np.abs(own[:, 4] - peak).argmin() if len(own) else None
        if near is not None and abs(own[near, 4] - peak) <= 0.15 * fs:
            out[i] = own[near]
    return out


PEERS = {"biotl": lambda: biotl, "neurokit:dwt": lambda: neurokit("dwt"), "neurokit:cwt": lambda: neurokit("cwt")}
PEERS |= {"neurokit:peak": lambda: neurokit("peak"), "ecgdeli": lambda: ecgdeli}


class Score:
    """Errors of the points and counts of the waves; PPV where every wave of a span is marked."""

    def __init__(self, *, whole=False):
        self.whole = whole
        self.errors = [[] for _ in NAMES]
        self.counts = np.zeros((3, 4), int)  # marked, found of them, absent, invented or misplaced

    def add(self, found, strip, extra=0):
        """Count the beats of a lead: `found` (beats, 9), -1 where absent, against its marks; `extra` complexes."""
        found, fs = found.reshape(-1, 3, 3), strip.fs
        errors = np.where(found >= 0, 1000 * (found - strip.points) / fs, np.nan)
        hit = (strip.present == 1) & (np.abs(np.nan_to_num(errors[:, :, 1], nan=1e9)) <= 150)
        given = found[:, :, 1] >= 0
        absent = strip.present == 0
        false = given & (absent | ((strip.present == 1) & ~hit))
        self.counts += np.stack([(strip.present == 1).sum(0), hit.sum(0), absent.sum(0), false.sum(0)], 1)
        self.counts[1, 3] += extra
        for n in range(9):
            e = errors[hit[:, n // 3], n // 3, n % 3]
            self.errors[n].extend(e[np.isfinite(e)])

    def report(self, title):
        """Print one table, as the README shows it."""
        print(
            f"\n{title}\n\n| | Se % | PPV % | onset ms | peak ms | offset ms | peak within 40 ms % |\n|---|"
            + "---|" * 6
        )
        for wave, name in enumerate(("P", "QRS", "T")):
            marked, found, _, false = self.counts[wave]
            if not marked:
                continue
            ppv = f"{100 * found / max(found + false, 1):.2f}" if self.whole else "-"
            errors = [np.array(e) for e in self.errors[3 * wave : 3 * wave + 3]]
            figures = " | ".join(f"{e.mean():+.1f} +- {e.std():.1f}" if len(e) else "-" for e in errors)
            near = f"{100 * (np.abs(errors[1]) <= 40).mean():.1f}" if len(errors[1]) else "-"
            print(f"| {name} ({marked}) | {100 * found / marked:.2f} | {ppv} | {figures} | {near} |")


def matched(find, strip, peaks=None):
    """Return what a delineator finds at the marked beats of a lead, (beats, 9), -1 where absent, and at others.

    Others are complexes within 150 ms of the span of the marks that are not the nearest to any of them.
    """
    peaks = rpeaks(strip.x, strip.fs) if peaks is None else peaks
    reach = 0.15 * strip.fs
    found, marks = np.full((len(strip.points), 9), -1), strip.points[:, 1, 1]
    if not len(peaks):
        return found, 0
    every = find(strip.x, peaks, strip.fs)
    nearest = np.abs(peaks[:, None] - marks).argmin(0)
    near = np.abs(peaks[nearest] - marks) <= reach
    found[near] = every[nearest[near]]
    other = (peaks >= marks[0] - reach) & (peaks <= marks[-1] + reach) & (every[:, 4] >= 0)
    other[nearest[near]] = False
    return found, int(other.sum())


def together():
    """Measure the joint answer of all leads of a record."""
    score, pair = Score(whole=True), Score()
    for total, records in ((pair, qtdb(QTDB_TEST)), (score, map(joined, ludb(71, 100)))):
        for leads in records:
            total.add(*reversed(matched_leads(leads)))
    pair.report("biotl: QTDB, nine records, both leads together")
    score.report("biotl: LUDB 71-100, twelve leads together")


def joined(leads):
    """Return the leads of one record, all with the joint marks."""
    beats = max((strip.points for strip in leads), key=len)[:, 1, 1]
    points, present = [], []
    for beat in beats:
        rows = [(strip, np.abs(strip.points[:, 1, 1] - beat).argmin()) for strip in leads]
        rows = [(s, i) for s, i in rows if abs(s.points[i, 1, 1] - beat) < 0.1 * s.fs]
        points.append(np.nanmedian([s.points[i] for s, i in rows], axis=0))
        share = np.nanmean([s.present[i] for s, i in rows], axis=0)
        present.append(np.where(share >= 0.5, 1, np.where(share == 0, 0, np.nan)))
    return [replace(strip, points=np.array(points), present=np.array(present)) for strip in leads]


def matched_leads(leads):
    """Return the first lead, and what all leads together have at its marked beats, as `matched`."""
    x = np.stack([strip.x for strip in leads])
    return leads[0], matched(lambda _, peaks, fs: biotl(x, peaks, fs), leads[0], rpeaks(x, leads[0].fs))[0]


def nearer(one, two, strip):
    """Return for each mark the answer of the lead that comes nearer to it; a wave that one lead lacks, the other's."""
    distance = [np.where(f >= 0, np.abs(f - strip.points.reshape(-1, 9)), np.inf) for f in (one, two)]
    return np.where(distance[0] <= distance[1], one, two)


def run(name):
    """Measure one delineator on the three databases."""
    peer = PEERS[name]()

    def find(x, peaks, fs):
        try:
            return peer(x, peaks, fs)
        except Exception as error:
            print(f"  {name} failed on a lead: {type(error).__name__}: {error}", file=sys.stderr)
            return np.full((len(peaks), 9), -1)

    score, invented = Score(whole=True), {}
    for strip in (lead for leads in ludb(71, 100) for lead in leads):
        found, extra = matched(find, strip)
        score.add(found, strip, extra)
        kind = "paced" if strip.subject in PACED else "fibrillation" if strip.subject in FIBRILLATION else "other"
        invented.setdefault(f"LUDB 71-100, {kind}", []).extend(found[strip.present[:, 0] == 0, 1] >= 0)
    score.report(f"{name}: LUDB 71-100, twelve leads apart")
    first, best = Score(), Score()
    for one, two in qtdb(QTDB_TEST):
        found = [matched(find, strip)[0] for strip in (one, two)]
        first.add(found[0], one)
        best.add(nearer(*found, one), one)
    first.report(f"{name}: QTDB, nine records, first lead")
    best.report(f"{name}: QTDB, nine records, nearer of two leads")
    for n, (x, fs, beats, present, ventricular) in enumerate(mitdb(DS2)):
        if n % 2 or not (present == 0).any():  # the first lead of each record
            continue
        given = find(x, beats, fs)[:, 1] >= 0
        for kind, rows in (("ventricular", ventricular), ("fibrillation or flutter", ~ventricular)):
            invented.setdefault(f"MIT-BIH DS2, {kind}", []).extend(given[rows & (present == 0)])
    print(f"\n{name}: P invented on beats without one\n\n| | beats | invented % |\n|---|---|---|")
    for kind, given in invented.items():
        print(f"| {kind} | {len(given)} | {100 * np.mean(given):.1f} |")
    x = next(mitdb(["100"]))[0]
    peaks = rpeaks(x, 360.0)
    spent = []
    for _ in range(5 if name == "biotl" else 1):
        start = time.process_time()
        find(x, peaks, 360.0)
        spent.append(time.process_time() - start)
    print(f"\n{name}: a lead of 30 minutes in {1000 * np.median(spent):.1f} ms of processor time")


def draw(path, strip, seconds=4.0):
    """Draw a stretch of a lead: the marks above, what `delineate` finds below; P blue, QRS green, T red."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    found, fs = matched(biotl, strip)[0].reshape(-1, 3, 3), strip.fs
    start = max(0, int(np.nanmin(strip.points)) - 10)
    x = strip.x[start : start + int(seconds * fs)]
    low, high = x.min(), x.max()
    middle, pad = (low + high) / 2, 0.05 * (high - low)
    figure, axis = plt.subplots(figsize=(9, 2.8), layout="constrained")
    axis.plot((np.arange(len(x)) + start) / fs, x, "k", lw=0.8)
    for points, (bottom, top) in ((strip.points, (middle, high + pad)), (found, (low - pad, middle))):
        for wave, colour in enumerate(("tab:blue", "tab:green", "tab:red")):
            for point, style in enumerate(("-", ":", "-")):
                at = points[:, wave, point]
                at = at[(at >= start) & (at < start + len(x))] / fs
                axis.vlines(at, bottom, top, colour, style, lw=1.2)
    axis.set(
        xlabel="s",
        ylabel="mV",
        xlim=(start / fs, (start + len(x)) / fs),
        title=f"{strip.name}: marks above, found below",
    )
    figure.savefig(path, dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    if sys.argv[1:2] == ["--plot"]:
        folder = Path(sys.argv[2])
        folder.mkdir(parents=True, exist_ok=True)
        for subject, lead in HARDEST:
            draw(
                folder / f"waves-{subject}-{lead}.png",
                next(s for s in next(ludb(subject, subject)) if s.name == f"{subject} {lead}"),
            )
        sys.exit()
    if sys.argv[1:] == ["together"]:
        together()
        sys.exit()
    for name in sys.argv[1:] or PEERS:
        run(name)
