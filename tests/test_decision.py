"""Raw output to answers: classes by thresholds and temperature, values with an interval, vectors as they are."""

import numpy as np
import pytest
from pydantic import ValidationError

from biotl.deploy.decision import Classes, Value, Vector, decide, probabilities
from biotl.errors import SignalError


def test_one_logit_is_two_classes_and_the_threshold_decides():
    probability = probabilities(np.array([[0.0], [2.0], [-2.0]], np.float32))
    np.testing.assert_allclose(probability[:, 1], [0.5, 0.880797, 0.119203], atol=1e-6)
    assert decide(probability, np.array([0.9, 0.1], np.float32)).tolist() == [1, 1, 1]
    assert decide(probability, np.array([0.4, 0.6], np.float32)).tolist() == [0, 1, 0]


def test_temperature_changes_how_sure_and_not_which():
    logits = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    plain, warm = (Classes(labels=("a", "b", "c"), calibration=t).read(logits) for t in (1.0, 2.5))
    np.testing.assert_array_equal(plain.value, warm.value)
    assert (warm.probability.max(1) < plain.probability.max(1)).all()
    np.testing.assert_allclose(warm.probability, probabilities(logits / 2.5), rtol=1e-6)


def test_an_output_that_is_no_number_is_no_class_and_no_value():
    raw = np.array([[1, 2], [np.nan, 0], [np.inf, 0]], np.float32)
    decided = Classes(labels=("a", "b")).read(raw)
    assert decided.value.tolist() == [1, -1, -1]
    assert np.isnan(decided.probability[1:]).all()
    assert np.isnan(Value(name="x").read(np.array([[np.nan]], np.float32)).value).all()


@pytest.mark.parametrize(
    ("decision", "width"), [(Classes(labels=("a", "b", "c")), 2), (Value(name="x"), 2), (Vector(dim=4), 3)]
)
def test_another_width_is_refused(decision, width):
    with pytest.raises(SignalError, match=rf"output: got shape \(5, {width}\)"):
        decision.read(np.zeros((5, width), np.float32))


@pytest.mark.parametrize(
    "wrong",
    [{"labels": ["a"]}, {"labels": ["a", "a"]}, {"labels": ["a", "b"], "thresholds": [0.5]},
     {"labels": ["a", "b"], "thresholds": [0.5, float("nan")]}, {"labels": ["a", "b"], "calibration": 0}],
)  # fmt: skip
def test_what_cannot_decide_is_refused(wrong):
    with pytest.raises(ValidationError):
        Classes(**wrong)
