"""Segments beside a NumPy gather: `pytest benches/bench_segment.py --benchmark-enable -n 0`, one thread."""

import numpy as np
import pytest

from biotl import signal

LENGTHS = (36, 36, 54, 64)


def by_biotl(x, rpeaks):
    found = signal.segment(x, rpeaks, 360.0)
    rows = [np.flatnonzero(found.wave == wave) for wave in range(4)]
    return [
        signal.resample_segments(x, found.start[own], found.stop[own], length)
        for own, length in zip(rows, LENGTHS, strict=True)
    ]


def by_gather(x, rpeaks):
    start, stop = rpeaks - 18, rpeaks + 18
    end = stop + 54
    before = np.concatenate([[0], end[:-1]])
    onset = np.maximum(start - 36, before)
    cuts = []
    for a, b, length in zip((onset, start, stop, before), (start, stop, end, onset), LENGTHS, strict=True):
        at = np.arange(length)
        cuts.append(np.where(at < (b - a)[:, None], x[np.minimum(a[:, None] + at, len(x) - 1)], np.float32(0)))
    return cuts


@pytest.mark.benchmark(group="segment")
@pytest.mark.parametrize("work", [by_biotl, by_gather], ids=["biotl", "numpy"])
def test_segment(benchmark, work):
    x = np.random.default_rng(0).standard_normal(650_000).astype(np.float32)
    benchmark(work, x, np.arange(200, 649_000, 286))
