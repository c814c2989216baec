"""What is learnt from: weights, false beats, and that a subject who is left out leaves no trace."""

import numpy as np
import pytest

from biotl.datasets.beat_features import FEATURES
from biotl.datasets.joined import FALSE
from biotl.errors import TrainingError
from biotl.training.beat_rows import MAKES, Heart, Rows, heart_rows
from biotl.training.boosting import FALSE_COUNT, Lessons, joined

LABELS = ("N", "S", "V")


def lessons(people, seeds=(0, 1)):
    """Rows of some people, who each have beats of three classes and false ones."""
    hearts, rows = [], {seed: [] for seed in seeds}
    for person in people:
        rng = np.random.default_rng(sum(person.encode()))
        label = np.repeat([0, 1, 2, FALSE], (60, 25, 30, 5))
        hearts.append(Heart(person, np.zeros((1, 1), np.float32), 360.0, np.arange(len(label)), label))
        for seed in seeds:
            for c in (0, 1, 2, FALSE):
                table = rng.normal(max(c, 0), 1, (int((label == c).sum()), 6)).astype(np.float32)
                rows[seed].append(Rows(person, c, table, 1.0))
    return Lessons(hearts, LABELS, rows)


def test_who_is_left_out_leaves_no_trace():
    table = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    without = lessons("abcdef").fit({"b", "e"})
    np.testing.assert_array_equal(without(table), lessons("acdf").fit()(table))


def test_subjects_are_dealt_to_groups_each_once():
    groups = lessons("abcdefg").groups(3)
    assert sorted(name for group in groups for name in group) == list("abcdefg")
    assert {len(group) for group in groups} <= {2, 3}
    assert len(lessons("ab").groups(6)) == 2


def test_a_false_beat_is_learnt_as_the_usual_one_and_each_subject_weighs_nearly_alike():
    rows = [
        Rows("a", 0, np.zeros((100, 1), np.float32), 1.0),
        Rows("a", FALSE, np.ones((4, 1), np.float32), 1.0),
        Rows("a", 2, np.zeros((300, 1), np.float32), 1.0),
        Rows("b", 2, np.zeros((3, 1), np.float32), 1.0),
        Rows("b", 1, np.zeros((3, 1), np.float32), 1.0),
    ]
    table, classes, weight = joined(rows, (FALSE, 0, 2))
    assert len(table) == len(classes) == 407
    assert set(classes[table[:, 0] == 1]) == {0}
    assert weight.mean() == pytest.approx(1)
    made_up, usual = weight[100:104].sum(), weight[:100].sum()
    assert made_up / usual == pytest.approx(FALSE_COUNT * (4 / 100) ** 0.25)
    ventricular = weight[classes == 2]
    # a hundred times the beats count 1.6 times
    assert ventricular[:300].sum() / ventricular[300:].sum() == pytest.approx(100**0.1)


def test_one_class_alone_teaches_nothing():
    heart = Heart("a", np.zeros((1, 1), np.float32), 360.0, np.arange(40), np.zeros(40, np.int64))
    with pytest.raises(TrainingError, match=r"40 N, 0 S, 0 V, wanted two classes of 20 beats"):
        Lessons.of([heart], LABELS, seeds=(0,))


def test_a_make_goes_without_its_kinds_of_copies_and_its_columns():
    rng = np.random.default_rng(0)
    rpeaks = np.arange(200, 200 + 300 * 60, 300)
    x = (0.01 * rng.standard_normal((2, rpeaks[-1] + 400))).astype(np.float32)
    complexes = np.zeros(x.shape[1])
    complexes[rpeaks] = 1
    x += np.convolve(complexes, np.exp(-((np.arange(-20, 21) / 5) ** 2)), "same").astype(np.float32)
    heart = Heart("a", x, 360.0, rpeaks, np.zeros(60, np.int64))
    of = {kind: heart_rows(heart, ("N",), seed=0, make=make) for kind, make in zip("ab", MAKES, strict=True)}
    left_out = [FEATURES.index(name) for name in MAKES[1].columns]
    assert len(left_out) == 12
    assert not any(rows.table[:, left_out].any() for rows in of["b"])
    assert any(rows.table[:, left_out].any() for rows in of["a"])
    assert sum(len(rows.table) for rows in of["b"]) > sum(len(rows.table) for rows in of["a"])
