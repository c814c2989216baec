"""Waves around given R peaks: floors on marks that were not trained on, order, absence, and what is refused."""

import numpy as np
import pytest

from biotl.errors import SignalError
from biotl.records import read
from biotl.signal import delineate, rpeaks, segment


def bump(t, at, width):
    return np.exp(-(((t - at) / width) ** 2) / 2)


def ecg(fs, seconds=20.0, *, p=0.12, t=0.3):
    """Return a lead with a beat every 0.8 s from 0.5 s on: P 0.16 s before R, T 0.26 s after it."""
    at = (np.arange(round(fs * seconds)) / fs - 0.1) % 0.8
    qrs = bump(at, 0.4, 0.011) - 0.15 * bump(at, 0.37, 0.008) - 0.25 * bump(at, 0.435, 0.01)
    return qrs + p * bump(at, 0.24, 0.02) + t * bump(at, 0.66, 0.04)


def peaks(fs, seconds=20.0):
    return np.round((0.5 + 0.8 * np.arange(int(seconds / 0.8))) * fs).astype(np.int64)


@pytest.mark.parametrize("fs", [100, 250, 360, 500, 1000])
def test_every_rate_finds_the_waves_where_they_were_put(fs):
    waves = delineate(ecg(fs), peaks(fs), fs)
    inner = slice(1, -1)
    assert waves.p.present[inner].all()
    assert waves.t.present[inner].all()
    np.testing.assert_allclose((waves.p.peak - peaks(fs))[inner] / fs, -0.16, atol=0.015)
    np.testing.assert_allclose((waves.t.peak - peaks(fs))[inner] / fs, 0.26, atol=0.03)
    np.testing.assert_allclose((waves.qrs.onset - peaks(fs))[inner] / fs, -0.05, atol=0.02)
    np.testing.assert_allclose((waves.qrs.offset - peaks(fs))[inner] / fs, 0.06, atol=0.025)


def test_neither_scale_nor_offset_matters():
    expected = delineate(ecg(360), peaks(360), 360)
    for x in (1000 * ecg(360), ecg(360) + 50, ecg(360).astype(np.float32)):
        found = delineate(x, peaks(360), 360)
        for wave in ("p", "qrs", "t"):
            np.testing.assert_allclose(getattr(found, wave).onset, getattr(expected, wave).onset, atol=1)


def test_waves_are_in_order_and_never_overlap(mitdb):
    for name in ("203", "208"):
        record = read(mitdb / name)
        x = record.signal[0][:108_000]
        beats = rpeaks(x, record.fs)
        waves = delineate(x, beats, record.fs)
        end = -1
        for i, beat in enumerate(beats):
            for wave in (waves.p, waves.qrs, waves.t):
                on, peak, off = wave.onset[i], wave.peak[i], wave.offset[i]
                if peak < 0:
                    assert on == off == -1
                    continue
                assert end < on <= peak <= off < len(x)
                end = off
            assert waves.qrs.peak[i] == beat


@pytest.mark.parametrize(("name", "most"), [("221", 0.1), ("202", 0.2)])
def test_fibrillation_has_few_p_waves(mitdb, name, most):
    record = read(mitdb / name)
    marks = record.annotations["atr"]
    rhythm, keep = "", []
    for symbol, note in zip(marks.symbol, marks.aux, strict=True):
        rhythm = note if symbol == "+" else rhythm
        keep.append(symbol == "N" and rhythm == "(AFIB")
    beats = marks.sample[[s in "NLRAVJF" for s in marks.symbol]]
    waves = delineate(record.signal[0], beats, record.fs)
    assert waves.p.present[np.isin(beats, marks.sample[keep])].mean() < most


def test_sinus_rhythm_has_its_p_waves(mitdb):
    record = read(mitdb / "100")
    beats = rpeaks(record.signal[0], record.fs)
    assert delineate(record.signal[0], beats, record.fs).p.present.mean() > 0.97


@pytest.mark.parametrize("policy", ["mask", "interpolate"])
def test_one_bad_sample_moves_no_other_beat(policy):
    x, beats = ecg(360), peaks(360)
    expected = delineate(x, beats, 360)
    x[beats[10] + 3] = np.nan
    found = delineate(x, beats, 360, nan_policy=policy)
    far = np.abs(np.arange(len(beats)) - 10) > 5
    np.testing.assert_array_equal(found.t.offset[far], expected.t.offset[far])
    assert (found.qrs.peak[10] == -1) == (policy == "mask")


def test_no_beats_no_waves():
    assert delineate(np.zeros(100), [], 360).p.onset.shape == (0,)
    assert delineate(np.zeros(1), [0], 360).qrs.peak.shape == (1,)


def test_the_peaks_are_checked():
    with pytest.raises(SignalError, match="out of order or outside"):
        delineate(np.zeros(100), [50, 40], 360)
    with pytest.raises(SignalError, match="out of order or outside"):
        delineate(np.zeros(100), [100], 360)
    with pytest.raises(SignalError, match="sample 7 is NaN"):
        delineate(np.where(np.arange(100) == 7, np.nan, 0.0), [50], 360)


def test_segments_by_delineation_tile_the_record(mitdb):
    record = read(mitdb / "208")
    x = record.signal[0][:108_000]
    beats = rpeaks(x, record.fs)
    waves, cut = delineate(x, beats, record.fs), segment(x, beats, record.fs, mode="delineated")
    assert cut.start[0] == 0
    assert cut.stop[-1] == len(x)
    np.testing.assert_array_equal(cut.start[1:], cut.stop[:-1])
    for kind, wave in enumerate((waves.p, waves.qrs, waves.t)):
        own = cut.wave == kind
        np.testing.assert_array_equal(cut.beat[own], np.flatnonzero(wave.present))
        np.testing.assert_array_equal(cut.stop[own] - 1, wave.offset[wave.present])
    assert (cut.beat[cut.wave == 3] == -1).all()
    assert len(segment(np.zeros(500), [], 360, mode="delineated")) == 1
    with pytest.raises(SignalError, match="mode: got 'best'"):
        segment(x, beats, record.fs, mode="best")
