"""All of biotl.signal on arrays that nobody wants: a documented result, or one error with the numbers."""

import dataclasses
import inspect

import numpy as np
import pytest

from biotl import signal
from biotl.errors import SignalError

FS = 360.0
N = 4000
PEAKS = [100, 400, 700, 1000]
LENGTH = 40  # of a vector to cluster


def vectors(x):
    """A signal as the rows of a matrix; what is no signal goes on as it is."""
    whole = isinstance(x, np.ndarray) and x.ndim == 1 and x.size >= LENGTH
    return x.reshape(-1, LENGTH) if whole else x


# one call a function, or one a method of it
CALLS = {
    "assign": lambda x, **how: signal.assign(vectors(x), np.eye(3, LENGTH), **how),
    "bandpass": lambda x, **how: signal.bandpass(x, FS, low=5, high=40, **how),
    "bandstop": lambda x, **how: signal.bandstop(x, FS, low=50, high=60, **how),
    "delineate": lambda x, **how: signal.delineate(x, PEAKS, FS, **how),
    "heart_rate": lambda x, **how: signal.heart_rate(x, FS, **how),
    "highpass": lambda x, **how: signal.highpass(x, FS, cutoff=5, **how),
    "kmeans": lambda x, **how: signal.kmeans(vectors(x), 3, seed=0, **how),
    "lowpass": lambda x, **how: signal.lowpass(x, FS, cutoff=40, causal=True, **how),
    "median_filter": lambda x, **how: signal.median_filter(x, size=5, **how),
    "notch": lambda x, **how: signal.notch(x, FS, freq=60, **how),
    "ppg_peaks": lambda x, **how: signal.ppg_peaks(x, FS, scores=True, **how),
    "quality": lambda x: signal.quality(x, FS, kind="ecg"),
    "quality ppg": lambda x: signal.quality(x, FS, kind="ppg"),
    "remove_baseline": lambda x, **how: signal.remove_baseline(x, FS, cutoff=5, **how),
    "remove_baseline median": lambda x, **how: signal.remove_baseline(x, FS, method="median", **how),
    "remove_baseline wavelet": lambda x, **how: signal.remove_baseline(x, FS, method="wavelet", cutoff=20, **how),
    "resample": lambda x, **how: signal.resample(x, FS, 125, **how),
    "resample_segments": lambda x, **how: signal.resample_segments(x, [0, 1200], [200, 1300], 100, **how),
    "rpeaks": lambda x, **how: signal.rpeaks(x, FS, scores=True, **how),
    "segment": lambda x, **how: signal.segment(x, PEAKS, FS, **how),
    "segment delineated": lambda x, **how: signal.segment(x, PEAKS, FS, mode="delineated", **how),
    "wavedec": lambda x, **how: signal.wavedec(x, level=3, **how),
    "waverec": lambda x, **how: signal.waverec([x, x], **how),
    "windows": lambda x, **how: signal.windows(x, 64, 48, normalize="zscore", **how),
    "windows as they are": lambda x, **how: signal.windows(x, 64, 48, **how),
    "zscore": lambda x, **how: signal.zscore(x, **how),
}
STREAMS = {
    "FilterStream": lambda x: signal.FilterStream("bandstop", FS, low=50, high=60).push(x),
    "HeartRateStream": lambda x: signal.HeartRateStream(FS).push(x),
    "PulseStream": lambda x: signal.PulseStream(FS).push(x),
    "RPeakStream": lambda x: signal.RPeakStream(FS).push(x),
    "ResampleStream": lambda x: signal.ResampleStream(FS, 125).push(x),
    "WindowStream": lambda x: signal.WindowStream(64, 48, normalize="zscore").push(x),
}
ONE_LEAD = {"delineate", "heart_rate", "ppg_peaks", "quality", "quality ppg", "resample_segments", "segment delineated"}
MATRIX = {"assign", "kmeans"}
POLICIES = [name for name in CALLS if not name.startswith("quality")]  # what is missing is what quality judges
# these say that something is not there by NaN: the rate of a signal without beats
NAN_SAYS = {"heart_rate", "quality", "quality ppg"}

call = pytest.mark.parametrize("name", CALLS)


