"""Filters against SciPy, on drawn designs and on hostile arrays."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from biotl import signal
from biotl.errors import SignalError

FS = 360.0


@st.composite
def designs(draw):
    """Draw a filter, its parameters here and its sections from SciPy."""
    order = draw(st.integers(1, 8))
    band = draw(st.sampled_from(["bandstop", "bandpass", "highpass", "lowpass"]))
    kind = draw(st.sampled_from(["butter", "cheby2"]))
    low = draw(st.floats(5.0, 80.0))
    high = low + draw(st.floats(10.0, 90.0))
    edges = {"low": low, "high": high} if band.startswith("band") else {"cutoff": low}
    wanted = [low, high] if band.startswith("band") else low
    arguments = (order, wanted) if kind == "butter" else (order, 20.0, wanted)
    sos = getattr(scipy.signal, kind)(*arguments, band, fs=FS, output="sos")
    return band, {"order": order, "kind": kind, **edges}, sos


@settings(deadline=None)
@given(designs(), st.integers(120, 3000), st.integers(0, 2**32 - 1), st.booleans())
def test_a_drawn_filter_agrees_with_scipy(design, n, seed, causal):
    band, parameters, sos = design
    x = np.random.default_rng(seed).standard_normal((2, n)).cumsum(axis=1)
    expected = (scipy.signal.sosfilt if causal else scipy.signal.sosfiltfilt)(sos, x)
    got = getattr(signal, band)(x, FS, causal=causal, **parameters)
    assert np.abs(got - expected).max() <= 1e-9 * np.abs(expected).max()
    small = getattr(signal, band)(x.astype(np.float32), FS, causal=causal, **parameters)
    assert small.dtype == np.float32
    assert np.abs(small - expected).max() <= 1e-5 * np.abs(expected).max() + 1e-6 * np.abs(x).max()


def test_a_notch_agrees_with_scipy():
    x = np.random.default_rng(0).standard_normal(1000)
    sos = scipy.signal.tf2sos(*scipy.signal.iirnotch(50, 30, FS))
    np.testing.assert_allclose(signal.notch(x, FS, freq=50), scipy.signal.sosfiltfilt(sos, x), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"low": 50, "high": 180}, "high: got 180, wanted above 0 and below half of fs = 360 Hz"),
        ({"low": 60, "high": 50}, "low: got 60, wanted below high = 50 Hz"),
        ({"low": np.nan, "high": 50}, "low: got NaN"),
        ({"low": 50, "high": 60, "order": 0}, "order: got 0"),
        ({"low": 50, "high": 60, "kind": "bessel"}, "kind: got 'bessel'"),
        ({"low": 50, "high": 60, "kind": "cheby2", "rs": -1}, "rs: got -1"),
        ({"low": 50, "high": 60, "nan_policy": "omit"}, "nan_policy: got 'omit'"),
    ],
)
def test_a_parameter_out_of_range_is_refused_with_the_numbers(parameters, message):
    with pytest.raises(SignalError, match=message):
        signal.bandstop(np.ones(100), FS, **parameters)
