"""Windows and z-score against NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from biotl import signal
from biotl.errors import SignalError


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(st.integers(1, 3), st.integers(1, 300), st.integers(1, 80), st.integers(1, 90), st.integers(0, 2**32))
def test_normalised_windows_are_those_of_the_reference(dtype, channels, samples, size, hop, seed):
    x = np.random.default_rng(seed).standard_normal((channels, samples)).astype(dtype)
    got = signal.windows(x, size, hop, normalize="zscore")
    assert got.dtype == dtype
    wanted = reference.windows(x, size, hop)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, atol=1e-4 if dtype == np.float32 else 1e-9)


def test_windows_as_they_are_share_the_memory_of_the_signal():
    x = np.arange(20.0).reshape(2, 10)
    view = signal.windows(x, 4, 3)
    assert view.shape == (3, 2, 4)
    assert np.shares_memory(view, x)
    assert not view.flags.writeable
    assert view[2, 1].tolist() == [16.0, 17.0, 18.0, 19.0]


def test_out_is_filled_and_returned():
    x = np.random.default_rng(0).standard_normal((2, 100)).astype(np.float32)
    out = np.empty((10, 2, 10), dtype=np.float32)
    assert signal.windows(x, 10, 10, normalize="zscore", out=out) is out
    assert np.array_equal(out, signal.windows(x, 10, 10, normalize="zscore"))


def test_a_flat_window_is_zeros_whatever_its_level():
    for level in (0.0, 0.1, 1e30, -3e-40):
        for dtype in (np.float32, np.float64):
            assert not signal.windows(np.full((1, 37), level, dtype=dtype), 37, 1, normalize="zscore").any()


def test_zscore_does_not_depend_on_scale_or_level():
    x = np.random.default_rng(1).standard_normal((3, 50))
    np.testing.assert_allclose(signal.zscore(x * 1e-6 + 5e-6), signal.zscore(x), atol=1e-9)
    np.testing.assert_allclose(signal.zscore(x, axis=0), ((x - x.mean(0)) / x.std(0)), atol=1e-12)


def test_no_whole_window_gives_no_windows():
    assert signal.windows(np.zeros((2, 5)), 6, 1).shape == (0, 2, 6)
    assert signal.windows(np.zeros((2, 5)), 6, 1, normalize="zscore").shape == (0, 2, 6)


def test_sizes_and_outputs_that_do_not_fit_are_refused():
    with pytest.raises(SignalError, match="size: got 0, wanted at least 1 sample"):
        signal.windows(np.zeros((1, 9)), 0, 1)
    with pytest.raises(SignalError, match=r"out: got float64 \(1, 1, 3\), wanted float64 \(2, 1, 4\)"):
        signal.windows(np.zeros((1, 9)), 4, 4, normalize="zscore", out=np.zeros((1, 1, 3)))


def test_a_sample_that_is_not_finite_costs_the_windows_that_hold_it_and_no_more():
    x = np.random.default_rng(2).standard_normal((2, 40)).astype(np.float32)
    whole = signal.windows(x, 10, 5, normalize="zscore")
    holed = x.copy()
    holed[1, 17] = np.nan
    with pytest.raises(SignalError, match="sample 17 is NaN"):
        signal.windows(holed, 10, 5, normalize="zscore")
    masked = signal.windows(holed, 10, 5, normalize="zscore", nan_policy="mask")
    assert np.argwhere(np.isnan(masked).any(-1)).tolist() == [[2, 1], [3, 1]]
    kept = ~np.isnan(masked)
    assert np.array_equal(masked[kept], whole[kept])
    holed[1, 17] = (x[1, 16] + x[1, 18]) / 2
    bridged = signal.windows(holed, 10, 5, normalize="zscore")
    holed[1, 17] = np.inf
    again = signal.windows(holed, 10, 5, normalize="zscore", nan_policy="interpolate")
    np.testing.assert_allclose(again, bridged, atol=1e-6)


def test_what_is_added_to_the_deviation_is_that_of_the_usual_formula():
    x = np.random.default_rng(3).standard_normal((1, 50)) * 1e-6
    wanted = (x - x.mean()) / (x.std() + 1e-6)
    np.testing.assert_allclose(signal.windows(x, 50, 1, normalize="zscore", eps=1e-6)[0], wanted, atol=1e-12)


def test_squares_that_overflow_are_refused():
    with pytest.raises(SignalError, match="squares overflow"):
        signal.zscore([1e300, -1e300])
