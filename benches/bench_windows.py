"""Normalised windows beside NumPy: `pytest benches/bench_windows.py --benchmark-enable -n 0`, one thread."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from biotl import signal


def in_place(x, size, hop):
    v = np.ascontiguousarray(sliding_window_view(x, size, axis=1)[:, ::hop].transpose(1, 0, 2))
    v -= v.mean(2, keepdims=True)
    v /= (np.sqrt(np.einsum("ncw,ncw->nc", v, v) / np.float32(size)) + np.float32(1e-6))[..., None]
    return v


@pytest.mark.benchmark(group="windows")
@pytest.mark.parametrize(("size", "hop"), [(512, 256), (512, 64), (3600, 1800), (256, 36)])
@pytest.mark.parametrize("work", ["biotl", "biotl out=", "numpy"])
def test_windows(benchmark, work, size, hop):
    x = np.random.default_rng(0).standard_normal((2, 650_000)).astype(np.float32)
    if work == "numpy":
        benchmark(in_place, x, size, hop)
        return
    out = signal.windows(x, size, hop, normalize="zscore", eps=1e-6) if work == "biotl out=" else None
    benchmark(signal.windows, x, size, hop, normalize="zscore", eps=1e-6, out=out)
