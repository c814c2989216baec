"""Files to tokens over a folder of WFDB records, beside a stack of the usual libraries, in one run.

    python benches/tokens.py ../shared/data/mitdb [--repeat 3]

Each pass reads two leads, takes out 50 to 60 Hz and the baseline, finds R peaks and segments on the first lead,
resamples the segments and names the nearest centroid of each. The stacks take turns record by record, another first
each time, each in a process of its own, since what biotl teaches the allocator would serve its peers too; the figure is
process CPU time on one thread, and then wall time of biotl on one and on two threads.

Both take the baseline out by a Butterworth high-pass of 0.5 Hz, zero-phase: the usual stack in one cascade of six
sections with the band-stop, biotl in a call of its own. The second biotl takes out a db4 wavelet approximation instead,
as ECG-BERT does: more work than its peer does here.
"""

import argparse
import multiprocessing
import os
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAYON_NUM_THREADS", "1")  # one record a thread, whatever the number of threads

import numpy as np

from biotl import records, signal

CLUSTERS = (12, 19, 14, 25)
LENGTHS = (36, 36, 54, 64)


def biotl_tokens(path, centroids, spent, *, method="highpass"):
    now = time.process_time()
    record = records.read(path)
    now = lap(spent, "read", now)
    x = signal.bandstop(record.signal, record.fs, low=50.0, high=60.0)
    x = signal.remove_baseline(x, record.fs, method=method)
    now = lap(spent, "filter", now)
    rpeaks = signal.rpeaks(record.signal[0], record.fs)
    now = lap(spent, "rpeaks", now)
    found = signal.segment(x, rpeaks, record.fs)
    cuts = []
    for wave, length in enumerate(LENGTHS):
        own = np.flatnonzero(found.wave == wave)
        cuts.append((own, signal.resample_segments(x[0], found.start[own], found.stop[own], length)))
    now = lap(spent, "segment", now)
    tokens = np.empty(len(found), np.int64)
    for (own, cut), C, first in zip(cuts, centroids, np.cumsum((0, *CLUSTERS)), strict=False):
        tokens[own] = signal.assign(cut, C) + first
    lap(spent, "tokens", now)
    return tokens


def usual_tokens(path, centroids, spent):
    import scipy.signal
    import sleepecg
    import wfdb
    from sklearn.metrics import pairwise_distances_argmin

    now = time.process_time()
    record = wfdb.rdrecord(str(path))
    x = record.p_signal.T
    now = lap(spent, "read", now)
    stop = scipy.signal.butter(4, [50, 60], "bandstop", fs=record.fs, output="sos")
    high = scipy.signal.butter(4, 0.5, "highpass", fs=record.fs, output="sos")
    y = scipy.signal.sosfiltfilt(np.vstack([stop, high]), x, axis=-1)
    now = lap(spent, "filter", now)
    rpeaks = sleepecg.detect_heartbeats(x[0], record.fs)
    now = lap(spent, "rpeaks", now)
    found = usual_segments(y[0].astype(np.float32), rpeaks)
    now = lap(spent, "segment", now)
    tokens = [pairwise_distances_argmin(cut, C) for cut, C in zip(found, centroids, strict=True)]
    lap(spent, "tokens", now)
    return np.concatenate(tokens)


def usual_segments(x, rpeaks):
    """P, QRS, T and background by index arithmetic, padded with zeros to their lengths."""
    r = rpeaks[(rpeaks > 18) & (rpeaks < len(x) - 73)]
    start, stop = r - 18, r + 18
    end = stop + 54
    before = np.concatenate([[0], end[:-1]])
    onset = np.minimum(np.maximum(start - 36, before), start)
    found = []
    for a, b, length in zip((onset, start, stop, before), (start, stop, end, onset), LENGTHS, strict=True):
        a, b = a[b > a], b[b > a]
        at = np.arange(length)
        found.append(np.where(at < (b - a)[:, None], x[np.minimum(a[:, None] + at, len(x) - 1)], np.float32(0)))
    return found


def timed(stack, path, centroids):
    spent = defaultdict(float)
    stack(path, centroids, spent)
    return spent


def lap(spent, stage, since):
    now = time.process_time()
    spent[stage] += now - since
    return now


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    paths = sorted(header.with_suffix("") for header in arguments.folder.glob("*.hea"))
    rng = np.random.default_rng(0)
    centroids = [rng.standard_normal((k, n)).astype(np.float32) for k, n in zip(CLUSTERS, LENGTHS, strict=True)]
    stacks = {
        "biotl": biotl_tokens,
        "biotl, wavelet baseline": partial(biotl_tokens, method="wavelet"),
        "wfdb + scipy + sleepecg + sklearn": usual_tokens,
    }
    alone = multiprocessing.get_context("spawn")
    workers = {name: ProcessPoolExecutor(1, mp_context=alone) for name in stacks}
    for name, stack in stacks.items():
        workers[name].submit(timed, stack, paths[0], centroids).result()
    passes = []
    for _ in range(arguments.repeat):
        spent = {name: defaultdict(float) for name in stacks}
        for turn, path in enumerate(paths):
            # whoever comes first brings the file into the processor's cache for the others
            names = list(stacks)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                for stage, seconds in workers[name].submit(timed, stacks[name], path, centroids).result().items():
                    spent[name][stage] += seconds
        passes.append(spent)
    for worker in workers.values():
        worker.shutdown()
    totals = {name: [sum(spent[name].values()) for spent in passes] for name in stacks}
    for name in stacks:
        middle = passes[int(np.argsort(totals[name])[len(passes) // 2])][name]
        stages = "  ".join(f"{stage} {seconds:.3f}" for stage, seconds in middle.items())
        print(f"{name:34} {np.median(totals[name]):7.3f} s CPU   {stages}")
    *ours, usual = (np.median(total) for total in totals.values())
    ratios = ", ".join(f"{name} {usual / own:.1f}" for name, own in zip(totals, ours, strict=False))
    print(f"times as fast, median of {arguments.repeat} passes of {len(paths)} records: {ratios}")
    for threads in (1, 2):
        with ThreadPoolExecutor(threads) as pool:
            started = time.perf_counter()
            list(pool.map(lambda path: biotl_tokens(path, centroids, defaultdict(float)), paths))
            print(f"biotl on {threads} thread(s): {time.perf_counter() - started:.3f} s wall")


if __name__ == "__main__":
    main()
