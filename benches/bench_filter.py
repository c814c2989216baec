"""Filters beside SciPy: `pytest benches/bench_filter.py --benchmark-enable -n 0`, RAYON_NUM_THREADS=1."""

import numpy as np
import pytest
import scipy.signal

from biotl import signal

BANDS = {"bandstop": {"low": 50, "high": 60}, "highpass": {"cutoff": 0.5}}


@pytest.mark.benchmark(group="filter")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("leads", [1, 2])
@pytest.mark.parametrize("band", list(BANDS))
@pytest.mark.parametrize("peer", ["biotl", "scipy"])
def test_zero_phase(benchmark, dtype, leads, band, peer):
    x = np.random.default_rng(0).standard_normal((leads, 650_000)).astype(dtype)
    edges = BANDS[band]
    if peer == "biotl":
        benchmark(getattr(signal, band), x, 360, **edges)
    else:
        sos = scipy.signal.butter(4, np.squeeze(list(edges.values())), band, fs=360, output="sos")
        benchmark(scipy.signal.sosfiltfilt, sos, x)
