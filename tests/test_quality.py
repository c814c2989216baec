"""Quality: good beats noise, each fault is named, and what is refused."""

import numpy as np
import pytest

from biotl.errors import SignalError
from biotl.signal import quality
from conftest import data_folder

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


def test_what_the_ecg_and_the_energy_detector_do_not_agree_on_is_named():
    q = quality(ecg() + 0.25 * np.random.default_rng(4).standard_normal(3600), FS, kind="ecg")
    assert "detectors disagree" in q.reasons[0]
    assert quality(ecg(), FS, kind="ecg").agreement[0] == 1


def test_a_rhythm_of_the_arm_is_named_as_motion():
    swing = np.sin(2 * np.pi * 2.4 * np.arange(1250) / 125)
    rng = np.random.default_rng(5)
    q = quality(0.2 * ppg() + 3 * swing + 0.01 * rng.standard_normal(1250), 125, kind="ppg", motion=swing[None])
    assert "motion" in q.reasons[0]
    still = quality(ppg(), 125, kind="ppg", motion=0.01 * rng.standard_normal((3, 1250)))
    assert still.reasons == ((),)
    assert still.score[0] > 2 * q.score[0]


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


def auroc(score, good):
    """Return the share of pairs of a good and a poor window that the score sorts rightly."""
    above = score[good][:, None] - score[~good]
    return ((above > 0) + 0.5 * (above == 0)).mean()


def test_runs_are_sorted_better_with_the_accelerometer_and_better_than_by_a_boosted_tree():
    z = np.load(data_folder("troika") / "troika_windows_5ch.npz")
    good = z["labels"] == 1
    alone = np.array([quality(x[3], 125, kind="ppg").score[0] for x in z["signals"]])
    both = np.array([quality(x[3], 125, kind="ppg", motion=x[:3]).score[0] for x in z["signals"]])
    assert auroc(alone, good) > 0.84
    assert auroc(both, good) > 0.96


def test_phone_recordings_are_sorted():
    z = np.load(data_folder("butppg") / "butppg_v1.npz")
    score = np.array([quality(x, 30, kind="ppg").score[0] for x in z["ppg"]])
    assert auroc(score, z["quality"] == 1) > 0.68


def narrow(fs, bpm, width, undershoot):
    """Return 40 s of pulses of so many seconds, with an undershoot as of a high-pass, and a dicrotic wave."""
    phase = (np.arange(40 * fs) / fs * bpm / 60 % 1 - 0.3) * 60 / bpm
    waves = ((1.0, 0.0, width), (-undershoot, 0.13, 1.1 * width), (0.3, 0.3, width))
    return sum(a * np.exp(-(((phase - d) / w) ** 2) / 2) for a, d, w in waves)


@pytest.mark.parametrize("undershoot", [0, 0.3])
@pytest.mark.parametrize(("fs", "bpm", "width"), [(100, 55, 0.045), (64, 68, 0.05), (250, 80, 0.06)])
def test_clean_narrow_pulses_are_good(fs, bpm, width, undershoot):
    noise = 0.005 * np.random.default_rng(3).standard_normal(40 * fs)
    q = quality(narrow(fs, bpm, width, undershoot) + noise, fs, kind="ppg")
    assert q.score.min() > 0.5, (q.score, q.reasons)
    assert not any(q.reasons)
    assert np.abs(q.rate - bpm).max() < 3


@pytest.mark.parametrize("name", ["troika", "butppg", "noise"])
def test_no_low_score_of_a_ppg_is_without_a_reason(name):
    rng = np.random.default_rng(8)
    if name == "noise":
        results = [quality(ppg(60) + level * rng.standard_normal(7500), 125, kind="ppg") for level in (0.1, 0.3, 1, 9)]
    elif name == "butppg":
        z = np.load(data_folder("butppg") / "butppg_v1.npz")
        results = [quality(x, 30, kind="ppg") for x in z["ppg"]]
    else:
        z = np.load(data_folder("troika") / "troika_windows_5ch.npz")
        results = [quality(x[3], 125, kind="ppg", motion=x[:3]) for x in z["signals"]]
    low = [reasons for q in results for score, reasons in zip(q.score, q.reasons, strict=True) if score < 0.5]
    assert len(low) > 3
    assert all(low)


