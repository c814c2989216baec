"""Arrays, rates and axes as wfdb, data frames, loadmat and JSON give them: taken, or refused in one clear line."""

import numpy as np
import pytest

from biotl import signal
from biotl.errors import SignalError

RNG = np.random.default_rng(0)
LEADS = RNG.standard_normal((3, 1500)).cumsum(axis=1)
PEAKS = np.arange(100, 1400, 200)

# every function of (..., samples), with what else it needs
MANY = {
    "bandstop": lambda x, **how: signal.bandstop(x, 250, low=48, high=52, **how),
    "bandpass": lambda x, **how: signal.bandpass(x, 250, low=0.5, high=40, **how),
    "highpass": lambda x, **how: signal.highpass(x, 250, cutoff=0.5, **how),
    "lowpass": lambda x, **how: signal.lowpass(x, 250, cutoff=40, **how),
    "notch": lambda x, **how: signal.notch(x, 250, freq=50, **how),
    "median_filter": lambda x, **how: signal.median_filter(x, size=51, **how),
    "remove_baseline": lambda x, **how: signal.remove_baseline(x, 250, **how),
    "median baseline": lambda x, **how: signal.remove_baseline(x, 250, method="median", **how),
    "wavelet baseline": lambda x, **how: signal.remove_baseline(x, 250, method="wavelet", **how),
    "resample": lambda x, **how: signal.resample(x, 250, 125, **how),
    "zscore": lambda x, **how: signal.zscore(x, **how),
    "wavedec": lambda x, **how: signal.wavedec(x, level=2, **how)[1],
}
OTHER = {
    "windows": lambda x, **how: signal.windows(x, 100, 50, **how),
    "z-scored windows": lambda x, **how: signal.windows(x, 100, 50, normalize="zscore", **how),
    "rpeaks": lambda x, **how: signal.rpeaks(x, 250, **how),
    "delineate": lambda x, **how: signal.delineate(x, PEAKS, 250, **how).qrs.confidence,
    "segment": lambda x, **how: signal.segment(x, PEAKS, 250, **how).start,
}
ONE = {
    "ppg_peaks": lambda x: signal.ppg_peaks(x, 125),
    "heart_rate": lambda x: signal.heart_rate(x, 125),
    "quality": lambda x: signal.quality(x, 125, kind="ppg"),
    "resample_segments": lambda x: signal.resample_segments(x, [5], [50], 10),
}
STREAMS = {
    "FilterStream": lambda: signal.FilterStream("highpass", 250, cutoff=0.5),
    "ResampleStream": lambda: signal.ResampleStream(250, 125),
    "WindowStream": lambda: signal.WindowStream(100, 50),
    "RPeakStream": lambda: signal.RPeakStream(250),
}


@pytest.mark.parametrize("name", [*MANY, *OTHER])
def test_samples_by_leads_are_refused_with_the_transpose_and_taken_with_the_axis(name):
    run = (MANY | OTHER)[name]
    for wrong in (LEADS.T, LEADS[:1].T):
        with pytest.raises(SignalError, match=r"x: got shape \(1500, [13]\), which is \(samples, leads\): pass x.T"):
            run(wrong)
    expected, got = run(LEADS), run(LEADS.T, axis=0)
    np.testing.assert_array_equal(np.moveaxis(got, 0, -1) if name in MANY else got, expected)
    with pytest.raises(SignalError, match="axis: got 2, wanted one of the 2 of x"):
        run(LEADS, axis=2)


def test_a_batch_of_samples_by_leads_names_the_two_axes():
    with pytest.raises(SignalError, match=r"np.swapaxes\(x, -1, -2\)"):
        signal.zscore(RNG.standard_normal((5, 800, 2)))


@pytest.mark.parametrize("shape", [(12, 5000), (1000, 200), (40, 30), (8, 1), (3, 0), (600, 2, 36)])
def test_what_may_be_meant_is_taken(shape):
    assert signal.zscore(np.ones(shape)).shape == shape


def test_an_axis_that_is_stated_is_believed():
    x = RNG.standard_normal((900, 20))
    np.testing.assert_allclose(signal.zscore(x, axis=-1), signal.zscore(x.T, axis=0).T)


@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_channel_say_which_to_pass(name):
    with pytest.raises(SignalError, match=r"pass one of them, x\[:, 0\]"):
        ONE[name](LEADS.T)
    with pytest.raises(SignalError, match=r"pass one of them, x\[0\]"):
        ONE[name](LEADS)


@pytest.mark.parametrize("name", STREAMS)
def test_streams_take_one_sample_of_many_leads_and_refuse_a_part_on_its_side(name):
    STREAMS[name]().push(np.zeros((12, 1)))
    with pytest.raises(SignalError, match=r"is \(samples, leads\): pass x.T; a part has its samples last"):
        STREAMS[name]().push(LEADS.T)


def test_an_accelerometer_on_its_side_names_its_transpose():
    x = LEADS[0]
    for run in (
        lambda m: signal.ppg_peaks(x, 125, motion=m),
        lambda m: signal.quality(x, 125, kind="ppg", motion=m),
        lambda m: signal.heart_rate(x, 125, motion=m),
    ):
        with pytest.raises(SignalError, match=r"motion: got shape \(1500, 3\), which is .*pass motion.T"):
            run(LEADS.T)


RATED = {
    "highpass": lambda fs: signal.highpass(LEADS[0], fs, cutoff=0.5),
    "notch": lambda fs: signal.notch(LEADS[0], fs, freq=50),
    "remove_baseline": lambda fs: signal.remove_baseline(LEADS[0], fs, method="wavelet"),
    "median baseline": lambda fs: signal.remove_baseline(LEADS[0], fs, method="median"),
    "baseline_level": lambda fs: signal.baseline_level(fs, 0.5),
    "resample": lambda fs: signal.resample(LEADS[0], fs, 125),
    "rpeaks": lambda fs: signal.rpeaks(LEADS[0], fs),
    "ppg_peaks": lambda fs: signal.ppg_peaks(LEADS[0], fs),
    "heart_rate": lambda fs: signal.heart_rate(LEADS[0], fs).rate,
    "segment": lambda fs: signal.segment(LEADS[0], PEAKS, fs).start,
    "delineate": lambda fs: signal.delineate(LEADS[0], PEAKS, fs).qrs.peak,
    "quality": lambda fs: signal.quality(LEADS[0], fs, kind="ecg").score,
    "FilterStream": lambda fs: signal.FilterStream("highpass", fs, cutoff=0.5).push(LEADS[0]),
    "ResampleStream": lambda fs: signal.ResampleStream(fs, 125).push(LEADS[0]),
    "RPeakStream": lambda fs: signal.RPeakStream(fs).push(LEADS[0]),
    "PulseStream": lambda fs: signal.PulseStream(fs).push(LEADS[0]),
    "HeartRateStream": lambda fs: signal.HeartRateStream(fs).push(LEADS[0]).rate,
}


@pytest.mark.parametrize("name", RATED)
def test_a_rate_is_taken_from_what_holds_one_number_and_refused_by_name_from_the_rest(name):
    expected = RATED[name](250.0)
    for fs in (np.array([[250]], np.uint8), "250", " 250.0", b"250", np.int16(250), np.array(250.0), [250]):
        np.testing.assert_array_equal(RATED[name](fs), expected)
    for fs in ("fast", None, [250, 360], {}, np.array([]), [[1], [2, 3]], True, 250j):
        with pytest.raises(SignalError, match=r"fs: got .*, wanted one number, the rate in Hz"):
            RATED[name](fs)
