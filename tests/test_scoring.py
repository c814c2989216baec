"""Scores: scikit-learn's figures to 1e-12, intervals over subjects, and one macro-F1 for all of the package."""

import subprocess
import sys
import time

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st

from answered import beats, values
from biotl.errors import RecordError
from biotl.scoring.answers import Answered, by_subject, models
from biotl.scoring.bootstrap import Interval, interval, paired, weights, without
from biotl.scoring.calibration import brier, ece, known, ranks, recalibration, reliability
from biotl.scoring.classes import ClassCounts, ClassScore, confusion, score
from biotl.scoring.ranking import auroc, average_precision, precision_recall
from biotl.scoring.regression import Bounds, Errors, bias, mae, r2, rmse

NONE = np.zeros(0, np.int64)
near = {"rtol": 1e-12, "atol": 1e-12}


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 6), n=st.integers(1, 300))
def test_decided_classes_agree_with_scikit_learn(seed, classes, n):
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(0, classes, n), rng.integers(0, classes, n)
    s = score(truth, predicted, NONE, [str(k) for k in range(classes)])
    every, held = range(classes), np.unique(truth)
    np.testing.assert_array_equal(s.confusion[:-1, :-1], sk.confusion_matrix(truth, predicted, labels=every))
    for own, of in ((s.sensitivity, sk.recall_score), (s.ppv, sk.precision_score), (s.f1, sk.f1_score)):
        theirs = of(truth, predicted, labels=every, average=None, zero_division=np.nan)
        np.testing.assert_allclose(own, theirs, **near)
    np.testing.assert_allclose(
        s.specificity,
        [sk.recall_score(truth == k, predicted == k, pos_label=False, zero_division=np.nan) for k in every],
        **near,
    )
    if len(held) > 1 or (predicted != truth).any():  # scikit-learn warns of a single class
        theirs = [sk.matthews_corrcoef(truth == k, predicted == k) for k in held if (truth != k).any()]
        np.testing.assert_allclose([s.class_mcc[k] for k in held if (truth != k).any()], theirs, **near)
        np.testing.assert_allclose(s.mcc, sk.matthews_corrcoef(truth, predicted), **near)
    np.testing.assert_allclose(s.macro_f1, sk.f1_score(truth, predicted, labels=held, average="macro"), **near)
    np.testing.assert_allclose(s.micro_f1, sk.f1_score(truth, predicted, labels=every, average="micro"), **near)
    np.testing.assert_allclose(s.accuracy, sk.accuracy_score(truth, predicted), **near)
    recalls = sk.recall_score(truth, predicted, labels=held, average=None)
    np.testing.assert_allclose(s.balanced_accuracy, recalls.mean(), **near)
    np.testing.assert_allclose(s.g_mean, recalls.prod() ** (1 / len(held)), **near)


def test_a_missed_and_a_false_unit_cost_and_an_unscored_one_does_not():
    names = ("N", "S", "V")
    assert score(np.array([0]), np.array([0]), np.array([2]), names).sensitivity[2] == 0
    assert score(np.array([0, 2, -1]), np.array([0, 2, 2]), NONE, names).ppv[2] == 0.5
    assert score(np.array([0, 2, -2]), np.array([0, 2, 2]), NONE, names).ppv[2] == 1
    abstained = score(np.array([0, 2, -1]), np.array([0, -1, -1]), NONE, names)
    assert abstained.confusion[2].tolist() == [0, 0, 0, 1]
    assert abstained.ppv[0] == 1


def test_a_class_that_nobody_has_is_undefined_and_its_false_alarms_are_counted():
    s = score(np.array([0] * 10), np.array([0] * 8 + [1] * 2), NONE, ("N", "F"))
    assert np.isnan(s.sensitivity[1])
    assert s.false_alarms.tolist() == [0, 2]
    assert s.unheld()[1:] == [
        "It holds no F: how well such are found is not known.",
        "False alarms of classes that the reference does not hold, in no mean: 2 as F.",
    ]
    assert s.macro_f1 == pytest.approx(8 / 9)  # of N alone, whom the two false F cost sensitivity
    assert np.isnan(ClassScore(("N",), np.zeros((2, 2))).macro_f1)


def test_two_or_three_labels_of_ones_own_names_are_scored_as_they_are():
    for labels in (("wake", "sleep"), ("normal", "noisy", "af"), ("abnormal", "normal")):
        truth = np.arange(60) % len(labels)
        answered = [Answered("a", "a", "window", 1.0, np.stack([truth, truth + 1], 1), truth, {"m": truth})]
        figures = interval(answered, ClassCounts(labels), "m")
        assert [figures[f"f1.{label}"].value for label in labels] == [100] * len(labels)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=60))
