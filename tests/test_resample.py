"""Resampling against SciPy and the readable twin."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from biotl import signal
from biotl.errors import SignalError

PADTYPES = ("edge", "constant", "line", "mean", "median", "maximum", "minimum", "symmetric", "reflect", "wrap")


@settings(deadline=None)
@given(
    st.integers(0, 600), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.sampled_from(PADTYPES)
)
def test_a_drawn_ratio_and_every_padding_agree_with_scipy(n, up, down, seed, padtype):
    x = np.random.default_rng(seed).standard_normal((2, n)).cumsum(axis=1)
    got = signal.resample(x, down, up, padtype=padtype)
    if n == 0:
        assert got.shape == (2, 0)
        return
    if n == 1 and padtype in ("line", "reflect"):  # of which SciPy makes NaN, and a fault that ends Python
        assert np.isfinite(got).all()
        return
    expected = scipy.signal.resample_poly(x, up, down, axis=1, padtype=padtype)
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= 1e-9 * np.abs(expected).max()
    small = signal.resample(x.astype(np.float32), down, up, padtype=padtype)
    assert small.dtype == np.float32
    assert np.abs(small - expected).max() <= 1e-5 * np.abs(expected).max()


def test_the_readable_twin_says_the_same():
    x = np.random.default_rng(0).standard_normal(200)
    np.testing.assert_allclose(signal.resample(x, 360, 125), reference.resample(x, 25, 72), rtol=0, atol=1e-12)


def test_a_missing_sample_costs_what_the_filter_covers_and_no_more():
    x = np.random.default_rng(0).standard_normal(1000)
    whole = signal.resample(x, 360, 180)
    x[500] = np.inf
    with pytest.raises(SignalError, match="sample 500 is inf"):
        signal.resample(x, 360, 180)
    masked = signal.resample(x, 360, 180, nan_policy="mask")
    missing = np.flatnonzero(np.isnan(masked))
    assert missing[0] == 240
    assert missing[-1] == 260
    np.testing.assert_array_equal(np.delete(masked, missing), np.delete(whole, missing))


@pytest.mark.parametrize("number", [np.float32, np.int16, np.float64])
def test_a_rate_may_be_a_number_of_numpy(number):
    x = np.random.default_rng(0).standard_normal(100)
    np.testing.assert_array_equal(signal.resample(x, number(360), number(125)), signal.resample(x, 360, 125))


@pytest.mark.parametrize(("fs", "fs_new"), [(0, 1), (360, -1), (360, np.nan), (360, np.inf), (1e9, 1)])
def test_a_rate_that_makes_no_ratio_is_refused(fs, fs_new):
    with pytest.raises(SignalError, match="fs_new"):
        signal.resample(np.ones(10), fs, fs_new)


@pytest.mark.parametrize("padtype", [kind for kind in PADTYPES if kind != "constant"])
def test_a_constant_stays_one_at_its_ends(padtype):
    got = signal.resample(np.full(700, 40.0), 32, 64, padtype=padtype)
    # the filter lets through of a constant what SciPy's does: its stop band ends at a two-thousandth
    np.testing.assert_allclose(got, 40.0, rtol=1e-3)
    bent = signal.resample(np.full(700, 40.0), 32, 64, padtype="constant")
    assert np.abs(bent - 40).max() > 1


@pytest.mark.parametrize("fs", [249.89, 124.945, 62.4725, 511.898, 130.23, 100 * np.pi])
def test_the_rate_of_any_clock_resamples_and_keeps_time(fs):
    t = np.arange(round(30 * fs)) / fs
    got = signal.resample(np.sin(2 * np.pi * 1.3 * t), fs, 360)
    assert abs(len(got) - 30 * 360) <= 6
    inside = slice(360, -360)
    np.testing.assert_allclose(got[inside], np.sin(2 * np.pi * 1.3 * np.arange(len(got)) / 360)[inside], atol=1e-3)
    stream = signal.ResampleStream(fs, 360)
    x = np.sin(2 * np.pi * 1.3 * t)
    parts = [stream.push(x[i : i + 500]) for i in range(0, len(x), 500)]
    np.testing.assert_array_equal(np.concatenate([*parts, stream.finish()]), got)


def test_the_same_rate_keeps_every_bit_and_an_unknown_padding_is_refused():
    x = np.random.default_rng(1).standard_normal(50)
    for padtype in PADTYPES:
        np.testing.assert_allclose(signal.resample(x, 360, 360.0, padtype=padtype), x, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(signal.resample(x, 360, 360.0), x)
    with pytest.raises(SignalError, match="padtype: got 'zeros', wanted one of edge, constant"):
        signal.resample(x, 360, 125, padtype="zeros")
