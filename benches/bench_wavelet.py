"""Wavelets beside PyWavelets: `pytest benches/bench_wavelet.py --benchmark-enable -n 0`, RAYON_NUM_THREADS=1."""

import numpy as np
import pytest
import pywt

from biotl import signal


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def x(request):
    return np.random.default_rng(0).standard_normal((2, 650_000)).cumsum(-1).astype(request.param)


def without_approximation(x):
    coeffs = pywt.wavedec(x, "db4", level=8)
    coeffs[0][:] = 0
    return pywt.waverec(coeffs, "db4")


@pytest.mark.benchmark(group="remove_baseline wavelet")
@pytest.mark.parametrize(
    "work", [lambda x: signal.remove_baseline(x, 360.0, method="wavelet"), without_approximation], ids=["biotl", "pywt"]
)
def test_remove_baseline(benchmark, x, work):
    benchmark(work, x)


@pytest.mark.benchmark(group="wavedec + waverec")
@pytest.mark.parametrize("peer", ["biotl", "pywt"])
def test_there_and_back(benchmark, x, peer):
    if peer == "biotl":
        benchmark(lambda: signal.waverec(signal.wavedec(x, wavelet="db4", level=9), wavelet="db4"))
    else:
        benchmark(lambda: pywt.waverec(pywt.wavedec(x, "db4", level=9), "db4"))
