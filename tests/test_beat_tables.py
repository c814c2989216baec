"""Recordings as tables of beats, and trees that are fitted on them."""

from dataclasses import replace

import numpy as np
import pytest

from biotl.datasets.beat_tables import BeatPreprocessor
from biotl.datasets.beats import AAMI, label_beats, reference_beats
from biotl.datasets.joined import RAREST
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.spec_kinds import BeatSpec, parse_spec
from biotl.errors import ConfigError, RecordError, TrainingError
from biotl.records import ecg
from biotl.scoring.classes import score
from biotl.training.beat_rows import Heart
from biotl.training.boosting import fit_trees

TWO = make_preprocessor(BeatSpec())
ONE = BeatPreprocessor(BeatSpec(channels=BeatSpec().channels[:1]))


@pytest.fixture(scope="module")
def record():
    return ecg(1, 3, duration_s=60.0)


def heart(subject: int) -> Heart:
    record = ecg(5, subject, duration_s=120.0)
    prepared = TWO.prepare([record])
    arrays = prepared.arrays
    label = label_beats(reference_beats(record.annotations["atr"]), TWO.units(prepared)[:, 0], record.fs).label
    return Heart(str(subject), arrays["signal"], TWO.spec.fs, arrays["rpeaks"], label)


def test_a_recording_becomes_one_row_a_beat_at_its_own_rate(record):
    prepared = TWO.prepare([record])
    n = len(prepared.arrays["rpeaks"])
    assert prepared.about["leads"] == {"ECG": "MLII", "ECG_2": "V1"}
    assert len(TWO.cuts(prepared)) == len(TWO.units(prepared)) == len(prepared.arrays["features"]) == n
    for k in (0, n - 1):
        inputs = TWO.inputs(prepared, TWO.cuts(prepared)[k])
        assert inputs["unit"] == k
        np.testing.assert_array_equal(inputs["features"], prepared.arrays["features"][k])
    truth = record.annotations["atr"].sample
    assert np.median(np.abs(TWO.units(prepared)[:, :1] - truth).min(axis=1)) < 0.05 * record.fs


def test_the_order_of_leads_does_not_matter_and_one_is_enough(record):
    swapped = replace(record, signal=record.signal[::-1].copy(), channels=record.channels[::-1])
    a, b = TWO.prepare([record]), TWO.prepare([swapped])
    np.testing.assert_array_equal(a.arrays["features"], b.arrays["features"])
    alone = replace(record, signal=record.signal[:1], channels=record.channels[:1], units=record.units[:1])
    np.testing.assert_array_equal(TWO.prepare([alone]).arrays["features"], ONE.prepare([record]).arrays["features"])


def test_a_flat_second_lead_counts_as_none(record):
    flat = record.signal.copy()
    flat[1] = 0
    prepared = TWO.prepare([replace(record, signal=flat)])
    assert prepared.about["leads"] == {"ECG": "MLII"}
    np.testing.assert_array_equal(prepared.arrays["features"], ONE.prepare([record]).arrays["features"])


def test_a_chosen_lead_is_the_first(record):
    assert TWO.prepare([record], choose="V1").about["leads"] == {"ECG": "V1", "ECG_2": "MLII"}


def test_beats_in_a_gap_are_left_out_or_the_recording_refused(record):
    x = record.signal.copy()
    x[0, 5000:8000] = np.nan
    torn = replace(record, signal=x)
    peaks = TWO.units(TWO.prepare([torn]))[:, 0]
    whole = TWO.units(TWO.prepare([record]))[:, 0]
    assert not ((peaks > 5000) & (peaks < 8000)).any()
    assert ((whole > 5000) & (whole < 8000)).any()
    with pytest.raises(RecordError, match="missing"):
        BeatPreprocessor(BeatSpec(gaps="refuse")).prepare([torn])


def test_a_stretch_holds_its_own_beats_and_nothing_else(record):
    prepared = TWO.prepare([record])
    a, b = 4000, 15000
    part = TWO.stretch(prepared, a, b)
    peaks = TWO.units(prepared)[:, 0]
    np.testing.assert_array_equal(TWO.units(part)[:, 0] + a, peaks[(peaks >= a) & (peaks < b)])
    np.testing.assert_array_equal(part.arrays["signal"], prepared.arrays["signal"][:, a:b])
    assert len(part.arrays["features"]) == len(part.arrays["rpeaks"])


def test_a_spec_goes_through_json_and_refuses_what_would_do_nothing():
    assert parse_spec(BeatSpec().model_dump(mode="json")) == BeatSpec()
    with pytest.raises(ConfigError, match="unfiltered"):
        parse_spec({"kind": "beats", "channels": [{"name": "ECG", "normalizer": "qrs"}]})
    with pytest.raises(ConfigError, match="first lead"):
        parse_spec({"kind": "beats", "channels": [{"name": "ECG", "optional": True}]})


@pytest.fixture(scope="module")
def hearts():
    return [heart(subject) for subject in range(12)]


@pytest.fixture(scope="module")
def trees(hearts):
    return fit_trees(hearts[:8], AAMI, seeds=(0,))


def test_trees_tell_beats_of_hearts_apart_that_they_never_saw(hearts, trees):
    rows = [TWO.prepare([ecg(5, int(h.subject), duration_s=120.0)]).arrays["features"] for h in hearts[8:]]
    truth = np.concatenate([h.label for h in hearts[8:]])
    none = np.zeros(0, np.int64)
    found = score(truth, trees(np.concatenate(rows)).argmax(axis=1), none, AAMI)
    usual = score(truth, np.zeros_like(truth), none, AAMI)
    assert found.macro_f1 > usual.macro_f1


def test_the_same_seed_gives_the_same_trees(hearts, trees):
    again = fit_trees(hearts[:8], AAMI, seeds=(0,))
    np.testing.assert_array_equal(again.value, trees.value)
    np.testing.assert_array_equal(again.threshold, trees.threshold)


def test_a_class_of_few_beats_is_not_learnt_and_one_class_is_refused(hearts, trees):
    held = np.concatenate([h.label for h in hearts[:8]])
    assert (held == AAMI.index("Q")).sum() < RAREST
    assert AAMI.index("Q") not in trees.target
    with pytest.raises(TrainingError, match="two classes"):
        fit_trees([replace(h, label=np.minimum(h.label, 0)) for h in hearts[:2]], AAMI, seeds=(0,))
