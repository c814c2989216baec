"""Resampling beside SciPy: `pytest benches/bench_resample.py --benchmark-enable -n 0`, RAYON_NUM_THREADS=1."""

import numpy as np
import pytest
import scipy.signal

from biotl import signal


@pytest.mark.benchmark(group="resample")
@pytest.mark.parametrize("rates", [(360, 125), (250, 360), (1000, 250)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("peer", ["biotl", "scipy"])
def test_resample(benchmark, rates, dtype, peer):
    x = np.random.default_rng(0).standard_normal(650_000).astype(dtype)
    if peer == "biotl":
        benchmark(signal.resample, x, *rates)
    else:
        benchmark(scipy.signal.resample_poly, x, rates[1], rates[0])