def lead():
    """Whole numbers, so that int16 holds them: a beat every 300 samples in noise."""
    t = np.arange(N)
    noise = np.random.default_rng(0).standard_normal(N) * 5
    return np.round(noise + 800 * np.exp(-(((t % 300 - 100) / 5.0) ** 2)))


def arrays(result):
    """Yield the arrays of a result."""
    if dataclasses.is_dataclass(result):
        result = [getattr(result, field.name) for field in dataclasses.fields(result)]
    if isinstance(result, (tuple, list)):
        for part in result:
            yield from arrays(part)
    else:
        yield np.asarray(result)


def same(a, b):
    pairs = list(zip(arrays(a), arrays(b), strict=True))
    return all(p.shape == q.shape and np.array_equal(p, q, equal_nan=p.dtype.kind == "f") for p, q in pairs)


def finite(result):
    return all(np.isfinite(part).all() for part in arrays(result) if part.dtype.kind == "f")


def attempt(run, x):
    """The result or the message of the one error that is allowed."""
    try:
        return run(x), ""
    except SignalError as error:
        return None, str(error)


def test_every_public_function_stands_in_the_table_and_takes_a_policy():
    functions = {name for name in signal.__all__ if inspect.isfunction(getattr(signal, name))} - {"baseline_level"}
    assert functions == {name.split()[0] for name in CALLS}
    streams = {name for name in signal.__all__ if name.endswith("Stream")}
    assert streams == set(STREAMS)
    for name in functions - {"quality"}:
        assert inspect.signature(getattr(signal, name)).parameters["nan_policy"].default == "raise", name


@call
def test_a_form_of_array_changes_no_bit_and_no_input_is_written_to(name):
    run = CALLS[name]
    for dtype in (np.float64, np.float32):
        x = lead().astype(dtype)
        wanted = run(x)
        every_other, backwards = np.zeros(2 * N, dtype), x[::-1].copy()
        every_other[::2] = x
        frozen = x.copy()
        frozen.setflags(write=False)
        for form in (x.astype(x.dtype.newbyteorder(">")), every_other[::2], backwards[::-1], frozen):
            assert same(run(form), wanted)
            assert np.array_equal(form, x)
        assert np.array_equal(every_other[1::2], np.zeros(N))
    for form in (x.astype(np.int16), x.astype(">i2"), x.astype(np.int64), x.astype(np.longdouble)):
        assert same(run(form), run(x.astype(np.float64)))
        assert np.array_equal(form, x)
    if name not in MATRIX:
        assert same(run(x.tolist()), run(x.astype(np.float64)))


