"""Streams against the whole signal, to the bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biotl import signal
from biotl.errors import SignalError

PARTS = st.lists(st.one_of(st.integers(0, 40), st.integers(400, 1300)), max_size=12)


def cut(x, parts):
    """Yield `x` in parts of the lengths drawn, then the rest."""
    ends = np.cumsum([0, *parts])
    for start, stop in zip(ends, [*ends[1:], max(x.shape[-1], ends[-1])], strict=True):
        yield x[..., start:stop]


@settings(deadline=None)
@given(PARTS, st.sampled_from([np.float32, np.float64]), st.integers(0, 2**32 - 1))
@pytest.mark.parametrize(
    ("band", "parameters"),
    [
        ("bandstop", {"low": 50, "high": 60}),
        ("bandpass", {"low": 0.5, "high": 40, "order": 7, "kind": "cheby2"}),
        ("highpass", {"cutoff": 0.5}),
        ("lowpass", {"cutoff": 40, "order": 1}),
        ("notch", {"freq": 60}),
    ],
)
def test_a_filter_stream_is_the_causal_filter(band, parameters, parts, dtype, seed):
    x = np.random.default_rng(seed).standard_normal((2, 3000)).astype(dtype)
    x[1, 100:] = 0  # rings out into silence
    stream = signal.FilterStream(band, 360, **parameters)
    whole = getattr(signal, band)(x, 360, causal=True, **parameters)
    got = np.concatenate([stream.push(part) for part in cut(x, parts)], axis=-1)
    np.testing.assert_array_equal(got, whole)
    assert got.dtype == dtype


@settings(deadline=None)
@given(PARTS, st.sampled_from([(360, 125), (125, 360), (500, 250), (250, 500), (360, 360)]))
def test_a_resample_stream_is_the_resampled_signal(parts, rates):
    x = np.random.default_rng(0).standard_normal((2, 3000))
    stream = signal.ResampleStream(*rates)
    got = [*(stream.push(part) for part in cut(x, parts)), stream.finish()]
    np.testing.assert_array_equal(np.concatenate(got, axis=-1), signal.resample(x, *rates))


@settings(deadline=None)
@given(PARTS, st.integers(1, 50), st.integers(1, 80))
def test_a_window_stream_is_the_windows_of_the_signal(parts, size, hop):
    x = np.random.default_rng(0).standard_normal((2, 3000))
    stream = signal.WindowStream(size, hop)
    got = np.concatenate([stream.push(part) for part in cut(x, parts)])
    np.testing.assert_array_equal(got, signal.windows(x, size, hop))


def test_a_refused_part_leaves_the_stream_as_it_was():
    x = np.random.default_rng(0).standard_normal(1000)
    stream = signal.FilterStream("bandstop", 360, low=50, high=60)
    first = stream.push(x[:500])
    with pytest.raises(SignalError, match="sample 3 is NaN"):
        stream.push([0.0, 0, 0, np.nan])
    whole = signal.bandstop(x, 360, low=50, high=60, causal=True)
    np.testing.assert_array_equal(np.concatenate([first, stream.push(x[500:])]), whole)


def test_a_stream_refuses_other_leads_and_half_a_design():
    stream = signal.FilterStream("lowpass", 360, cutoff=40)
    stream.push(np.ones((2, 5)))
    with pytest.raises(SignalError, match=r"x: got leads of shape \(3,\), wanted \(2,\)"):
        stream.push(np.ones((3, 5)))
    with pytest.raises(SignalError, match="low and high: got None"):
        signal.FilterStream("bandstop", 360, low=50)
    with pytest.raises(SignalError, match="band: got 'allpass'"):
        signal.FilterStream("allpass", 360, cutoff=5)