def test_ranks_agree_with_scikit_learn(pairs):
    labels, scores = (np.array(column) for column in zip(*pairs, strict=True))
    if labels.all() or not labels.any():
        assert np.isnan(auroc(labels, scores))
        return
    np.testing.assert_allclose(auroc(labels, scores), sk.roc_auc_score(labels, scores), **near)
    np.testing.assert_allclose(average_precision(labels, scores), sk.average_precision_score(labels, scores), **near)
    precision, recall, _ = sk.precision_recall_curve(labels, scores)
    own = precision_recall(labels, scores)
    np.testing.assert_allclose(own[0], precision[-2::-1], **near)
    np.testing.assert_allclose(own[1], recall[-2::-1], **near)


@given(seed=st.integers(0, 10_000), n=st.integers(2, 200))
def test_errors_of_values_agree_with_scikit_learn(seed, n):
    rng = np.random.default_rng(seed)
    truth = rng.normal(80, 15, n)
    answer = truth + rng.normal(1, 5, n)
    np.testing.assert_allclose(mae(truth, answer), sk.mean_absolute_error(truth, answer), **near)
    np.testing.assert_allclose(rmse(truth, answer), sk.root_mean_squared_error(truth, answer), **near)
    np.testing.assert_allclose(bias(truth, answer), (answer - truth).mean(), **near)
    np.testing.assert_allclose(r2(truth, answer), sk.r2_score(truth, answer), **near)
    hole = np.append(truth, np.nan)
    assert mae(hole, np.append(answer, 7.0)) == mae(truth, answer)
    assert np.isnan(r2(np.full(5, 71.3), np.arange(5.0)))


def test_calibration_agrees_with_scikit_learn():
    from sklearn.calibration import calibration_curve
    from sklearn.linear_model import LogisticRegression

    truth, probability = known(beats(people=6))
    own = sk.brier_score_loss(truth, probability, labels=range(4), scale_by_half=True)
    np.testing.assert_allclose(brier(truth, probability), own, **near)
    two = probability[:, :2] / probability[:, :2].sum(1, keepdims=True)
    label = (truth == 1).astype(int)
    np.testing.assert_allclose(brier(label, two), sk.brier_score_loss(label, two[:, 1]), **near)
    said, true, count = reliability(label, two[:, 1])
    theirs = calibration_curve(label, two[:, 1], n_bins=10)
    np.testing.assert_allclose(true[count > 0], theirs[0], **near)
    np.testing.assert_allclose(said[count > 0], theirs[1], **near)
    p = np.clip(two[:, 1], 1e-6, 1 - 1e-6)
    fit = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(np.log(p / (1 - p))[:, None], label)
    assert recalibration(label == 1, two[:, 1])[0] == pytest.approx(fit.coef_[0, 0], rel=1e-5)


def test_an_honest_probability_is_called_calibrated_and_a_bold_one_is_not():
    rng = np.random.default_rng(1)
    p = rng.uniform(0.02, 0.98, 40_000)
    happens = rng.random(p.size) < p
    slope, intercept = recalibration(happens, p)
    assert (slope, intercept) == (pytest.approx(1, abs=0.05), pytest.approx(0, abs=0.05))
    assert ece(happens.astype(int), np.stack([1 - p, p], 1)) < 0.01
    bold = p**3 / (p**3 + (1 - p) ** 3)
    assert recalibration(happens, bold)[0] == pytest.approx(1 / 3, abs=0.03)
    assert ece(happens.astype(int), np.stack([1 - bold, bold], 1)) > 0.1
    assert np.isnan(recalibration(p > 0.5, p)).any()  # separable: no slope exists


def test_the_interval_is_that_of_drawing_subjects_one_by_one():
    answered = beats(people=8, n=80)
    measure, groups = ClassCounts(("N", "S", "V", "F")), list(by_subject(answered).values())
    drawn = []
    for row in weights(len(groups), 200, seed=5).astype(int):
        people = [of for group, times in zip(groups, row, strict=True) for of in group * times]
        total = sum(confusion(of.truth, of.answers["model"], of.missed, 4) for of in people)
        drawn.append(100 * ClassScore(measure.labels, total).macro_f1)
    found = interval(answered, measure, "model", n=200, seed=5)["macro_f1"]
    np.testing.assert_allclose((found.low, found.high), np.quantile(drawn, [0.025, 0.975]), rtol=1e-12)
    assert found.low < found.value < found.high


