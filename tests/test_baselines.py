"""The baselines: what each can see, and that none sees the test beats."""

import numpy as np
import pytest

from biotl.datasets.adapters import mitdb as list_mitdb
from biotl.datasets.labels import BeatClass
from biotl.datasets.sentences import SentencePreprocessor
from biotl.datasets.spec_kinds import SentenceSpec
from biotl.errors import ConfigError
from biotl.scoring.baselines import beats, steps, windows
from biotl.scoring.baselines.learners import Boosting, Logistic, Majority, Mean, Ridge, answer
from biotl.scoring.classes import score
from conftest import data_folder


def rows(before, after):
    table = np.zeros((len(before), 83), np.float32)
    table[:, 0], table[:, 1] = np.log2(before), np.log2(after)
    return table


def test_the_majority_is_the_most_frequent_class():
    baseline = Majority()
    baseline.fit(np.zeros((4, 83), np.float32), np.array([0, 2, 2, 1]))
    assert baseline.predict(np.zeros((3, 83), np.float32)).tolist() == [2, 2, 2]


def test_the_rule_learns_premature_and_pause():
    table = rows(np.array([1.0, 0.75, 0.7, 1.02, 0.97] * 20), np.array([1.0, 0.95, 1.35, 1.0, 1.05] * 20))
    label = np.array([0, 1, 2, 0, 0] * 20)
    rule = beats.RRRule(5)
    rule.fit(table, label)
    assert rule.predict(table).tolist() == label.tolist()
    binary = beats.RRRule(2)
    binary.fit(table, np.minimum(label, 1))
    assert binary.predict(table).tolist() == np.minimum(label, 1).tolist()


@pytest.fixture(scope="module")
def recordings(mitdb):
    """Return the arrays and the labels of four recordings."""
    preprocessor, target, made = SentencePreprocessor(SentenceSpec()), BeatClass(), []
    listed = {entry.id: entry for entry in list_mitdb(mitdb)}
    for name in ("119", "208", "223", "200"):
        records = listed[name].read(target.annotators)
        prepared = preprocessor.prepare(records)
        made.append((prepared.arrays, target.of(listed[name], records, prepared, preprocessor.units(prepared))))
    return made


def test_a_table_has_a_row_a_beat_and_its_neighbours_shift(recordings):
    arrays = recordings[0][0]
    table = beats.table(arrays)
    assert table.shape == (len(arrays["rpeaks"]), 83)
    np.testing.assert_array_equal(table[1:, 17:23], table[:-1, :6])
    np.testing.assert_array_equal(table[:-1, 23:29], table[1:, :6])
    assert not table[0, 17:23].any()


def test_boosting_beats_the_rule_beats_the_majority_on_another_patient(recordings):
    *train, (test, of) = recordings
    thinned = [
        (beats.table(arrays), np.where(np.arange(len(to["labels"])) % 6, -1, to["labels"])) for arrays, to in train
    ]
    found = beats.run(thinned, [beats.table(test)], labels="NSVFQ", seed=1)
    f1 = {name: score(of["labels"], told[0], of["missed"], "NSVFQ").f1[2] for name, told in found.items()}
    assert f1["majority"] == 0
    assert f1["gradient boosting"] > 0.8
    assert f1["gradient boosting"] > f1["RR rule"] > 0.3


def test_the_rule_learns_classes_of_any_names_in_any_order():
    table = rows(np.array([1.0, 0.75, 0.7, 1.02, 0.97] * 20), np.array([1.0, 0.95, 1.35, 1.0, 1.05] * 20))
    label = np.array([2, 0, 1, 2, 2] * 20)  # the usual class last, as in ("atrial", "ventricular", "normal")
    rule = beats.RRRule(3)
    rule.fit(table, label)
    assert rule.predict(table).tolist() == label.tolist()


def test_one_class_alone_is_answered_always():
    table, label = np.random.default_rng(0).normal(size=(40, 5)), np.full(40, 1)
    for learner in (Majority(), Logistic(), Boosting(classes=True)):
        learner.fit(table, label)
        assert learner.predict(table).tolist() == label.tolist()


def test_rows_without_a_target_teach_nothing_and_none_at_all_is_refused():
    table = np.arange(6.0)[:, None]
    found = answer(
        {"mean": Mean()}, [(table, np.array([1.0, 3.0, np.nan, np.nan, np.nan, np.nan]))], [table, table[:0]]
    )
    assert found["mean"][0].tolist() == [2.0] * 6
    assert found["mean"][1].shape == (0,)
    with pytest.raises(ConfigError, match="no training row has a target"):
        answer({"majority": Majority()}, [(table, np.full(6, -1))], [table])


def test_ridge_finds_a_line_and_stands_a_constant_column():
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.normal(5, 2, 500), np.ones(500)])
    ridge = Ridge()
    ridge.fit(table, 3 * table[:, 0] + 7)
    np.testing.assert_allclose(ridge.predict(table), 3 * table[:, 0] + 7, atol=0.05)


def test_a_few_dozen_windows_are_enough_for_a_tree():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(36, 5))
    found = windows.values([(table, 10 * table[:, 1])], [table])
    assert np.std(found["gradient boosting"][0]) > 3


