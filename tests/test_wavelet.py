"""Wavelets against PyWavelets, and what the baseline removal keeps and takes."""

import numpy as np
import pytest
import pywt

import reference
from biotl import signal
from biotl.errors import SignalError

WAVELETS = [f"db{i}" for i in range(1, 11)] + [f"sym{i}" for i in range(4, 9)]
MODES = [
    "symmetric",
    "reflect",
    "antisymmetric",
    "antireflect",
    "zero",
    "constant",
    "smooth",
    "periodic",
    "periodization",
]


@pytest.mark.filterwarnings("ignore:Level value")  # PyWavelets warns of levels that the ends reach
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wavelet", WAVELETS)
def test_coefficients_and_signals_are_those_of_pywavelets(wavelet, mode):
    rng = np.random.default_rng(0)
    for samples, level in ((1, 1), (2, 1), (3, 2), (5, 1), (7, 2), (20, 1), (101, 5), (256, 3), (1000, 9)):
        if samples < 5 and mode in {"reflect", "antireflect"}:
            continue  # a single sample has no whole-sample mirror: PyWavelets refuses what is held constant here
        x = rng.standard_normal((2, samples))
        got, wanted = signal.wavedec(x, wavelet=wavelet, level=level, mode=mode), pywt.wavedec(x, wavelet, mode, level)
        assert [c.shape for c in got] == [c.shape for c in wanted]
        for a, b in zip(got, wanted, strict=True):
            # over the levels, antireflect and smooth extrapolate short signals to large values
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * max(1.0, np.abs(b).max()))
        back = signal.waverec(got, wavelet=wavelet, mode=mode)
        np.testing.assert_allclose(
            back, pywt.waverec(wanted, wavelet, mode), atol=1e-10 * max(1.0, np.abs(got[0]).max())
        )


@pytest.mark.parametrize("wavelet", WAVELETS)
@pytest.mark.parametrize(
    ("mode", "pad"),
    [
        ("symmetric", "symmetric"),
        ("reflect", "reflect"),
        ("zero", "constant"),
        ("constant", "edge"),
        ("periodic", "wrap"),
    ],
)
def test_the_readable_twin_says_the_same(wavelet, mode, pad):
    taps = pywt.Wavelet(wavelet)
    for samples in (2, 37, 500):
        x = np.random.default_rng(samples).standard_normal(samples)
        got = signal.wavedec(x, wavelet=wavelet, level=4, mode=mode)
        wanted = reference.wavedec(x, taps.dec_lo, taps.dec_hi, 4, pad)
        assert len(got) == len(wanted)
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)
        back = signal.waverec(got, wavelet=wavelet, mode=mode)
        np.testing.assert_allclose(back, reference.waverec(wanted, taps.rec_lo, taps.rec_hi), rtol=0, atol=1e-10)
        np.testing.assert_allclose(back[:samples], x, rtol=0, atol=1e-9)


def test_float32_stays_float32_and_within_its_precision_of_float64():
    x = np.random.default_rng(1).standard_normal(5000)
    for a, b in zip(signal.wavedec(x.astype(np.float32), level=9), signal.wavedec(x, level=9), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_removing_the_baseline_is_zeroing_the_approximation():
    x = np.random.default_rng(2).standard_normal((2, 10_001)).cumsum(-1)
    coeffs = pywt.wavedec(x, "db4", level=8)
    coeffs[0][:] = 0
    wanted = pywt.waverec(coeffs, "db4")[..., : x.shape[-1]]
    np.testing.assert_allclose(signal.remove_baseline(x, 360.0, method="wavelet", cutoff=0.5), wanted, atol=1e-9)


@pytest.mark.parametrize("fs", [100.0, 125.0, 250.0, 360.0, 500.0, 1000.0])
def test_the_baseline_goes_and_the_signal_stays(fs):
    t = np.arange(int(200 * fs)) / fs
    for frequency, least, most in ((0.2, -np.inf, -30.0), (5.0, -0.5, 0.5)):
        x = np.sin(2 * np.pi * frequency * t)
        inner = slice(int(20 * fs), -int(20 * fs))
        gain = 20 * np.log10(signal.remove_baseline(x, fs, method="wavelet", cutoff=0.5)[inner].std() / x[inner].std())
        assert least <= gain <= most, (frequency, gain)


def test_what_does_not_exist_is_refused_by_name():
    with pytest.raises(SignalError, match="wavelet: got haar9, wanted db1 to db10"):
        signal.wavedec(np.zeros(9), wavelet="haar9", level=1)
    with pytest.raises(SignalError, match="mode: got mirror"):
        signal.wavedec(np.zeros(9), level=1, mode="mirror")
    with pytest.raises(SignalError, match="level: got 63"):
        signal.wavedec(np.zeros(9), level=63)
    with pytest.raises(SignalError, match="cutoff: got 91, wanted above 0 and at most a quarter of fs = 360 Hz"):
        signal.remove_baseline(np.zeros(9), 360.0, method="wavelet", cutoff=91.0)


def test_a_coefficient_that_is_not_finite_is_refused_by_its_own_name():
    coeffs = signal.wavedec(np.ones(50), level=2)
    coeffs[1][3] = np.inf
    with pytest.raises(SignalError, match="coeffs: sample 3 is inf, wanted finite values"):
        signal.waverec(coeffs)