@call
def test_leads_of_any_order_and_number_of_axes_are_leads_or_refused(name):
    run, x = CALLS[name], lead()
    many = np.stack([x, x[::-1], x, 2 * x]).reshape(2, 2, N)
    if name in ONE_LEAD | MATRIX | {"rpeaks"}:
        with pytest.raises(SignalError, match=r"got shape \(2, 2, 4000\)"):
            run(many)
        return
    wanted = run(many)
    assert same(run(np.asfortranarray(many)), wanted)
    assert same(run(many.transpose(1, 0, 2).copy().transpose(1, 0, 2)), wanted)
    for part in () if name == "segment" else zip(arrays(wanted), arrays(run(many[1, 0])), strict=True):
        whole, one = part
        axis = 1 if name.startswith("windows") else 0
        assert np.array_equal(whole.take(1, axis).take(0, axis), one)
    assert all(0 in part.shape or name == "segment" for part in arrays(run(many[:0])))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (3.0, "got a scalar"),
        (None, "got dtype object"),
        (lead() > 0, "got dtype bool"),
        (lead() + 1j, "got dtype complex128"),
        (lead().astype(object), "got dtype object"),
        (["a", "b"], "got dtype <U1"),
        (np.zeros(9, "M8[s]"), "got dtype datetime64"),
        ([[1.0, 2.0], [3.0]], "inhomogeneous"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
@pytest.mark.parametrize("name", {**CALLS, **STREAMS})
def test_what_is_no_array_of_real_numbers_is_refused_by_name(name, x, message):
    with pytest.raises(SignalError, match=message):
        {**CALLS, **STREAMS}[name](x)


@call
@pytest.mark.parametrize("n", [0, 1, 2, 30])
def test_a_short_signal_has_a_result_or_an_error_with_its_length(name, n):
    result, error = attempt(CALLS[name], np.ones(n))
    assert any(digit in error for digit in "0123456789") if error else finite(result) or name in NAN_SAYS


SIGNALS = {
    "flat": np.full(N, 7.0),
    "zero": np.zeros(N, np.float32),
    "at the rail": np.full(N, -32768, np.int16),
    "from rail to rail": np.where(lead() > 100, 32767, -32768).astype(np.int16),
    "denormal": lead() * 1e-320,
    "denormal float32": (lead() * 1e-42).astype(np.float32),
    "tiny steps on a large level": 1e15 + lead() * 0.125,
    "unsigned": lead().clip(0).astype(np.uint64),
    "half": lead().astype(np.float16),
}


@call
@pytest.mark.parametrize("kind", SIGNALS)
def test_a_finite_signal_has_a_finite_result(name, kind):
    result = CALLS[name](SIGNALS[kind])
    assert finite(result) or name in NAN_SAYS


@call
@pytest.mark.parametrize(("dtype", "height"), [(np.float64, 1.7e308), (np.float32, 3e38)])
def test_values_near_the_largest_have_a_finite_result_or_overflow_by_name(name, dtype, height):
    result, error = attempt(CALLS[name], np.where(lead() > 0, height, -height).astype(dtype))
    assert "overflow" in error or "finite values" in error if error else finite(result) or name in NAN_SAYS


def lost(result):
    """How many values of each array are NaN, or -1 where integers say so."""
    return [int(np.isnan(part).sum()) for part in arrays(result) if part.dtype.kind == "f"]


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_missing_sample_is_refused_bridged_or_costs_what_covers_it(name, bad):
    run, at = CALLS[name], 1234
    x = lead()
    bridged = x.copy()
    bridged[at] = (x[at - 1] + x[at + 1]) / 2
    holed = x.copy()
    holed[at] = bad
    got = "NaN" if np.isnan(bad) else str(bad)
    with pytest.raises(SignalError, match=f"sample {at} is {got}|X: got {got} as value {at % LENGTH} of row"):
        run(holed)
    with pytest.raises(SignalError, match="nan_policy: got 'omit'"):
        run(holed, nan_policy="omit")
    whole = run(bridged)
    assert same(run(holed, nan_policy="interpolate"), whole)
    masked = run(holed, nan_policy="mask")
    if name == "kmeans":
        rest = np.delete(x.reshape(-1, LENGTH), at // LENGTH, axis=0)
        assert same(masked, signal.kmeans(rest, 3, seed=0))
        return
    for some, all_ in zip(arrays(masked), arrays(whole), strict=True):
        if some.shape == all_.shape and some.dtype.kind == "f":
            kept = ~np.isnan(some)
            assert np.array_equal(some[kept], all_[kept])
            assert kept.any() or name in {"zscore", "ppg_peaks"}  # an ECG has no pulses
    assert np.array_equal(holed, np.where(np.arange(N) == at, bad, x), equal_nan=True)


# values that see sample 1234, at most
COSTS = {
    "median_filter": [5],
    "remove_baseline median": [73 + 217 - 1],
    "resample": [20],  # 2 x 10 zero crossings of the filter in samples out
    "resample_segments": [1],
    "wavedec": [7, 7, 6, 4],  # 8 taps see 50, 50, 22 and 8 samples, every 8th, 8th, 4th and 2nd
    "waverec": [8],
    "windows": [2 * 64],
    "windows as they are": [2 * 64],
    "zscore": [N],
}


@pytest.mark.parametrize("name", COSTS)
def test_the_cost_of_a_missing_sample_is_that_of_the_window(name):
    x = lead()
    x[1234] = np.nan
    cost = lost(CALLS[name](x, nan_policy="mask"))
    assert all(0 <= got <= wanted for got, wanted in zip(cost, COSTS[name], strict=True)), cost


@pytest.mark.parametrize("name", POLICIES)
def test_a_signal_of_nothing_but_nan_gives_nothing(name):
    gone = np.full(N, np.nan)
    for policy in ("mask", "interpolate"):
        if name == "kmeans":
            with pytest.raises(SignalError, match="k: got 3, wanted 1 to the 0 rows"):
                CALLS[name](gone, nan_policy=policy)
            continue
        result = CALLS[name](gone, nan_policy=policy)
        if name == "assign":
            assert (result == -1).all()
        elif name in {"rpeaks", "ppg_peaks"}:
            assert len(result[0]) == 0
        elif name == "heart_rate":  # its seconds are there, and none is answered
            assert len(result.time_s)
            assert np.isnan(result.rate).all()
        elif name not in {"delineate", "segment", "segment delineated"}:
            assert all(np.isnan(part).all() for part in arrays(result))
    if name == "segment":
        assert CALLS[name](gone, nan_policy="mask").wave.tolist() == [3]


def test_what_a_masked_array_masks_is_missing():
    masked = np.ma.masked_array(lead(), mask=np.arange(N) == 1234)
    with pytest.raises(SignalError, match="sample 1234 is NaN"):
        signal.bandstop(masked, FS, low=50, high=60)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: signal.segment(np.zeros(9), [1.5], FS), "rpeaks: got dtype float64"),
        (lambda: signal.delineate(np.zeros(9), [[1]], FS), r"rpeaks: got dtype int64 and shape \(1, 1\)"),
        (lambda: signal.segment(np.zeros(9), np.array([2**63], np.uint64), FS), "rpeaks: got 9223372036854775808"),
        (lambda: signal.bandstop(np.zeros(99), FS, low=50, high=60, order=-1), "order: got -1, wanted at least 1"),
        (lambda: signal.median_filter(np.zeros(9), size=10**30), f"size: got {10**30}"),
        (lambda: signal.remove_baseline(np.zeros(9), 1e300, method="median"), r"fs: got 1e\+300"),
        (lambda: signal.resample(np.zeros(9), 1, 1e300), r"fs_new: got 1e\+300"),
        (lambda: signal.resample_segments(np.zeros(9), [0], [5], -1), "length: got -1, wanted at least 1 value"),
        (lambda: signal.wavedec(np.zeros(9), level=-1), "level: got -1"),
        (lambda: signal.waverec([]), "coeffs: got none"),
        (lambda: signal.waverec([np.zeros((2, 9)), np.zeros(9)]), r"coeffs: got leads of shape \(\), wanted \(2,\)"),
        (lambda: signal.kmeans(np.zeros((9, 2)), -3, seed=0), "k: got -3"),
        (lambda: signal.kmeans(np.zeros((9, 2)), 3, seed=-1), "seed: got -1"),
        (lambda: signal.assign(np.zeros((9, 4)), np.zeros((2, 8))), r"C: got shape \(2, 8\), wanted \(k, 4\)"),
        (lambda: signal.assign(np.zeros((9, 4), np.float32), np.full((2, 4), 1e300)), "centroids: got NaN or infinity"),
        (lambda: signal.zscore(np.zeros(9), axis=1), "axis: got 1, wanted one of the 1 of x"),
        (
            lambda: signal.windows(np.zeros((1, 9)), 4, 4, out=np.zeros((2, 1, 4))),
            "out: got an array without normalize",
        ),
        (lambda: signal.windows(np.zeros(9), 4, 4, normalize="zscore", eps=-1), "eps: got -1, wanted 0 or more"),
        (lambda: signal.quality(np.zeros(999), np.inf, kind="ecg"), "fs, window_s: got inf Hz"),
        (lambda: signal.RPeakStream(np.nan), "fs: got nan"),
        (lambda: signal.WindowStream(0, 1), "size: got 0"),
        (lambda: signal.WindowStream(4, 4, nan_policy="interpolate"), "nan_policy: got 'interpolate'"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused_with_its_value(run, message):
    with pytest.raises(SignalError, match=message):
        run()


def test_windows_do_not_overwrite_what_they_read():
    x = np.ones((2, 1, 8))
    with pytest.raises(SignalError, match="out: got memory of x"):
        signal.windows(x.reshape(1, 16), 8, 8, normalize="zscore", out=x.reshape(2, 1, 8))
