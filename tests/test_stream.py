"""Streams against the whole signal, to the bit; their memory."""

import json
import subprocess
import sys

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
@given(PARTS, st.integers(1, 50), st.integers(1, 80), st.sampled_from([{}, {"normalize": "zscore", "eps": 1e-6}]))
def test_a_window_stream_is_the_windows_of_the_signal(parts, size, hop, how):
    x = np.random.default_rng(0).standard_normal((2, 3000))
    stream = signal.WindowStream(size, hop, **how)
    got = np.concatenate([stream.push(part) for part in cut(x, parts)])
    np.testing.assert_array_equal(got, signal.windows(x, size, hop, **how))


@pytest.mark.parametrize("shape", [(1200,), (2, 1200), (2, 1, 1200)])
def test_one_sample_at_a_time_and_nothing_at_all_make_no_difference(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    filtered, resampled = signal.FilterStream("bandstop", 360, low=50, high=60), signal.ResampleStream(360, 125)
    sliding = signal.WindowStream(100, 30, normalize="zscore")
    parts = [x[..., i // 2 : i // 2 + i % 2] for i in range(2 * x.shape[-1])]  # every other one is empty
    got = np.concatenate([filtered.push(part) for part in parts], axis=-1)
    np.testing.assert_array_equal(got, signal.bandstop(x, 360, low=50, high=60, causal=True))
    got = np.concatenate([*(resampled.push(part) for part in parts), resampled.finish()], axis=-1)
    np.testing.assert_array_equal(got, signal.resample(x, 360, 125))
    got = np.concatenate([sliding.push(part) for part in parts])
    np.testing.assert_array_equal(got, signal.windows(x, 100, 30, normalize="zscore"))


def test_a_window_stream_masks_a_gap_and_goes_on_after_one_that_it_refused():
    x = np.random.default_rng(0).standard_normal((2, 100))
    holed = x.copy()
    holed[1, 42] = np.nan
    how = {"normalize": "zscore", "nan_policy": "mask"}
    masked, strict = signal.WindowStream(10, 7, **how), signal.WindowStream(10, 7)
    got = np.concatenate([masked.push(part) for part in cut(holed, [30, 20])])
    np.testing.assert_array_equal(got, signal.windows(holed, 10, 7, **how))
    first = strict.push(x[:, :50])
    with pytest.raises(SignalError, match="sample 3 is NaN"):
        strict.push(np.array([[0.0, 0, 0, np.nan], [0, 0, 0, 0]]))
    np.testing.assert_array_equal(np.concatenate([first, strict.push(x[:, 50:])]), signal.windows(x, 10, 7))


MEMORY = """
import json, sys
import numpy as np
from biotl import signal
def high():  # of this program alone; getrusage counts what the process was before, a large pytest
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('VmHWM'))
hours = float(sys.argv[1])
t = np.arange(36_000) / 360
bumps = ((0.1, 0.24, 0.02), (1, 0.4, 0.01), (0.3, 0.6, 0.04))
beat = sum(a * np.exp(-(((t % 0.8 - m) / s) ** 2) / 2) for a, m, s in bumps)
part = (beat + np.random.default_rng(0).standard_normal((2, len(t))) * 0.01).astype(np.float32)
filtered, resampled = signal.FilterStream("bandstop", 360, low=50, high=60), signal.ResampleStream(360, 125)
sliding, peaks = signal.WindowStream(3600, 1800, normalize="zscore"), signal.RPeakStream(360)
n, found = [0, 0, 0, 0], {}
for i in range(int(hours * 36)):
    clean = filtered.push(part)
    n[0] += clean.shape[1]
    n[1] += resampled.push(clean).shape[1]
    n[2] += len(sliding.push(clean))
    n[3] += len(peaks.push(clean))
    if i == 9:
        warm = high()
n[1] += resampled.finish().shape[1]
n[3] += len(peaks.flush())
peak = high()
print(json.dumps({"n": n, "warm_kib": warm, "peak_kib": peak}))
"""


@pytest.mark.parametrize("hours", [1, pytest.param(96, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_memory_does_not_grow_over_days_of_signal(hours):
    run = subprocess.run([sys.executable, "-c", MEMORY, str(hours)], capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    samples = hours * 36 * 36_000
    assert found["n"][:3] == [samples, -(-samples * 25 // 72), (samples - 3600) // 1800 + 1]
    assert abs(found["n"][3] - samples / 288) <= 2 + hours  # one beat every 288 samples
    # a part has 72 000 samples: 0.3 MB, and some MB of them are under way
    assert found["peak_kib"] - found["warm_kib"] < 16_000, found


def test_a_refused_part_leaves_the_stream_as_it_was():
    x = np.random.default_rng(0).standard_normal(1000)
    stream = signal.FilterStream("bandstop", 360, low=50, high=60)
    first = stream.push(x[:500])
    with pytest.raises(SignalError, match="sample 3 is NaN"):
        stream.push([0.0, 0, 0, np.nan])
    whole = signal.bandstop(x, 360, low=50, high=60, causal=True)
    np.testing.assert_array_equal(np.concatenate([first, stream.push(x[500:])]), whole)


@pytest.mark.parametrize(
    "make", [lambda: signal.FilterStream("notch", 360, freq=50), lambda: signal.ResampleStream(8, 9)]
)
def test_a_refused_first_part_leaves_no_trace_and_an_overflow_is_refused(make):
    stream = make()
    with pytest.raises(SignalError, match="sample 0 is NaN"):
        stream.push(np.full((2, 5), np.nan))
    assert stream.push(np.ones(400, np.float32)).dtype == np.float32
    with pytest.raises(SignalError, match="overflow"):
        make().push(np.resize(np.float32([3.4e38, 3.4e38, -3.4e38, -3.4e38]), 400))


def test_a_stream_refuses_other_leads_and_half_a_design():
    stream = signal.FilterStream("lowpass", 360, cutoff=40)
    stream.push(np.ones((2, 5)))
    with pytest.raises(SignalError, match=r"x: got leads of shape \(3,\), wanted \(2,\)"):
        stream.push(np.ones((3, 5)))
    with pytest.raises(SignalError, match="low and high: got None"):
        signal.FilterStream("bandstop", 360, low=50)
    with pytest.raises(SignalError, match="band: got 'allpass'"):
        signal.FilterStream("allpass", 360, cutoff=5)
