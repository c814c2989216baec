"""Measure `biotl.signal.ppg_peaks` beat by beat against the ECG beside it, with the peers.

    python benches/ppg.py [biotl neurokit:elgendi neurokit:bishop ...]

Each pulse belongs to the R peak before it: the delay that makes most of them agree within 0.1 s (one a recording,
between 0 and 0.7 s) is taken off, then pulses and beats are matched one to one. BIDMC 01 (8 min at rest), two short
clips from PhysioNet and the 198 windows of TROIKA (running; licence not stated, so measured here and not published).
"""

import os
import sys
import warnings
from pathlib import Path

import numpy as np

from biotl.signal import ppg_peaks, rpeaks

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))
WITHIN_S = 0.1


def neurokit(method):
    """Return a detector of NeuroKit with its own cleaning."""
    import neurokit2

    def run(x, fs):
        clean = neurokit2.ppg_clean(x, sampling_rate=int(fs), method="elgendi")
        return neurokit2.ppg_findpeaks(clean, sampling_rate=int(fs), method=method)["PPG_Peaks"]

    return run


PEERS = {
    "biotl": lambda: ppg_peaks,
    "neurokit:elgendi": lambda: neurokit("elgendi"),
    "neurokit:bishop": lambda: neurokit("bishop"),
    "neurokit:charlton": lambda: neurokit("charlton"),
}


def hits(beats_s, pulses_s):
    """Return the number of pairs within the tolerance, one to one."""
    i = j = n = 0
    while i < len(beats_s) and j < len(pulses_s):
        if abs(pulses_s[j] - beats_s[i]) <= WITHIN_S:
            i, j, n = i + 1, j + 1, n + 1
        elif pulses_s[j] < beats_s[i]:
            j += 1
        else:
            i += 1
    return n


def compare(ecg, ecg_fs, ppg, ppg_fs, find):
    """Return beats, pulses, pairs and the error of the rate in beats per minute."""
    length = len(ppg) / ppg_fs
    beats = rpeaks(ecg, ecg_fs, nan_policy="interpolate") / ecg_fs
    good = np.isfinite(ppg)
    ppg = np.interp(np.arange(len(ppg)), np.flatnonzero(good), ppg[good])
    try:
        pulses = np.asarray(find(ppg, ppg_fs)) / ppg_fs
    except Exception:
        pulses = np.empty(0)
    lag = max(np.arange(0, 0.7, 0.02), key=lambda lag: hits(beats + lag, pulses))
    beats = beats[(beats + lag > WITHIN_S) & (beats + lag < length - WITHIN_S)]
    pulses = pulses[(pulses > WITHIN_S) & (pulses < length - WITHIN_S)]
    rates = [60 / np.median(np.diff(v)) if len(v) > 2 else np.nan for v in (beats, pulses)]
    return len(beats), len(pulses), hits(beats + lag, pulses), abs(rates[0] - rates[1])


def run(name):
    """Print one line a data set."""
    find = PEERS[name]()
    for clip in ("bidmc_01", "wfdb_041s01", "wfdb_041s02"):
        z = np.load(DATA / "ecgppg" / f"{clip}.npz")
        beats, pulses, pairs, rate = compare(z["ecg"], float(z["ecg_fs"]), z["ppg"], float(z["ppg_fs"]), find)
        print(
            f"{name:18} {clip:14} sensitivity {100 * pairs / beats:6.2f} %  PPV {100 * pairs / max(pulses, 1):6.2f} %  "
            f"of {beats} beats  rate off by {rate:.2f}"
        )
    z = np.load(DATA / "troika" / "troika_windows_5ch.npz")
    for title, chosen in (("good", z["labels"] == 1), ("all", z["labels"] >= 0)):
        rows = [compare(w[4], 125.0, w[3], 125.0, find) for w in z["signals"][chosen]]
        beats, pulses, pairs, rate = np.array(rows).T
        print(
            f"{name:18} TROIKA {title:7} sensitivity {100 * pairs.sum() / beats.sum():6.2f} %  "
            f"PPV {100 * pairs.sum() / pulses.sum():6.2f} %  of {int(beats.sum())} beats  rate off by "
            f"{np.nanmedian(rate):.2f} (median), within 5 in {100 * (rate <= 5).mean():.0f} % of {len(rate)} windows"
        )


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    for name in sys.argv[1:] or PEERS:
        run(name)
