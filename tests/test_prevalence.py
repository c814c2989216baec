"""How common a class is in a recording: beats need less where it is, and as much as ever elsewhere."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from biotl.deploy.bundle import About, Bundle, Model
from biotl.deploy.decision import Classes
from biotl.deploy.metadata import entries
from biotl.deploy.prevalence import Prevalence

LABELS = ("N", "S", "V")
STEP = Prevalence(of="S", usual="N")
PLAIN, RAISED = Classes(labels=LABELS), Classes(labels=LABELS, prevalence=STEP)


def raw_of(apart, other=-6.0):
    """Logits of N, S and V, those of S so far above those of N."""
    apart = np.asarray(apart)
    return np.stack([np.zeros(len(apart)), apart, np.full(len(apart), other)], axis=1).astype(np.float32)


def heart(share, n=1000, middling=-0.4):
    """Scores of a heart of which such a share is S: all but perfectly in order, and too low."""
    rng = np.random.default_rng(0)
    ectopic = rng.random(n) < share
    return ectopic, raw_of(np.where(ectopic, middling, -5.0) + rng.normal(0, 0.8, n))


def test_seven_in_ten_beats_of_middling_scores_are_found():
    ectopic, raw = heart(0.7)
    before, after = PLAIN.read(raw).value == 1, RAISED.read(raw).value == 1
    assert before[ectopic].mean() < 0.4
    assert after[ectopic].mean() > 0.9
    assert after[~ectopic].mean() < 0.02


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.3])
def test_where_it_is_not_common_nothing_changes(share):
    _, raw = heart(share)
    np.testing.assert_array_equal(RAISED.read(raw).probability, PLAIN.read(raw).probability)


@pytest.mark.parametrize("middle", [-3.0, -1.5, -0.5, 0.5])
def test_beats_that_are_all_in_doubt_stay_as_they_are(middle):
    # what real fibrillation gives: one broad heap, no second one (CPSC 2021: between -3 and -1)
    raw = raw_of(np.random.default_rng(1).normal(middle, 1.3, 600))
    np.testing.assert_array_equal(RAISED.read(raw).value, PLAIN.read(raw).value)


@given(st.randoms(use_true_random=False), st.floats(0.1, 0.9), st.floats(-2, 2))
def test_the_order_of_beats_does_not_matter_and_odds_only_rise(random, share, middling):
    _, raw = heart(share, 200, middling)
    order = random.sample(range(len(raw)), len(raw))
    made = RAISED.read(raw)
    np.testing.assert_array_equal(RAISED.read(raw[order]).probability, made.probability[order])
    before = PLAIN.read(raw).probability
    assert (made.probability[:, 1] >= before[:, 1] - 1e-6).all()
    np.testing.assert_allclose(made.probability[:, 2], before[:, 2], atol=1e-6)
    rise = np.log(made.probability[:, 1] / made.probability[:, 0]) - np.log(before[:, 1] / before[:, 0])
    assert np.ptp(rise) < 1e-2
    assert rise.max() < STEP.most + 1e-2


def test_a_beat_without_output_and_one_of_another_class_are_no_evidence():
    _, raw = heart(0.7)
    with_others = np.concatenate([raw, raw_of(np.full(400, 3.0), other=9.0), np.full((5, 3), np.nan, np.float32)])
    made = RAISED.read(with_others)
    np.testing.assert_array_equal(made.value[:1000], RAISED.read(raw).value)
    assert (made.value[1000:1400] == 2).all()
    assert (made.value[1400:] == -1).all()
    assert len(RAISED.read(np.zeros((0, 3), np.float32)).value) == 0


def test_a_temperature_changes_no_answer():
    _, raw = heart(0.7)
    warm = RAISED.model_copy(update={"calibration": 2.0})
    np.testing.assert_array_equal(warm.read(raw).value, RAISED.read(raw).value)


def test_the_file_says_it_and_one_without_it_is_as_before():
    def bundle(decision):
        return Bundle(spec={"fs": 100}, decision=decision, about=About(model=Model(name="m")))

    said = entries(bundle(RAISED), preprocess="spec", unit="beat", inputs=[])
    assert json.loads(said["io.biotl.prevalence"]) == STEP.model_dump()
    assert Bundle.from_json(said["io.biotl.bundle"]).decision == RAISED
    plain = entries(bundle(PLAIN), preprocess="spec", unit="beat", inputs=[])
    assert not any("prevalence" in text for text in (*plain, *plain.values()))


@pytest.mark.parametrize("wrong", [{"of": "X", "usual": "N"}, {"of": "S", "usual": "N", "share": 1.0}])
def test_what_it_cannot_be_told_of_is_refused(wrong):
    with pytest.raises(ValidationError):
        Classes(labels=LABELS, prevalence=wrong)