def test_jumps_are_counted_and_named():
    x = 2.5 * ppg(30)
    q = quality(x % 1.0, 125, kind="ppg")
    assert all("jumps" in reasons for reasons in q.reasons)
    assert (q.jumps > 20).all()
    x[2000:] += 30
    q = quality(x, 125, kind="ppg")
    assert ["jumps" in reasons for reasons in q.reasons] == [False, True, False]
    np.testing.assert_array_equal(q.jumps, [0, 1, 0])


def test_with_the_motion_the_score_is_how_likely_the_summit_is_the_heart_rate():
    rng = np.random.default_rng(9)
    swing = np.sin(2 * np.pi * 2.4 * np.arange(7500) / 125)
    axes = swing + 0.02 * rng.standard_normal((3, 7500))
    noise = 0.01 * rng.standard_normal(7500)
    clean = quality(ppg(60) + noise, 125, kind="ppg", motion=axes)
    shaken = quality(0.2 * ppg(60) + 2 * np.roll(swing, 8) + noise, 125, kind="ppg", motion=axes)
    assert clean.score.min() > 0.8
    assert shaken.score.max() < 0.3
    np.testing.assert_array_equal(clean.posterior, clean.score)
    short = quality(ppg(6), 125, kind="ppg", motion=axes[:, :750], window_s=6)
    assert short.score[0] == 0
    assert "rate unsure" in short.reasons[0]


@pytest.fixture(scope="module")
def real():
    """Return a minute of MIT-BIH 100."""
    import wfdb

    return wfdb.rdrecord(str(data_folder("mitdb") / "100"), sampto=21600, channels=[0]).p_signal[:, 0]


RNG = np.random.default_rng(6)
SPOILT = {
    "missing": lambda x: np.where(np.arange(len(x)) % 3600 < 500, np.nan, x),
    "flat": lambda x: np.where(np.arange(len(x)) % 3600 < 1500, x[0], x),
    "clipped": lambda x: np.clip(x + 0.6 * np.sin(np.arange(len(x)) / 300), -0.5, 0.1),
    "few beats": lambda x: np.full(len(x), -0.3),
    "unlike beats": lambda x: x + 5 * np.convolve(RNG.standard_normal(len(x)), np.ones(40) / 40, "same"),
    "detectors disagree": lambda x: x + 0.35 * RNG.standard_normal(len(x)),
    "out of band": lambda x: x + 1.5 * np.sin(2 * np.pi * 1.1 * np.arange(len(x)) / FS),
}


@pytest.mark.parametrize("reason", SPOILT)
def test_each_fault_of_a_real_ecg_is_named_and_costs(real, reason):
    clean, spoilt = quality(real, FS, kind="ecg"), quality(SPOILT[reason](real), FS, kind="ecg")
    assert clean.reasons == ((),) * 6
    assert sum(reason in reasons for reasons in spoilt.reasons) >= 5, spoilt.reasons
    assert (spoilt.score < clean.score).all()


def test_hardly_a_window_of_recordings_as_they_are_has_a_reason(mitdb):
    import wfdb

    reasons = []
    for name in ("106", "114", "118", "119", "124", "203", "208", "215", "223"):
        x = wfdb.rdrecord(str(mitdb / name), sampfrom=72_000, sampto=115_200, channels=[0]).p_signal[:, 0]
        reasons += quality(x, FS, kind="ecg").reasons
    assert np.mean([len(named) > 0 for named in reasons]) < 0.08, reasons


def test_noise_lowers_the_score_of_a_real_ecg_step_by_step(real):
    noise = np.random.default_rng(7).standard_normal(len(real))
    medians = [np.median(quality(real + level * noise, FS, kind="ecg").score) for level in (0, 0.05, 0.1, 0.2, 0.8)]
    assert medians == sorted(medians, reverse=True)
    assert medians[0] > 0.7 > 0.3 > medians[-1]


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
    with pytest.raises(SignalError, match="motion: got an accelerometer beside an ECG"):
        quality(ecg(), FS, kind="ecg", motion=np.zeros((3, 3600)))
    with pytest.raises(SignalError, match=r"motion: got shape \(3, 9\)"):
        quality(ecg(), FS, kind="ppg", motion=np.zeros((3, 9)))
