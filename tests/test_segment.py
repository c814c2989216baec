"""Segments: timings, the rule of collisions, tiling, and resampling to one length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from biotl import signal
from biotl.errors import SignalError


@given(st.data(), st.integers(1, 3000), st.sampled_from([20.0, 125.0, 128.5, 250.0, 360.0, 1000.0]))
def test_segments_are_those_of_the_reference_and_tile_the_recording(data, samples, fs):
    rpeaks = sorted(data.draw(st.sets(st.integers(0, samples - 1), max_size=40)))
    got = signal.segment(np.zeros(samples), np.array(rpeaks, dtype=np.int64), fs)
    rows = list(zip(got.wave.tolist(), got.start.tolist(), got.stop.tolist(), got.beat.tolist(), strict=True))
    assert rows == reference.segment(samples, rpeaks, fs)
    assert (got.start < got.stop).all()
    assert np.array_equal(got.start, np.concatenate([[0], got.stop[:-1]]))
    assert got.stop[-1] == samples
    assert ((got.beat == -1) == (got.wave == 3)).all()
    for beat, r in enumerate(rpeaks):
        (home,) = np.flatnonzero((got.start <= r) & (r < got.stop))
        assert (got.wave[home], got.beat[home]) == (1, beat)


def test_two_beats_that_collide_share_the_gap_in_proportion_of_t_to_p():
    # QRS 82 to 118 and 132 to 168 leave 14 samples for T (54) and P (36): 8 and 6
    got = signal.segment(np.zeros(1000), [100, 150], 360.0)
    assert got.wave.tolist() == [3, 0, 1, 2, 0, 1, 2, 3]
    assert got.start.tolist() == [0, 46, 82, 118, 126, 132, 168, 222]
    assert got.beat.tolist() == [-1, 0, 0, 0, 1, 1, 1, -1]


def test_two_qrs_that_overlap_meet_halfway():
    got = signal.segment(np.zeros(1000), [100, 111], 360.0)
    assert got.start[got.wave == 1].tolist() == [82, 106]
    assert got.stop[got.wave == 1].tolist() == [106, 129]


def test_no_beats_give_one_background_and_no_samples_give_nothing():
    assert signal.segment(np.zeros(7), [], 360.0).wave.tolist() == [3]
    assert len(signal.segment(np.zeros(0), [], 360.0)) == 0


@pytest.mark.parametrize(
    ("rpeaks", "fs", "message"),
    [
        ([5, 5], 360.0, "rpeaks: got 5 before 5, wanted strictly rising"),
        ([10], 360.0, "rpeaks: got 10, wanted sample indices from 0 to below 10"),
        ([-1], 360.0, "rpeaks: got -1"),
        ([5], 19.0, "fs: got 19, wanted 20 Hz"),
        ([5], np.nan, "fs: got NaN"),
    ],
)
def test_peaks_and_rates_that_cannot_be_are_refused(rpeaks, fs, message):
    with pytest.raises(SignalError, match=message):
        signal.segment(np.zeros(10), rpeaks, fs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
@given(st.integers(1, 300), st.integers(0, 2**32))
def test_resampling_is_linear_interpolation(dtype, length, seed):
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal(500) * 100).astype(dtype)
    start = rng.integers(0, 499, 20)
    stop = rng.integers(start + 1, 501)
    got = signal.resample_segments(x, start, stop, length)
    assert got.dtype == np.float32
    # 6e-8 relative is half a unit of float32 in the last place, at values up to 500
    np.testing.assert_allclose(got, reference.resample_segments(x, start, stop, length), rtol=1e-6, atol=1e-4)


def test_a_segment_outside_the_signal_is_refused():
    for start, stop in (([0], [11]), ([-1], [5]), ([5], [5])):
        with pytest.raises(SignalError, match="start below stop, both within 0 to 10"):
            signal.resample_segments(np.zeros(10), start, stop, 4)
    with pytest.raises(SignalError, match="length"):
        signal.resample_segments(np.zeros(10), [0], [5], 0)


def test_a_missing_sample_costs_the_values_that_have_a_part_of_it():
    x = np.arange(100.0)
    x[[20, 50]] = np.nan, np.inf
    # the first segment ends before sample 20, the third lies between the two bad ones
    with pytest.raises(SignalError, match="sample 50 is inf"):
        signal.resample_segments(x, [0, 45], [20, 56], 11)
    masked = signal.resample_segments(x, [0, 45, 21], [20, 56, 50], 11, nan_policy="mask")
    assert np.argwhere(np.isnan(masked)).tolist() == [[1, 5]]
    bridged = signal.resample_segments(x, [45], [56], 11, nan_policy="interpolate")
    assert bridged.tolist() == [list(range(45, 56))]


def test_a_wave_that_holds_a_missing_sample_is_background_and_one_with_its_neighbours():
    x = np.zeros((2, 1000))
    x[1, 430] = np.nan  # in T, between QRS and background
    with pytest.raises(SignalError, match="sample 430 is NaN"):
        signal.segment(x, [400], 360.0)
    got = signal.segment(x, [400], 360.0, nan_policy="mask")
    assert (got.wave.tolist(), got.start.tolist(), got.stop[-1]) == ([3, 0, 1, 3], [0, 346, 382, 418], 1000)
    assert got.beat.tolist() == [-1, 0, 0, -1]
    assert len(signal.segment(x, [400], 360.0, nan_policy="interpolate")) == 5


def test_every_beat_of_a_real_database_has_its_qrs_and_its_label_on_it(mitdb):
    from biotl import records

    for header in sorted(mitdb.glob("*.hea"))[::8]:
        record = records.read(header.with_suffix(""))
        marks = record.annotations["atr"]
        rpeaks = np.unique(marks.sample[np.isin(marks.symbol, list("NLRBAaJSVrFejnE/fQ?"))])
        got = signal.segment(record.signal, rpeaks, record.fs)
        qrs = got.wave == 1
        assert got.beat[qrs].tolist() == list(range(len(rpeaks)))
        assert ((got.start[qrs] <= rpeaks) & (rpeaks < got.stop[qrs])).all()