def test_a_paired_difference_is_narrower_than_two_intervals_and_0_against_oneself():
    answered = beats(people=16)
    measure = ClassCounts(("N", "S", "V", "F"))
    own, other = (interval(answered, measure, name)["accuracy"] for name in ("model", "boosting"))
    difference = paired(answered, measure, "model", "boosting")["accuracy"]
    assert difference.value == pytest.approx(own.value - other.value)
    assert difference.high - difference.low < (own.high - own.low) + (other.high - other.low)
    assert paired(answered, measure, "model", "model")["accuracy"] == Interval(0, 0, 0)
    assert difference.verdict("higher") == "better"
    assert Interval(-1, -2, -0.5).verdict("lower") == "better"
    assert Interval(1, -2, 3).verdict("higher") == "no difference shown"


def test_an_interval_is_repeatable_and_one_subject_has_none():
    answered = values()
    assert interval(answered, Errors(), "model", seed=3) == interval(answered, Errors(), "model", seed=3)
    assert interval(answered, Errors(), "model", seed=3) != interval(answered, Errors(), "model", seed=4)
    alone = interval(answered[:1], Errors(), "model")["mae"]
    assert np.isfinite(alone.value)
    assert np.isnan([alone.low, alone.high]).all()


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    span = np.array([[0, 1]] * 20)
    hits = 0
    for trial in range(200):
        people = [
            Answered(f"{k}", "", "window", 1.0, span, np.zeros(20), {"m": rng.normal() + rng.normal(0, 0.3, 20)})
            for k in range(25)
        ]
        found = interval(people, Errors(), "m", n=500, seed=trial)["bias"]
        hits += found.low <= 0 <= found.high
    assert 0.88 <= hits / 200 <= 0.98


def test_22_subjects_drawn_2000_times_take_well_under_a_second():
    answered = beats(people=22, n=2300, labels=5)
    began = time.process_time()
    interval(answered, ClassCounts(("N", "S", "V", "F", "Q")), "model")
    assert time.process_time() - began < 0.5


def test_leaving_out_the_patient_who_holds_a_class_shows_what_he_carried():
    answered = beats()
    f1 = without(answered, ClassCounts(("N", "S", "V", "F")), "model")["f1.V"]
    rest = [of for of in answered if of.person != "p0"]
    alone = interval(rest, ClassCounts(("N", "S", "V", "F")), "model")["f1.V"].value
    assert f1[0] == pytest.approx(alone)


def test_the_figures_of_ranks_are_exact_and_their_intervals_hold_them():
    answered = beats(people=16)
    truth, probability = known(answered)
    for k in (0, 1, 2):
        found = ranks(answered, k)
        assert found["auroc"].value == pytest.approx(sk.roc_auc_score(truth == k, probability[:, k]), abs=1e-12)
        assert found["auprc"].value == pytest.approx(
            sk.average_precision_score(truth == k, probability[:, k]), abs=1e-12
        )
        assert all(of.low <= of.value <= of.high for of in found.values())


def test_bounds_that_hold_nine_in_ten_say_so():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1, 5000)
    of = Answered("a", "a", "step", 1.0, np.zeros((5000, 2), np.int64), truth, {"m": truth * 0},
                  low=truth * 0 - 1.645, high=truth * 0 + 1.645)  # fmt: skip
    figures = interval([of], Bounds("bpm"), "m")
    assert figures["coverage"].value == pytest.approx(90, abs=1.5)
    assert figures["width"].value == pytest.approx(3.29)


def test_scoring_needs_numpy_alone_and_the_report_draws_only_when_asked():
    scoring = ("results", "conformal", "ec57", "stored", "baselines.windows")
    modules = ", ".join([*(f"biotl.scoring.{name}" for name in scoring), "biotl.report.classes", "biotl.report.html"])
    heavy = ["torch", "scipy", "sklearn", "matplotlib", "jinja2", "pandas"]
    code = f"import sys, {modules}; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_answers_of_another_length_are_refused_by_name_and_a_partial_model_is_left_out():
    span = np.zeros((2, 2), np.int64)
    with pytest.raises(RecordError, match="r7: m: got 3 answers, wanted 2, one for each beat"):
        Answered("r7", "p", "beat", 1.0, span, np.zeros(2, np.int64), {"m": np.zeros(3, np.int64)})
    both = Answered("a", "", "beat", 1.0, span, np.zeros(2, np.int64), {"m": span[:, 0], "b": span[:, 0]})
    one = Answered("c", "", "beat", 1.0, span, np.zeros(2, np.int64), {"m": span[:, 0]})
    assert models([both, one]) == ["m"]
    assert list(by_subject([one, both])) == ["a", "c"]
