"""Measure `biotl.signal.delineate` on marks that it was not trained on, beside the peers.

    python benches/waves.py [biotl neurokit:dwt neurokit:cwt ecgdeli ...]

LUDB 71-100 (every lead apart, inside its annotated span), the nine records of QTDB from MIT-BIH DS2 (first lead, manual
marks of one cardiologist, mark by mark) and the P waves invented on MIT-BIH DS2: ventricular beats, and beats in
fibrillation or flutter. R peaks come from `rpeaks` for all. The CSE tolerances times 1.5: P onset 15 ms, P offset 19,
QRS onset 10, QRS offset 17, T offset 46.
"""

import sys
import time
import warnings

import numpy as np
from train_waves import DATA, QTDB, ludb, mitdb, qtdb

from biotl.signal import delineate, rpeaks

NAMES = ("P on", "P peak", "P off", "QRS on", "QRS peak", "QRS off", "T on", "T peak", "T off")
DS2 = "100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234".split()  # noqa: SIM905


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
    names = [f"{w}_{p}" for w in ("p", "qrs", "t") for p in ("onset", "peak", "offset")]
    names[4] = "r_peak"
    own = np.stack([np.asarray(getattr(lead, n), float) for n in names], 1)
    out = np.full((len(peaks), 9), -1)
    for i, peak in enumerate(peaks):
        near = np.abs(own[:, 4] - peak).argmin() if len(own) else None
        if near is not None and abs(own[near, 4] - peak) <= 0.15 * fs:
            out[i] = np.nan_to_num(own[near], nan=-1)
    return out


PEERS = {"biotl": lambda: biotl, "neurokit:dwt": lambda: neurokit("dwt"), "neurokit:cwt": lambda: neurokit("cwt")}
PEERS |= {"neurokit:peak": lambda: neurokit("peak"), "ecgdeli": lambda: ecgdeli}


class Score:
    """Errors of the points and counts of the waves."""

    def __init__(self):
        self.errors = [[] for _ in NAMES]
        self.counts = np.zeros((3, 4), int)  # marked, found of them, absent, invented on them

    def add(self, found, points, present, fs):
        """Count one beat: `found` (9,) against `points` (3, 3) and `present` (3,)."""
        for wave in range(3):
            peak, mark = found[3 * wave + 1], points[wave, 1]
            if present[wave] == 0:
                self.counts[wave, 2:] += 1, peak >= 0
            elif present[wave] == 1:
                hit = peak >= 0 and abs(peak - mark) <= 0.15 * fs
                self.counts[wave, :2] += 1, hit
                self.counts[wave, 3] += peak >= 0 and not hit
                for point in range(3):
                    at = found[3 * wave + point]
                    if hit and at >= 0 and np.isfinite(points[wave, point]):
                        self.errors[3 * wave + point].append(1000 * (at - points[wave, point]) / fs)

    def report(self, title):
        """Print one table."""
        print(f"\n{title}")
        for wave, name in enumerate(("P", "QRS", "T")):
            marked_, found, absent, invented = self.counts[wave]
            ppv = 100 * found / max(found + invented, 1)
            line = f"  {name}: sensitivity {100 * found / max(marked_, 1):.2f} %, PPV {ppv:.2f} % of {marked_}"
            print(line + (f"; invented or misplaced {invented}, {absent} without one" if wave == 0 else ""))
        for name, values in zip(NAMES, self.errors, strict=True):
            if values:
                e = np.array(values)
                within = 100 * (np.abs(e) <= 40).mean()
                print(
                    f"  {name:8} n {len(e):5} mean {e.mean():+6.1f} ms  SD {e.std():5.1f}  within 40 ms {within:5.1f} %"
                )


def run(name):
    """Measure one delineator on the three databases."""
    find = PEERS[name]()

    def quiet(x, peaks, fs):
        try:
            return find(x, peaks, fs)
        except Exception as error:
            print(f"  {name} failed on a lead: {type(error).__name__}: {error}", file=sys.stderr)
            return np.full((len(peaks), 9), -1)

    score, invented, absent = Score(), 0, 0
    for x, fs, _, _, points, present in ludb(71, 100):
        peaks = rpeaks(x, fs)
        found = quiet(x, peaks, fs)
        for mark, there in zip(points, present, strict=True):
            i = np.abs(peaks - mark[1, 1]).argmin() if len(peaks) else 0
            near = len(peaks) and abs(peaks[i] - mark[1, 1]) <= 0.15 * fs
            score.add(found[i] if near else np.full(9, -1), mark, there, fs)
            if there[0] == 0:
                absent, invented = absent + 1, invented + (near and found[i, 1] >= 0)
    score.report(f"{name}: LUDB 71-100, {100 * invented / absent:.1f} % of {absent} beats without P given one")
    score = Score()
    for x, fs, _, _, points, present in qtdb(
        sorted(p.stem for p in (DATA / "qtdb").glob("*.q1c") if p.stem not in QTDB)
    ):
        peaks = rpeaks(x, fs)
        found = quiet(x, peaks, fs)
        for mark, there in zip(points, present, strict=True):
            i = np.abs(peaks - mark[1, 1]).argmin()
            near = abs(peaks[i] - mark[1, 1]) <= 0.15 * fs
            score.add(found[i] if near else np.full(9, -1), mark, there, fs)
    score.report(f"{name}: QTDB, nine records, first lead")
    for title, ventricular in (("ventricular beats", True), ("beats in fibrillation or flutter", False)):
        given = total = 0
        for n, (x, fs, beats, present, v) in enumerate(mitdb(DS2)):
            rows = np.flatnonzero((present == 0) & (v == ventricular))
            if n % 2 or not len(rows):  # the first lead of each record
                continue
            keep = np.isin(np.arange(len(beats)), rows)
            given += (quiet(x, beats, fs)[keep, 1] >= 0).sum()
            total += keep.sum()
        print(f"{name}: MIT-BIH DS2, {title}: P invented on {100 * given / total:.1f} % of {total}")
    x = next(mitdb(["100"]))[0]
    peaks = rpeaks(x, 360.0)
    spent = []
    for _ in range(3 if name == "biotl" else 1):
        start = time.process_time()
        quiet(x, peaks, 360.0)
        spent.append(time.process_time() - start)
    print(f"{name}: a lead of 30 minutes in {1000 * np.median(spent):.1f} ms of processor time")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    for name in sys.argv[1:] or PEERS:
        run(name)