def test_ridge_does_not_extrapolate_to_a_subject_unlike_all_others():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(300, 3))
    ridge = Ridge()
    ridge.fit(table, 80 + 10 * table[:, 0])
    far = ridge.predict(np.array([[1000.0, 0, 0], [-1000.0, 0, 0]]))
    assert 80 + 10 * table[:, 0].min() <= far[1] < far[0] <= 80 + 10 * table[:, 0].max()


def test_baselines_of_real_windows_do_better_than_chance_on_other_people():
    folder = data_folder("troika")
    with np.load(folder / "troika_windows_5ch.npz") as file:
        person = np.array([name[:2] for name in file["record"].tolist()])
        table, label, rate = windows.table(file["signals"][:, :4], float(file["fs"])), file["labels"], file["ref_hr"]
    right, error = {}, {}
    for test in np.unique(person):
        own = person == test
        known, asked = (table[~own], label[~own]), [table[own]]
        for name, of in windows.classes([known], asked).items():
            right.setdefault(name, []).append(of[0] == label[own])
        for name, of in windows.values([(table[~own], rate[~own].astype(float))], asked).items():
            error.setdefault(name, []).append(np.abs(of[0] - rate[own]))
    right = {name: np.concatenate(of).mean() for name, of in right.items()}
    error = {name: np.concatenate(of).mean() for name, of in error.items()}
    assert right["logistic regression"] > right["majority"] + 0.05
    assert error["gradient boosting"] < 0.8 * error["mean"]
    assert error["ridge regression"] < error["mean"]


def test_features_of_windows_see_rhythm_and_stand_gaps():
    t = np.arange(1000) / 100
    slow, fast = np.sin(2 * np.pi * 1.2 * t), np.sin(2 * np.pi * 2.5 * t)
    gap = slow.copy()
    gap[100:140] = np.nan
    flat, none = np.ones(1000), np.full(1000, np.nan)
    table = windows.table(np.stack([np.stack([a, slow]) for a in (slow, fast, gap, flat, none)]), 100.0)
    assert np.isfinite(table).all()
    column = windows.CHANNEL_FEATURES.index
    assert table[:3, column("peak_hz")] == pytest.approx([1.2, 2.5, 1.2])
    assert table[:3, column("rhythm_s")] == pytest.approx([1 / 1.2, 0.4, 1 / 1.2], abs=0.02)
    assert table[:, column("missing")].tolist() == [0, 0, 0.04, 0, 1]
    assert table[0, -1] == pytest.approx(1)  # the two channels are one signal
    assert windows.table(np.zeros((0, 2, 50)), 100.0).shape == (0, table.shape[1])


def test_baselines_of_windows_learn_what_there_is_to_learn():
    rng = np.random.default_rng(0)
    t = np.arange(500) / 100
    rate = rng.uniform(0.8, 3, 240)
    x = np.sin(2 * np.pi * rate[:, None] * t + rng.uniform(0, 6, (240, 1)))[:, None] + rng.normal(0, 0.3, (240, 1, 500))
    table = windows.table(x, 100.0)
    label = (rate > 1.9).astype(np.int64)
    found = windows.classes([(table[:160], label[:160])], [table[160:]])
    right = {name: np.mean(of[0] == label[160:]) for name, of in found.items()}
    assert right["logistic regression"] > 0.9
    assert right["gradient boosting"] > 0.9 > 0.7 > right["majority"]
    values = windows.values([(table[:160], 60 * rate[:160])], [table[160:]])
    error = {name: np.abs(of[0] - 60 * rate[160:]).mean() for name, of in values.items()}
    assert error["gradient boosting"] < 6 < 20 < error["mean"]
    assert error["ridge regression"] < 15


def test_steps_see_no_later_step():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 60))
    x[0, 10:15] = np.nan
    changed = x.copy()
    changed[:, 30:] = 9
    np.testing.assert_array_equal(steps.table(x)[:30], steps.table(changed)[:30])
    assert np.isfinite(steps.table(x)).all()


def test_persistence_knows_only_what_lies_a_horizon_back():
    rate = np.cumsum(np.random.default_rng(0).normal(size=300)) + 100
    before = np.r_[np.full(5, np.nan), rate[:-5]]
    table = steps.table(rate[None], before=before, user=1)
    plain = ["mean", "first-order response", "ridge regression", "gradient boosting"]
    assert list(steps.run([(steps.table(rate[None]), rate)], [steps.table(rate[None])])) == plain
    found = steps.run([(table[:200], rate[:200])], [table[200:], steps.table(rate[None], before=before)[:5]])
    np.testing.assert_array_equal(found["persistence"][0], rate[195:295])
    np.testing.assert_allclose(found["persistence"][1], rate[:200].mean())  # nothing is known yet
    np.testing.assert_allclose(found["mean of the user"][1], found["mean"][1])  # a stranger


def test_a_users_mean_is_his_own_and_a_first_order_response_finds_its_memory():
    rng = np.random.default_rng(1)
    speed = np.repeat(rng.uniform(0, 5, 20), 50)
    rate = 80 + 10 * steps.table(speed[None])[:, 3]  # a running mean over MEMORIES[3] steps
    tables = [steps.table(speed[None], user=user) for user in (1, 2)]
    found = steps.run([(tables[0], rate), (tables[1], rate + 30)], tables)
    assert found["mean of the user"][1][0] - found["mean of the user"][0][0] == pytest.approx(30)
    np.testing.assert_allclose(found["first-order response"][0], rate + 15, atol=1e-6)
