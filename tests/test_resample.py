"""Resampling against SciPy and the readable twin."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from biotl import signal
from biotl.errors import SignalError


@settings(deadline=None)
@given(st.integers(0, 600), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_drawn_ratio_agrees_with_scipy(n, up, down, seed):
    x = np.random.default_rng(seed).standard_normal((2, n)).cumsum(axis=1)
    got = signal.resample(x, down, up)
    if n == 0:
        assert got.shape == (2, 0)
        return
    expected = scipy.signal.resample_poly(x, up, down, axis=1)
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= 1e-9 * np.abs(expected).max()
    small = signal.resample(x.astype(np.float32), down, up)
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


@pytest.mark.parametrize(("fs", "fs_new"), [(0, 1), (360, -1), (360, np.nan), (360, np.inf), (360, np.pi), (1e9, 1)])
def test_a_rate_that_makes_no_ratio_is_refused(fs, fs_new):
    with pytest.raises(SignalError, match="fs_new"):
        signal.resample(np.ones(10), fs, fs_new)
