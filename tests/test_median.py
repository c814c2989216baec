"""Running medians against SciPy and the readable twin, on floats and on whole numbers."""

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from biotl import signal
from biotl.errors import SignalError


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(0, 60), st.sampled_from([2, 50, 10**6]), st.integers(0, 2**32 - 1))
def test_a_median_is_that_of_scipy_to_the_bit(n, half, levels, seed):
    whole = np.random.default_rng(seed).integers(0, levels, n)
    size = 2 * half + 1
    expected = reference.median_filter(whole, size)
    np.testing.assert_array_equal(expected, scipy.ndimage.median_filter(whole, size, mode="nearest"))
    for dtype in (np.float32, np.float64, np.int32, np.int64):
        x = whole.astype(dtype)
        got = signal.median_filter(x, size=size)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, expected.astype(dtype))


@pytest.mark.parametrize("n", [8191, 8192, 8193, 40_000])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e300])
def test_chunks_of_a_long_signal_leave_no_seam(n, scale):
    x = np.random.default_rng(n).standard_normal(n).cumsum() * scale
    short, long = 73, 217
    median = scipy.ndimage.median_filter
    expected = x - median(median(x, short, mode="nearest"), long, mode="nearest")
    np.testing.assert_array_equal(signal.remove_baseline(x, 360, method="median"), expected)


def test_a_baseline_of_whole_numbers_is_that_of_the_same_floats():
    adc = np.random.default_rng(0).integers(-2048, 2048, (2, 20_000)).astype(np.int16)
    expected = signal.remove_baseline(adc.astype(np.float64), 360, method="median")
    for x in (adc, adc.astype(">i2"), adc.astype(np.int64), adc[:, ::-1].copy()[:, ::-1]):
        np.testing.assert_array_equal(signal.remove_baseline(x, 360, method="median"), expected)
    far = adc.astype(np.int64) * 2**40  # too far apart to be their own codes
    np.testing.assert_array_equal(signal.median_filter(far, size=73) // 2**40, signal.median_filter(adc, size=73))


def test_outliers_do_not_hide_the_order_of_the_rest():
    x = np.random.default_rng(0).standard_normal(3000)
    x[::100] = 1e300
    x[50::100] = -1e308
    np.testing.assert_array_equal(signal.median_filter(x, size=9), scipy.ndimage.median_filter(x, 9, mode="nearest"))


@pytest.mark.parametrize("size", [0, -1, 4, 2**26 + 1])
def test_a_window_without_a_middle_sample_is_refused(size):
    with pytest.raises(SignalError, match=f"size: got {size}"):
        signal.median_filter(np.ones(10), size=size)


def test_a_missing_sample_costs_its_window_and_no_more():
    x = np.random.default_rng(0).standard_normal(1000)
    whole = signal.median_filter(x, size=9)
    x[500] = np.nan
    with pytest.raises(SignalError, match="sample 500 is NaN"):
        signal.median_filter(x, size=9)
    masked = signal.median_filter(x, size=9, nan_policy="mask")
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(masked)), np.arange(496, 505))
    np.testing.assert_array_equal(np.delete(masked, np.s_[496:505]), np.delete(whole, np.s_[496:505]))
