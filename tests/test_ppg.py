"""Pulses: rates, signs, floors against the ECG beside them, and what is refused."""

import numpy as np
import pytest

from biotl.errors import SignalError
from biotl.signal import ppg_peaks, rpeaks


def ppg(fs, seconds=30.0):
    """Return a pulse every 0.8 s, crest 0.3 s into it, with a dicrotic wave."""
    t = np.arange(round(fs * seconds)) / fs % 0.8
    return np.exp(-(((t - 0.3) / 0.08) ** 2) / 2) + 0.4 * np.exp(-(((t - 0.55) / 0.09) ** 2) / 2)


@pytest.mark.parametrize("fs", [30, 64, 125, 500])
@pytest.mark.parametrize("sign", [1, -1])
def test_every_rate_and_sign_finds_every_crest(fs, sign):
    found = ppg_peaks(sign * ppg(fs), fs) / fs
    crests = 0.3 + 0.8 * np.arange(37)
    nearest = np.abs(found[:, None] - crests).min(axis=0)
    assert (nearest[1:-1] < 0.05).all()
    assert len(found) <= 38


def test_bidmc_agrees_with_its_ecg(mitdb):
    z = np.load(mitdb.parent / "ecgppg" / "bidmc_01.npz")
    beats = rpeaks(z["ecg"], 125) / 125
    pulses = ppg_peaks(z["ppg"], 125) / 125
    delay = np.median([(pulses[pulses > b][0] - b) for b in beats[:-3]])
    nearest = np.abs(pulses[:, None] - delay - beats).min(axis=0)
    assert (nearest < 0.1).mean() > 0.96
    assert len(pulses) < 1.02 * len(beats)


def test_scores_are_between_0_and_1():
    peaks, scores = ppg_peaks(ppg(125) + 0.05 * np.random.default_rng(0).standard_normal(3750), 125, scores=True)
    assert len(peaks) == len(scores)
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("policy", ["mask", "interpolate"])
def test_one_bad_sample_costs_at_most_two_pulses(policy):
    x = ppg(125)
    expected = ppg_peaks(x, 125)
    x[1500] = np.nan
    found = ppg_peaks(x, 125, nan_policy=policy)
    assert len(np.setdiff1d(expected, found)) <= 2


def test_what_cannot_be_is_refused():
    with pytest.raises(SignalError, match="fs: got 10"):
        ppg_peaks(np.zeros(100), 10)
    with pytest.raises(SignalError, match="wanted one channel"):
        ppg_peaks(np.zeros((2, 100)), 125)
    with pytest.raises(SignalError, match="sample 3 is NaN"):
        ppg_peaks(np.where(np.arange(100) == 3, np.nan, 0.0), 125)
    assert ppg_peaks(np.zeros(1000), 125).shape == (0,)
