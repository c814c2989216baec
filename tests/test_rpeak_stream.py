"""The stream of R peaks: delay, parts, place, memory, and what is refused."""

import numpy as np
import pytest

from biotl.errors import SignalError
from biotl.records import read
from biotl.signal import PulseStream, RPeakStream, resample, rpeaks
from test_rpeaks import BEATS, ecg, errors

DS1 = (101, 106, 108, 109, 112, 114, 115, 116, 118, 119, 122, 124, 201, 203, 205, 207, 208, 209, 215, 220, 223, 230)


def streamed(stream, x, lengths):
    """Push `x` in parts of the lengths in turn; return each peak with the number of samples pushed when it came."""
    at, peaks, heard = 0, [], []
    while at < x.shape[-1]:
        part = x[..., at : at + lengths[len(peaks) % len(lengths)]]
        at += part.shape[-1]
        peaks.append(stream.push(part))
        heard += [at] * len(peaks[-1])
    last = stream.flush()
    return np.concatenate([*peaks, last]), np.array(heard + [x.shape[-1]] * len(last))


def at_rate(x, fs):
    """Return what was sampled at 360 Hz at another rate."""
    return x.astype(float) if fs == 360 else resample(x.astype(float), 360, fs)


def test_a_stream_finds_what_the_whole_record_does(mitdb):
    x = read(mitdb / "203").signal[0][: 360 * 300]
    found, _ = streamed(RPeakStream(360), x, [77])
    assert (np.diff(found) > 0).all()
    assert sum(errors(rpeaks(x, 360), found, 18)) <= 5


@pytest.mark.parametrize("fs", [100, 250, 360, 1000])
@pytest.mark.parametrize("leads", [1, 2])
def test_the_parts_of_a_stream_change_nothing_and_its_delay_holds(mitdb, fs, leads):
    x = at_rate(read(mitdb / "203").signal[:leads, : 360 * 30], fs)
    stream = RPeakStream(fs)
    found = [stream.push(x), stream.scores, stream.flush(), stream.scores]
    for length in (1, 7, 100, 10_000):
        stream, peaks, scores = RPeakStream(fs), [], []
        for at in range(0, x.shape[1], length):
            peaks.append(stream.push(x[:, at : at + length]))
            scores.append(stream.scores)
            heard = min(at + length, x.shape[1])
            assert (heard - peaks[-1] <= 3.0 * fs + length).all()
        peaks.append(stream.flush())
        np.testing.assert_array_equal(np.concatenate(peaks), np.concatenate(found[::2]))
        np.testing.assert_array_equal(np.concatenate([*scores, stream.scores]), np.concatenate(found[1::2]))


@pytest.mark.parametrize("delay_s", [1.0, 3.0])
def test_a_stream_reports_within_its_delay(mitdb, delay_s):
    x = read(mitdb / "208").signal[0][: 360 * 120]
    found, heard = streamed(RPeakStream(360, delay_s=delay_s), x, [7])
    assert ((heard - found) <= delay_s * 360 + 7).all()


@pytest.mark.parametrize("fs", [100, 128, 250, 360, 500, 1000])
def test_a_stream_places_peaks_to_two_milliseconds_and_a_half(fs):
    found, _ = streamed(RPeakStream(fs), ecg(fs, 60), [50])
    off = (found / fs - 0.5 + 0.4) % 0.8 - 0.4
    assert len(found) == 75
    assert np.abs(off - np.median(off)).mean() < 0.0025


@pytest.mark.parametrize("fs", [100, 250, 360, 1000])
def test_beats_of_ds1_vary_less_than_two_milliseconds_and_a_half_about_their_place(mitdb, fs):
    off = []
    for name in DS1:
        record = read(mitdb / str(name))
        marked = record.annotations["atr"]
        marks = marked.sample[[s in BEATS for s in np.array(marked.symbol)]] / 360 - 300
        marks = np.round(marks * fs) / fs  # peaks are whole samples, and 100 Hz alone would cost 2.5 ms
        x = record.signal[0][360 * 300 : 360 * 360]
        found, _ = streamed(RPeakStream(fs), at_rate(x, fs), [fs])
        error = found[None] / fs - marks[(marks > 0.5) & (marks < 59.5), None]
        error = np.take_along_axis(error, np.abs(error).argmin(axis=1, keepdims=True), axis=1)
        error = error[np.abs(error) < 0.15]
        off.append(np.abs(error - np.median(error)))
    assert np.concatenate(off).mean() < 0.0025


def size(stream):
    """Return the bytes of the arrays that a stream holds, and of those that they are views of."""
    arrays = [v for v in vars(stream).values() if isinstance(v, np.ndarray)] + getattr(stream, "_parts", [])
    return sum((v if v.base is None else v.base).nbytes for v in arrays)


@pytest.mark.parametrize("kind", [RPeakStream, PulseStream])
@pytest.mark.parametrize("minutes", [4, pytest.param(240, marks=pytest.mark.slow)])
def test_hours_of_signal_take_no_more_memory_than_a_minute(kind, minutes):
    stream, most = kind(100), 0
    minute = ecg(100, 60) + 0.3 * np.sin(np.arange(6000) * 2 * np.pi / 80)
    for n in range(minutes):
        for part in np.split(minute, 100):
            stream.push(part)
            if n < 1:
                most = max(most, size(stream))
            assert size(stream) <= most
    assert most < 100_000


def test_a_stream_keeps_its_leads():
    stream = RPeakStream(360)
    stream.push(np.zeros(100))
    with pytest.raises(SignalError, match="got 2 leads, wanted 1"):
        stream.push(np.zeros((2, 100)))
    with pytest.raises(SignalError, match=r"x: got shape \(1, 2, 9\), wanted \(samples,\) or \(leads, samples\)"):
        stream.push(np.zeros((1, 2, 9)))
