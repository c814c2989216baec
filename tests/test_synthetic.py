"""Synthetic ECG: deterministic, and its truth is the truth."""

import numpy as np
import pytest

from biotl.errors import ConfigError
from biotl.records import ecg, write


def waves(record):
    """Onset, peak, offset and symbol of every marked wave."""
    marks = record.annotations["waves"]
    return marks.sample.reshape(-1, 3), marks.symbol.reshape(-1, 3)[:, 1]


@pytest.fixture(scope="module")
def population():
    return [ecg(1, subject, duration_s=120.0) for subject in range(32)]


def test_the_same_seed_gives_the_same_bits():
    a, b = ecg(3, 2, duration_s=20.0), ecg(3, 2, duration_s=20.0)
    assert a.signal.tobytes() == b.signal.tobytes()
    assert a.signal.dtype == np.float32
    assert not np.array_equal(a.signal, ecg(4, 2, duration_s=20.0).signal)


def test_noise_and_length_leave_the_beats_where_they_are():
    base = ecg(3, 5, duration_s=30.0).annotations["atr"]
    clean = ecg(3, 5, duration_s=30.0, noise=0.0).annotations["atr"]
    longer = ecg(3, 5, duration_s=60.0).annotations["atr"]
    np.testing.assert_array_equal(base.sample, clean.sample)
    np.testing.assert_array_equal(base.symbol, longer.symbol[: len(base)])
    np.testing.assert_array_equal(base.sample, longer.sample[: len(base)])


def test_the_rate_scales_the_truth():
    coarse = ecg(3, 5, duration_s=30.0, fs=250.0).annotations["atr"]
    fine = ecg(3, 5, duration_s=30.0, fs=500.0).annotations["atr"]
    # half a sample of rounding at each rate, and the peak of a sampled wave within one sample
    assert np.abs(fine.sample - 2 * coarse.sample).max() <= 3


def test_all_five_kinds_of_beat_and_block_occur(population):
    symbols = {s for record in population for s in record.annotations["atr"].symbol}
    assert symbols == {"N", "L", "R", "A", "V", "F"}


def test_an_r_mark_lies_on_the_extremum_of_the_noiseless_qrs():
    record = ecg(1, 0, duration_s=60.0, noise=0.0)
    lead, n = np.abs(record.signal[0]), record.signal.shape[1]
    for sample in record.annotations["atr"].sample:
        near = slice(max(sample - 12, 0), min(sample + 13, n))
        # P and T of the neighbours add a slope of a few microvolts a sample
        assert lead[sample] >= lead[near].max() - 0.02


def test_waves_are_ordered_whole_and_apart(population):
    for record in population:
        marks, _ = waves(record)
        assert (marks[:, 0] < marks[:, 1]).all()
        assert (marks[:, 1] < marks[:, 2]).all()
        assert (marks[1:, 0] > marks[:-1, 2]).all()
        assert marks.min() >= 0
        assert marks.max() < record.signal.shape[1]


def test_every_beat_inside_has_one_qrs_and_v_has_no_p(population):
    for record in population:
        marks, kind = waves(record)
        beats = record.annotations["atr"]
        inner = beats.sample[(beats.sample > 200) & (beats.sample < record.signal.shape[1] - 200)]
        assert set(inner) <= set(marks[kind == "N", 1])
        p_peaks = marks[kind == "p", 1]
        for sample in beats.sample[beats.symbol == "V"]:
            # 0.2 s before a V, a P could only be the one of a sinus beat; none is between it and its own QRS
            assert not ((p_peaks > sample - 72) & (p_peaks < sample)).any()


def test_v_is_wide_and_early_and_paused_after(population):
    width, early, around = {"N": [], "V": []}, [], []
    for record in population:
        beats = record.annotations["atr"]
        marks, kind = waves(record)
        length = dict(zip(marks[kind == "N", 1], (marks[:, 2] - marks[:, 0])[kind == "N"], strict=True))
        for symbol in width:
            width[symbol] += [length[s] / 360 for s in beats.sample[beats.symbol == symbol] if s in length]
        rr = np.diff(beats.sample) / 360
        usual = np.median(rr)
        for i in range(2, len(beats) - 1):
            if beats.symbol[i] == "V" and beats.symbol[i - 1] in "NLR" and beats.symbol[i + 1] in "NLR":
                early.append(rr[i - 1] / usual)
                around.append((rr[i - 1] + rr[i]) / usual)
    assert np.median(width["V"]) > 0.14 > 0.11 > np.median(width["N"])
    assert np.median(early) < 0.8
    assert abs(np.median(around) - 2.0) < 0.15


def test_half_of_the_noise_is_half_of_the_difference():
    clean, half, full = (ecg(2, 1, duration_s=10.0, noise=x).signal for x in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(2 * (half - clean), full - clean, atol=1e-5)


@pytest.mark.parametrize(("duration_s", "fs"), [(1.0, 360.0), (10.0, 50.0), (float("nan"), 360.0), (np.inf, 360.0)])
def test_too_little_for_a_beat_is_refused(duration_s, fs):
    with pytest.raises(ConfigError, match="at least 2 s at 100 Hz"):
        ecg(0, duration_s=duration_s, fs=fs)


def test_a_record_whose_writing_was_interrupted_is_not_there(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "write_annotations", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write.write_wfdb(ecg(0, duration_s=10.0), tmp_path)
    assert list(tmp_path.iterdir()) == []
