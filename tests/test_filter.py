"""Filters against SciPy, on drawn designs and on hostile arrays."""

import hashlib
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
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
        ({"low": 50, "high": 60, "order": 2.5}, "order: got 2.5, wanted at least 1, in whole numbers"),
        ({"low": 50, "high": 60, "kind": "bessel"}, "kind: got 'bessel'"),
        ({"low": 50, "high": 60, "kind": "cheby2", "rs": -1}, "rs: got -1"),
        ({"low": 50, "high": 60, "nan_policy": "omit"}, "nan_policy: got 'omit'"),
    ],
)
def test_a_parameter_out_of_range_is_refused_with_the_numbers(parameters, message):
    with pytest.raises(SignalError, match=message):
        signal.bandstop(np.ones(100), FS, **parameters)


def test_the_readable_twin_says_the_same():
    x = np.random.default_rng(0).standard_normal(500)
    sos = scipy.signal.butter(4, [50, 60], "bandstop", fs=FS, output="sos")
    got = signal.bandstop(x, FS, low=50, high=60, causal=True)
    np.testing.assert_allclose(got, reference.sosfilt(sos, x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("band", [{"low": 50, "high": 60}, {"low": 0.5, "high": 40, "order": 5}])
@pytest.mark.parametrize("n", [7_300, 60_000, 200_003])
def test_the_blocks_of_a_long_lead_leave_no_seam(band, n):
    x = np.random.default_rng(n).standard_normal(n).cumsum() + 1e6
    sos = scipy.signal.butter(band.get("order", 4), [band["low"], band["high"]], "bandstop", fs=FS, output="sos")
    expected = scipy.signal.sosfiltfilt(sos, x)
    assert np.abs(signal.bandstop(x, FS, **band) - expected).max() <= 1e-9 * np.abs(expected).max()


@pytest.mark.parametrize("kind", ["bandstop", "highpass"])
def test_eight_blocks_agree_with_scipy_to_a_trillionth_and_in_float32_to_a_millionth(kind):
    x = np.random.default_rng(0).standard_normal(200_003)
    how = {"low": 50, "high": 60} if kind == "bandstop" else {"cutoff": 0.5}
    edges = [*how.values()] if len(how) > 1 else 0.5
    sos = scipy.signal.butter(4, edges, kind, fs=FS, output="sos")
    expected = scipy.signal.sosfiltfilt(sos, x)
    assert np.abs(getattr(signal, kind)(x, FS, **how) - expected).max() < 2e-12
    assert np.abs(getattr(signal, kind)(x.astype(np.float32), FS, **how) - expected).max() < 1e-6


FILTERS = [
    lambda x: signal.bandstop(x, FS, low=50, high=60),
    lambda x: signal.highpass(x, FS, cutoff=0.5, causal=True),
    lambda x: signal.remove_baseline(x, FS, method="median"),
    lambda x: signal.median_filter(x, size=5),
    lambda x: signal.resample(x, 360, 125),
]


@pytest.mark.parametrize("run", FILTERS)
def test_a_form_of_array_does_not_change_the_result(run):
    x = np.round(np.random.default_rng(0).standard_normal((2, 500)) * 100)
    expected = run(x)
    frozen = x.copy()
    frozen.setflags(write=False)
    strided = np.zeros((2, 1000))
    strided[:, ::2] = x
    for same in (x.astype(">f8"), frozen, strided[:, ::2], np.asfortranarray(x), x.astype(np.int16), x.tolist()):
        np.testing.assert_array_equal(run(same), expected)
    np.testing.assert_array_equal(run(x[0]), expected[0])
    np.testing.assert_array_equal(run(x.reshape(2, 1, 500))[:, 0], expected)
    assert run(np.zeros((0, 500))).shape[0] == 0
    np.testing.assert_array_equal(run(frozen), expected)


@pytest.mark.parametrize("run", FILTERS)
def test_what_is_not_a_signal_is_refused(run):
    for x, message in (
        (1.0, "got a scalar"),
        (["a"], "got dtype <U1"),
        ([1j], "got dtype complex128"),
        ([None], "object"),
    ):
        with pytest.raises(SignalError, match=message):
            run(x)


@pytest.mark.parametrize("run", FILTERS)
def test_flat_saturated_and_short_signals_have_results(run):
    assert run(np.zeros(0)).shape == (0,)
    for x in (np.full(400, 7.0), np.full(400, -32768, np.int16), np.repeat([5.0, -5.0], 300)):
        assert np.isfinite(run(x)).all()


def test_one_sample_has_a_causal_result_and_a_typed_error_otherwise():
    assert signal.highpass([1.0], FS, cutoff=0.5, causal=True).shape == (1,)
    with pytest.raises(SignalError, match="x: got 1 samples, wanted at least 28"):
        signal.bandstop([1.0], FS, low=50, high=60)


def test_an_overflow_is_refused_by_name():
    with pytest.raises(SignalError, match="overflow"):
        signal.bandstop(np.resize([1.7e308, -1.7e308], 400), FS, low=50, high=60)


@pytest.mark.parametrize("n", [2000, 100_000])
def test_a_missing_sample_costs_what_the_filter_covers_and_no_more(n):
    x = np.random.default_rng(0).standard_normal(n)
    whole = signal.bandstop(x, FS, low=50, high=60)
    x[n // 2 : n // 2 + 3] = np.nan
    with pytest.raises(SignalError, match=f"sample {n // 2} is NaN"):
        signal.bandstop(x, FS, low=50, high=60)
    masked = signal.bandstop(x, FS, low=50, high=60, nan_policy="mask")
    missing = np.flatnonzero(np.isnan(masked))
    assert n // 2 - missing[0] == missing[-1] - (n // 2 + 2) < FS
    assert len(missing) == missing[-1] - missing[0] + 1
    # what is left of the bridge's error outside is a thousandth of the response to it, twice over
    kept = ~np.isnan(masked)
    assert np.abs(masked - whole)[kept].max() < 1e-2
    assert np.isfinite(signal.bandstop(x, FS, low=50, high=60, nan_policy="interpolate")).all()
    assert np.isnan(signal.bandstop(np.full(100, np.nan), FS, low=50, high=60, nan_policy="mask")).all()


def results(threads, level=""):
    """Run every kernel in a process of its own, on long and short leads; return the float64 and the float32 bytes."""
    code = (
        "import sys, numpy as np; from biotl import signal as s\n"
        "x = np.random.default_rng(0).standard_normal((5, 60001))\n"
        "for v in (x, x[:, :3000], x.astype(np.float32), x[:, :3000].astype(np.float32)):\n"
        "    for causal in (False, True):\n"
        "        for kind in ('butter', 'cheby2'):\n"
        "            how = {'kind': kind, 'causal': causal}\n"
        "            for order in (1, 4, 5):\n"
        "                for y in (s.bandstop(v, 360, low=50, high=60, order=order, **how),"
        "s.bandpass(v, 360, low=5, high=40, order=order, **how), s.highpass(v, 360, cutoff=5, order=order, **how),"
        "s.lowpass(v, 360, cutoff=40, order=order, **how)):\n"
        "                    sys.stdout.buffer.write(y.tobytes())\n"
        "        sys.stdout.buffer.write(s.notch(v, 360, freq=60, causal=causal).tobytes())\n"
        "    for y in (s.resample(v, 360, 125), s.resample(v, 125, 360), s.remove_baseline(v, 360, method='median')):\n"
        "        sys.stdout.buffer.write(y.tobytes())\n"
    )
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "BIOTL_SIMD": level}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment).stdout
    return out[: len(out) // 3 * 2], out[len(out) // 3 * 2 :]


def test_threads_do_not_change_a_bit_and_instruction_sets_hardly_more():
    one = results(1)
    digest = hashlib.sha256(b"".join(one)).hexdigest()
    assert {hashlib.sha256(b"".join(results(n))).hexdigest() for n in (2, 7)} == {digest}
    # a lane does not know how many lie beside it
    assert hashlib.sha256(b"".join(results(1, "avx2"))).hexdigest() == digest
    plainly = results(1, "portable")
    for wide, plain, dtype, tolerance in zip(one, plainly, (np.float64, np.float32), (1e-12, 1e-6), strict=True):
        wide, plain = np.frombuffer(wide, dtype), np.frombuffer(plain, dtype)
        assert np.abs(wide - plain).max() <= tolerance * np.abs(wide).max()


def test_silence_after_a_signal_costs_no_more_than_the_signal():
    rng = np.random.default_rng(0)

    def seconds(x):
        start = time.process_time()
        for _ in range(5):
            signal.highpass(x, FS, cutoff=5, causal=True)
        return time.process_time() - start

    loud = rng.standard_normal(200_000)
    for quiet in (np.r_[loud[:1000], np.zeros(199_000)], loud * 1e-310):
        assert min(seconds(quiet) for _ in range(3)) < 20 * min(seconds(loud) for _ in range(3))
