"""What is no heart gives few sure beats or none, and one bad sample costs at most two beats: by every function."""

import numpy as np
import pytest

from biotl.signal import PulseStream, RPeakStream, delineate, ppg_peaks, quality, rpeaks
from no_heart import NAMES, NOISES, signal

RATES = (100, 250, 360, 1000)
every = pytest.mark.parametrize("name", NAMES)
at_every_rate = pytest.mark.parametrize("fs", RATES)


def signals(name, fs):
    for seed, (noise, gain) in enumerate(zip(NOISES, (1.0, -0.005), strict=True)):
        yield gain * signal(name, fs, noise=noise, seed=seed)


def streamed(stream, x):
    """Return the scores that a stream reports of parts of 0.7 s."""
    found, scores = [], []
    for part in np.split(x, range(0, len(x), round(0.7 * stream.fs))):
        found.append(stream.push(part))
        scores.append(stream.scores)
    found.append(stream.flush())
    scores = np.concatenate([*scores, stream.scores])
    assert len(scores) == len(np.concatenate(found))
    return scores


@every
@at_every_rate
def test_next_to_no_beat_of_it_is_sure(name, fs):
    for x in signals(name, fs):
        _, scores = rpeaks(x, fs, scores=True)
        assert (scores > 0.8).sum() <= 8, f"{len(scores)} beats a minute"


@every
@at_every_rate
def test_few_pulses_of_it_are_sure(name, fs):
    for x in signals(name, fs):
        _, scores = ppg_peaks(x, fs, scores=True)
        assert len(scores) == 0 or scores.mean() < 0.4
        assert (scores > 0.5).sum() <= 16, f"{len(scores)} pulses a minute"


@every
def test_no_stream_is_surer_of_it(name):
    for x in signals(name, 250):
        assert (streamed(RPeakStream(250), x) > 0.8).sum() <= 8
        assert (streamed(PulseStream(250), x) > 0.5).sum() <= 16


@every
@at_every_rate
def test_next_to_no_wave_of_it_is_sure(name, fs):
    for x in signals(name, fs):
        waves = delineate(x, rpeaks(x, fs), fs)
        for wave in (waves.p, waves.qrs, waves.t):
            assert (wave.present & (wave.confidence > 0.8)).sum() <= 8


@every
@at_every_rate
@pytest.mark.parametrize("kind", ["ecg", "ppg"])
def test_its_quality_is_low_and_says_why(name, fs, kind):
    for x in signals(name, fs):
        q = quality(x, fs, kind=kind)
        assert q.score.max() < 0.3
        assert all(q.reasons)


def heart(kind, fs, seconds=60):
    """Return an ECG or a PPG of 75 beats a minute."""
    t = np.arange(round(fs * seconds)) / fs % 0.8
    bumps = {
        "ecg": ((0.1, 0.24, 0.02), (1.0, 0.4, 0.011), (0.3, 0.66, 0.04)),
        "ppg": ((1.0, 0.3, 0.08), (0.4, 0.55, 0.09)),
    }[kind]
    return sum(height * np.exp(-(((t - at) / width) ** 2) / 2) for height, at, width in bumps)


def lost(expected, found, fs):
    """Return how many events have none of the others within 50 ms, of both lists."""
    near = np.abs(expected[:, None] - found) <= 0.05 * fs
    return (~near.any(axis=0)).sum() + (~near.any(axis=1)).sum()


BAD = {"first": 0.0, "before the QRS complex": 30.3, "R peak": 30.8, "crest of the pulse": 30.7, "last": 59.9995}


@pytest.mark.parametrize("value", [np.nan, np.inf])
@at_every_rate
def test_one_bad_sample_in_a_minute_costs_at_most_two_beats(value, fs):
    clean = heart("ecg", fs), heart("ppg", fs)
    beats, pulses = rpeaks(clean[0], fs), ppg_peaks(clean[1], fs)
    whole = delineate(clean[0], beats, fs)
    assert len(beats) == 75
    assert len(pulses) >= 74
    for at_s in BAD.values():
        ecg, ppg = clean[0].copy(), clean[1].copy()
        ecg[int(at_s * fs)] = ppg[int(at_s * fs)] = value
        for policy in ("mask", "interpolate"):
            assert lost(beats, rpeaks(ecg, fs, nan_policy=policy), fs) <= 2
            assert lost(pulses, ppg_peaks(ppg, fs, nan_policy=policy), fs) <= 2
            waves = delineate(ecg, beats, fs, nan_policy=policy)
            pairs = [(getattr(waves, w), getattr(whole, w)) for w in ("p", "qrs", "t")]
            changed = [(a.present != b.present) | (np.abs(a.peak - b.peak) > 0.03 * fs) for a, b in pairs]
            assert np.any(changed, axis=0).sum() <= 2
        for kind, x in (("ecg", ecg), ("ppg", ppg)):
            assert not any(quality(x, fs, kind=kind).reasons)


@pytest.mark.parametrize("at_s", BAD.values(), ids=BAD)
def test_one_bad_sample_in_a_minute_costs_a_stream_at_most_two_beats(at_s):
    for kind, stream in (("ecg", RPeakStream), ("ppg", PulseStream)):
        x, whole, holed = heart(kind, 250), stream(250), stream(250)
        expected = np.concatenate([whole.push(x), whole.flush()])
        x[int(at_s * 250)] = np.inf
        assert lost(expected, np.concatenate([holed.push(x), holed.flush()]), 250) <= 2
