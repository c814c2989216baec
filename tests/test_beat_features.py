"""Features of beats against their readable twin, and what they must not depend on."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from biotl.datasets import beat_features as own
from biotl.datasets.beat_copies import retime, with_fibrillation, with_noise, with_premature, with_prevalence
from biotl.datasets.beat_features import FEATURES, LEAD_FEATURES, beat_features
from biotl.datasets.beat_measures import BeatMeasures, measure_beats
from biotl.datasets.rhythm import RHYTHM_FEATURES, local_high, longest, rhythm_features
from biotl.records import ecg
from biotl.signal import rpeaks


@pytest.fixture(scope="module")
def record():
    return ecg(1, 3, duration_s=90.0)


@pytest.fixture(scope="module")
def beats(record) -> BeatMeasures:
    return measured(record.signal, record.fs)


def measured(x, fs) -> BeatMeasures:
    return measure_beats(x, rpeaks(x, fs), fs)


@given(st.lists(st.floats(0.3, 2.0), min_size=1, max_size=70), st.floats(0.3, 2.0))
def test_rhythm_equals_its_twin(rr, last):
    before = np.array(rr)
    after = np.append(before[1:], last)
    found = rhythm_features(before, after)
    assert found.shape == (len(rr), len(RHYTHM_FEATURES))
    np.testing.assert_allclose(found, reference.rhythm_features(before, after), atol=2e-5)


def test_the_features_of_a_lead_equal_their_twin(beats):
    before = np.log2(beats.before)
    rested, waited = before >= local_high(before) - 0.2, before >= longest(before)
    lead = beats.leads(0)
    names = ("qrs", "p", "t", "t_before", "p_confidence", "pr_s", "qrs_s", "qt_s")
    twin = reference.lead_features(*(getattr(lead, name)[:, 0].astype(float) for name in names), rested, waited)
    found = beat_features(lead)[:, len(RHYTHM_FEATURES) :][:, : 2 * len(LEAD_FEATURES)]
    assert len(beats) > 60
    np.testing.assert_array_equal(found[:, ::2], found[:, 1::2])
    np.testing.assert_allclose(found[:, ::2], twin, atol=1e-3)


def test_the_family_of_a_beat_equals_its_twin(beats):
    about = np.random.default_rng(0).normal(size=(len(beats), 3))
    share, mean, spread, _ = own._family(beats.qrs, about)
    twin = reference.family(beats.qrs.astype(float), about)
    np.testing.assert_allclose(np.column_stack([share, mean, spread]), twin, atol=1e-3)


def test_gain_offset_polarity_of_both_and_order_of_leads_do_not_matter(record, beats):
    x = record.signal
    peaks = rpeaks(x, record.fs)
    plain = beat_features(beats)
    for y in (x * 3.0, x[::-1], x + np.array([[0.5], [-2.0]], np.float32)):
        other = beat_features(measure_beats(y, peaks, record.fs))
        np.testing.assert_allclose(other, plain, atol=2e-2)
        assert np.mean(np.abs(other - plain) > 1e-3) < 1e-3


def test_the_leads_are_pooled_lowest_and_highest(beats):
    both, each = beat_features(beats), [beat_features(beats.leads(i)) for i in range(2)]
    columns = slice(len(RHYTHM_FEATURES), len(RHYTHM_FEATURES) + 2 * len(LEAD_FEATURES))
    low, high = both[:, columns][:, ::2], both[:, columns][:, 1::2]
    alone = np.stack([of[:, columns][:, ::2] for of in each])
    np.testing.assert_array_equal(low, alone.min(axis=0))
    np.testing.assert_array_equal(high, alone.max(axis=0))


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_beats_give_finite_features(beats, n):
    found = beat_features(beats.rows(np.arange(n)))
    assert found.shape == (n, len(FEATURES))
    assert np.isfinite(found).all()


def test_a_flat_lead_gives_finite_features(record):
    x = record.signal.copy()
    peaks = rpeaks(x, record.fs)
    x[1] = 0
    assert np.isfinite(beat_features(measure_beats(x, peaks, record.fs))).all()


def test_rows_may_be_picked_and_keep_their_own_interval(beats):
    picked = beats.rows(np.array([5, 9, 9]))
    np.testing.assert_array_equal(picked.before, beats.before[[5, 9, 9]])
    np.testing.assert_array_equal(picked.after, [beats.before[9], beats.before[9], beats.after[9]])
    assert all(len(getattr(picked, f.name)) == 3 for f in fields(BeatMeasures))


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.8])
def test_a_copy_has_the_share_wanted(beats, share):
    rng = np.random.default_rng(0)
    label = np.where(np.arange(len(beats)) % 9 == 4, 1, 0)
    made, new = with_prevalence(beats, label, 1, share, 2000, rng)
    assert len(made) == len(new) == 2000
    assert np.mean(new == 1) == pytest.approx(share, abs=0.05)


def test_retiming_to_the_same_intervals_changes_nothing(record):
    peaks = rpeaks(record.signal, record.fs)
    rr = np.append(1.0, np.diff(peaks) / record.fs)
    x, new = retime(record.signal, peaks, record.fs, rr, np.ones(len(peaks)))
    np.testing.assert_array_equal(x, record.signal)
    np.testing.assert_array_equal(new, peaks)


def test_retimed_beats_lie_where_they_were_put_and_look_the_same(record):
    peaks = rpeaks(record.signal, record.fs)
    rr = np.append(1.0, np.diff(peaks) / record.fs) * np.where(np.arange(len(peaks)) % 5 == 3, 0.75, 1.0)
    x, new = retime(record.signal, peaks, record.fs, rr, np.ones(len(peaks)))
    np.testing.assert_allclose(np.diff(new) / record.fs, np.maximum(rr[1:], 0.3), atol=1 / record.fs)
    reach = round(0.04 * record.fs)
    for a, b in zip(peaks[1:-1], new[1:-1], strict=True):
        np.testing.assert_array_equal(x[:, b - reach : b + reach], record.signal[:, a - reach : a + reach])


def test_premature_copies_hold_early_beats_of_class_s_and_fibrillating_ones_none(record):
    peaks = rpeaks(record.signal, record.fs)
    label = np.zeros(len(peaks), np.int64)
    for seed in range(4):
        x, new, made = with_premature(record.signal, peaks, record.fs, label, np.random.default_rng(seed))
        ratio = np.diff(new) / np.median(np.diff(peaks))
        assert np.isfinite(x).all()
        assert (made == 1).any()
        assert np.median(ratio[made[1:] == 1]) < 0.95
    x, new, made = with_fibrillation(record.signal, peaks, record.fs, label, np.random.default_rng(1))
    assert np.isfinite(x).all()
    assert len(new) == len(peaks)
    assert (np.diff(new) > 0).all()
    assert np.std(np.diff(new)) > 2 * np.std(np.diff(peaks))


def test_what_fibrillates_has_no_class_s(record):
    peaks = rpeaks(record.signal, record.fs)
    label = np.ones(len(peaks), np.int64)
    for seed in range(4):
        *_, made = with_fibrillation(record.signal, peaks, record.fs, label, np.random.default_rng(seed))
        assert set(made.tolist()) <= {1, -2}
        assert (made == -2).sum() >= 0.2 * len(made) - 1


def test_noisy_copies_keep_the_classes_of_the_beats_that_are_found_again_and_mark_those_made_up(record):
    peaks = rpeaks(record.signal, record.fs)
    label = np.arange(len(peaks)) % 3
    x, new, made = with_noise(record.signal, peaks, record.fs, label, np.random.default_rng(2))
    assert x.shape == record.signal.shape
    assert np.std(x - record.signal) > 0.02
    for peak, of in zip(new, made, strict=True):
        nearest = np.argmin(np.abs(peaks - peak))
        assert of == (label[nearest] if abs(peaks[nearest] - peak) <= 0.15 * record.fs else -1)
    assert (made >= 0).mean() > 0.8


def test_measures_do_not_depend_on_what_is_not_asked(beats):
    other = replace(beats, t_confidence=beats.t_confidence * 0)
    np.testing.assert_array_equal(beat_features(other), beat_features(beats))
