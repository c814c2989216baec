"""Nearest centroids beside NumPy: `pytest benches/bench_kmeans.py --benchmark-enable -n 0`, one thread."""

import numpy as np
import pytest

from biotl import signal


def by_gemm(X, C):
    return ((C * C).sum(1) * np.float32(0.5) - X @ C.T).argmin(1)


@pytest.mark.benchmark(group="assign")
@pytest.mark.parametrize(("length", "k"), [(36, 19), (54, 25), (64, 25), (64, 70)])
@pytest.mark.parametrize("work", [signal.assign, by_gemm], ids=["biotl", "numpy"])
def test_assign(benchmark, work, length, k):
    rng = np.random.default_rng(0)
    X, C = (rng.standard_normal((n, length)).astype(np.float32) for n in (100_000, k))
    benchmark(work, X, C)


@pytest.mark.benchmark(group="kmeans")
def test_fit(benchmark):
    X = np.random.default_rng(0).standard_normal((20_000, 36)).astype(np.float32)
    benchmark.pedantic(signal.kmeans, (X, 19), {"seed": 0}, rounds=3)
