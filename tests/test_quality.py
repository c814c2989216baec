"""Quality: good beats noise, each fault is named, and what is refused."""

import numpy as np
import pytest

from biotl.errors import SignalError
from biotl.signal import quality

FS = 360


def ecg(seconds=10):
    t = np.arange(FS * seconds) / FS % 0.8
    return np.exp(-(((t - 0.3) / 0.011) ** 2) / 2) + 0.25 * np.exp(-(((t - 0.56) / 0.04) ** 2) / 2)


def ppg(seconds=10):
    t = np.arange(125 * seconds) / 125 % 0.8
    return np.exp(-(((t - 0.3) / 0.08) ** 2) / 2) + 0.4 * np.exp(-(((t - 0.55) / 0.09) ** 2) / 2)


def worse():
    rng = np.random.default_rng(0)
    clean = ecg()
    return {
        "missing": np.where(np.arange(3600) % 1000 < 200, np.nan, clean),
        "flat": np.where(np.arange(3600) < 1800, clean, 0.0),
        "clipped": np.clip(clean + np.sin(np.arange(3600) / 350), -0.6, 0.6),
        "few beats": rng.standard_normal(3600),
    }


def test_a_clean_signal_has_no_fault():
    for x, fs, kind in ((ecg(), FS, "ecg"), (ppg(), 125, "ppg")):
        q = quality(x, fs, kind=kind)
        assert q.reasons == ((),)
        assert q.score[0] > 0.6
        assert abs(q.rate[0] - 75) < 2


@pytest.mark.parametrize("reason", list(worse()))
def test_each_fault_is_named_and_costs(reason):
    q = quality(worse()[reason], FS, kind="ecg")
    assert reason in q.reasons[0]
    assert q.score[0] < quality(ecg(), FS, kind="ecg").score[0]


def test_more_noise_is_never_better():
    noise = np.random.default_rng(1).standard_normal(3600)
    scores = [quality(ecg() + level * noise, FS, kind="ecg").score[0] for level in (0, 0.1, 0.3, 1, 3)]
    assert scores == sorted(scores, reverse=True)


def test_neither_gain_nor_offset_matters():
    x = ecg() + 0.005 * np.random.default_rng(2).standard_normal(3600)
    a, b = quality(x, FS, kind="ecg"), quality(1000 * x + 5000, FS, kind="ecg")
    np.testing.assert_allclose(a.score, b.score, atol=0.02)


def test_the_score_does_not_jump_where_the_skewness_crosses_zero():
    x, bump = ppg(), np.sin(2 * np.pi * np.arange(1250) / 125 / 0.8)
    results = [quality((1 - w) * x + w * bump, 125, kind="ppg") for w in np.linspace(0, 1, 60)]
    skewness = np.array([q.skewness[0] for q in results])
    score = np.array([q.score[0] for q in results])
    near_zero = np.abs(skewness) < 0.1
    assert near_zero.any()
    assert np.ptp(score[near_zero]) < 0.3


def test_windows_tile_the_signal():
    q = quality(ecg(35), FS, kind="ecg")
    np.testing.assert_array_equal(q.start, [0, 3600, 7200, 10800])
    assert len(q.reasons) == 4
    assert quality(np.zeros(0), FS, kind="ecg").score.shape == (0,)


def test_what_cannot_be_is_refused():
    with pytest.raises(SignalError, match="kind: got 'eeg'"):
        quality(ecg(), FS, kind="eeg")
    with pytest.raises(SignalError, match="window_s: got 1"):
        quality(ecg(), FS, kind="ecg", window_s=1)
    with pytest.raises(SignalError, match="wanted one channel"):
        quality(np.zeros((2, 100)), FS, kind="ecg")
