"""Running medians beside SciPy: `pytest benches/bench_median.py --benchmark-enable -n 0`, RAYON_NUM_THREADS=1."""

import numpy as np
import pytest
import scipy.ndimage

from biotl import signal


@pytest.mark.benchmark(group="median")
@pytest.mark.parametrize("size", [73, 217])
@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
@pytest.mark.parametrize("peer", ["biotl", "scipy"])
def test_median(benchmark, size, dtype, peer):
    x = (np.random.default_rng(0).standard_normal(650_000).cumsum() % 400).astype(dtype)
    if peer == "biotl":
        benchmark(signal.median_filter, x, size=size)
    else:
        benchmark(scipy.ndimage.median_filter, x, size, mode="nearest")
