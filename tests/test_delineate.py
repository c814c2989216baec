"""Waves around given R peaks: floors on marks that were not trained on, order, absence, and what is refused."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from biotl.errors import SignalError
from biotl.records import read
from biotl.signal import delineate, resample, rpeaks, segment
from conftest import data_folder


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


@pytest.mark.parametrize("times", [8, 0.4])
def test_a_mouse_and_a_horse_are_delineated_at_the_rate_of_a_mans_heart(times):
    found = rpeaks(ecg(500), 500 * times, rate_range=(300, 800) if times > 1 else (10, 80))
    waves = delineate(ecg(500), found, 500)
    assert len(found) == 25
    assert waves.p.present[1:-1].all()
    assert waves.t.present[1:-1].all()
    np.testing.assert_allclose((waves.p.peak - found)[1:-1], -80, atol=8)


def test_several_leads_have_one_answer_and_the_surer_lead_gives_it():
    x, noise = ecg(360), np.random.default_rng(0).normal(0, 0.5, 7200)
    alone, beats = delineate(x, peaks(360), 360), peaks(360)
    same = delineate(np.stack([x, x, x]), beats, 360)
    blind = delineate(np.stack([noise, x, ecg(360, p=0)]), beats, 360)
    for wave in ("p", "qrs", "t"):
        one, three, other = (getattr(waves, wave) for waves in (alone, same, blind))
        for part in ("onset", "peak", "offset"):
            np.testing.assert_array_equal(getattr(three, part), getattr(one, part))
        np.testing.assert_allclose(three.confidence, one.confidence, rtol=1e-6)
        assert (np.abs(other.peak - one.peak)[1:-1] <= 0.03 * 360).mean() > 0.9
    assert not delineate(np.stack([ecg(360, p=0)] * 2), beats, 360).p.present[1:-1].any()
    with pytest.raises(SignalError, match=r"pass x\.T"):
        delineate(np.stack([x, x]).T, beats, 360)


def test_a_lead_that_was_not_measured_leaves_the_answer_to_the_others():
    x, beats = np.stack([ecg(360), ecg(360)]), peaks(360)
    x[0, 2000:3000] = np.nan
    waves = delineate(x, beats, 360, nan_policy="mask")
    np.testing.assert_array_equal(waves.qrs.onset, delineate(x[1], beats, 360).qrs.onset)
    x[1, 2000:3000] = np.nan
    lost = delineate(x, beats, 360, nan_policy="mask").qrs
    assert not lost.present[(beats > 2050) & (beats < 2950)].any()


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
            assert waves.qrs.onset[i] <= beat <= waves.qrs.offset[i]


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


def test_the_peak_of_the_complex_is_its_r_wave_however_deep_s_is():
    fs, deep = 500, peaks(500)
    at = (np.arange(fs * 20) / fs - 0.1) % 0.8
    rs = 0.3 * bump(at, 0.37, 0.008) - bump(at, 0.4, 0.011)
    waves = delineate(rs, deep, fs)
    np.testing.assert_allclose((waves.qrs.peak - deep)[1:-1] / fs, -0.03, atol=0.004)
    np.testing.assert_array_equal(delineate(-bump(at, 0.4, 0.011), deep, fs).qrs.peak[1:-1], deep[1:-1])


def test_no_beats_no_waves():
    assert delineate(np.zeros(100), [], 360).p.onset.shape == (0,)
    assert delineate(np.zeros(1), [0], 360).qrs.peak.shape == (1,)


def test_the_peaks_are_checked():
    with pytest.raises(SignalError, match="rpeaks: got 50 before 40, wanted strictly rising indices"):
        delineate(np.zeros(100), [50, 40], 360)
    with pytest.raises(SignalError, match="rpeaks: got 100, wanted sample indices from 0 to below 100"):
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


def noises(fs=500, seconds=20):
    """Return, by name, what is no heart, and where a detector might put its beats."""
    n = round(fs * seconds)
    t, rng = np.arange(n) / fs, np.random.default_rng(5)
    beats = np.arange(fs // 2, n - fs // 2, round(0.8 * fs))
    spikes = np.zeros(n)
    spikes[beats], spikes[beats + 1] = 1, 1
    return {
        "flat": np.zeros(n),
        "noise": rng.standard_normal(n),
        "hum": np.sin(2 * np.pi * 50 * t),
        "calibration": (t % 1 < 0.2).astype(float),
        "pacing spikes": spikes,
    }, beats


@pytest.mark.parametrize("name", ["flat", "noise", "hum", "calibration", "pacing spikes"])
def test_what_is_no_heart_has_no_waves_worth_trusting(name):
    every, beats = noises()
    for gain in (1.0, -0.01):
        waves = delineate(gain * every[name], beats, 500)
        assert waves.p.present.mean() < 0.1
        for wave in (waves.p, waves.qrs, waves.t):
            assert np.median(wave.confidence) < 0.4


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_sample_in_a_minute_costs_at_most_two_beats(mitdb, value):
    record = read(mitdb / "100")
    clean = record.signal[0][:21_600].astype(float)
    beats = rpeaks(clean, record.fs)
    expected = delineate(clean, beats, record.fs)
    for at in range(5000, 5400, 40):
        x = clean.copy()
        x[at] = value
        found = delineate(x, beats, record.fs, nan_policy="mask")
        changed = np.zeros(len(beats), bool)
        for wave in ("p", "qrs", "t"):
            one, other = getattr(found, wave), getattr(expected, wave)
            for point in ("onset", "peak", "offset"):
                moved = np.abs(getattr(one, point) - getattr(other, point)) > 0.03 * record.fs
                changed |= moved | (one.present != other.present)
        assert changed.sum() <= 2


@pytest.mark.parametrize("flip", [-1, 1])
@pytest.mark.parametrize("fs", [250, 360, 1000])
def test_rate_and_polarity_hardly_move_a_real_beat(mitdb, fs, flip):
    record = read(mitdb / "103")
    x = record.signal[0][:21_600].astype(float)
    beats = rpeaks(x, record.fs)
    y = flip * resample(x, record.fs, fs)
    moved = np.clip(np.round(beats * fs / record.fs), 0, len(y) - 1).astype(np.int64)
    expected, found = delineate(x, beats, record.fs), delineate(y, moved, fs)
    for wave, ms in (("p", 30), ("qrs", 20), ("t", 30)):
        one, other = getattr(expected, wave), getattr(found, wave)
        both = one.present & other.present
        assert both.mean() > 0.95
        for point in ("onset", "offset"):
            apart = getattr(other, point)[both] / fs - getattr(one, point)[both] / record.fs
            assert np.median(np.abs(apart)) < ms / 1000


# mean distance in ms from the marks of P onset, QRS onset, QRS offset and T offset over twelve leads (None: no P wave),
# and the share of beats without P that may be given one
FLOORS = {
    71: (8, 5, 7, 28, 0.00),
    73: (10, 7, 11, 17, 0.00),
    77: (9, 8, 7, 15, 0.00),
    80: (12, 9, 8, 11, 0.00),
    83: (None, 21, 20, 24, 0.04),
    85: (6, 10, 8, 14, 0.00),
    88: (None, 10, 9, 46, 0.04),
    90: (None, 25, 11, 23, 0.13),
    93: (None, 25, 14, 23, 0.10),
    95: (None, 10, 9, 22, 0.16),
    96: (None, 8, 7, 22, 0.04),
    99: (8, 6, 6, 13, 0.00),
    100: (9, 7, 8, 11, 0.00),
}


@pytest.mark.parametrize("subject", FLOORS)
def test_no_record_of_ludb_gets_worse(monkeypatch, subject):
    data_folder("ludb")
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benches")
    ludb = importlib.import_module("marked").ludb
    distances, invented = [[], [], [], []], []
    for strip in next(ludb(subject, subject)):
        beats = rpeaks(strip.x, strip.fs)
        nearest = np.abs(beats[:, None] - strip.points[:, 1, 1]).argmin(0)
        waves = delineate(strip.x, beats, strip.fs)
        found = (waves.p.onset, waves.qrs.onset, waves.qrs.offset, waves.t.offset)
        for n, ((wave, point), at) in enumerate(zip(((0, 0), (1, 0), (1, 2), (2, 2)), found, strict=True)):
            there = (at[nearest] >= 0) & np.isfinite(strip.points[:, wave, point])
            distances[n].extend(1000 / strip.fs * np.abs(at[nearest] - strip.points[:, wave, point])[there])
        invented.extend(waves.p.present[nearest][strip.present[:, 0] == 0])
    *most, share = FLOORS[subject]
    for values, limit in zip(distances, most, strict=True):
        assert limit is None or np.mean(values) <= limit
    assert not invented or np.mean(invented) <= share
