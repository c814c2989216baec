"""The baselines: what each can see, and that none sees the test beats."""

import numpy as np
import pytest

from biotl.datasets.beats import AAMI, score
from biotl.datasets.recordings import prepare_recording
from biotl.datasets.spec import SignalSpec
from biotl.records import read
from biotl.training.baselines import Majority, RRRule, beat_table, run_baselines


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
    rule = RRRule()
    rule.fit(table, label)
    assert rule.predict(table).tolist() == label.tolist()
    binary = RRRule(2)
    binary.fit(table, np.minimum(label, 1))
    assert binary.predict(table).tolist() == np.minimum(label, 1).tolist()


@pytest.fixture(scope="module")
def recordings(mitdb):
    spec = SignalSpec()
    return [prepare_recording(read(mitdb / name), spec) for name in ("119", "208", "223", "200")]


def test_a_table_has_a_row_a_beat_and_its_neighbours_shift(recordings):
    sentence = recordings[0].sentence
    table = beat_table(sentence)
    assert table.shape == (len(sentence.rpeaks), 83)
    np.testing.assert_array_equal(table[1:, 17:23], table[:-1, :6])
    np.testing.assert_array_equal(table[:-1, 23:29], table[1:, :6])
    assert not table[0, 17:23].any()


def test_boosting_beats_the_rule_beats_the_majority_on_another_patient(recordings):
    *train, test = recordings
    thinned = [(r.sentence, np.where(np.arange(len(r.beats.label)) % 6, -1, r.beats.label)) for r in train]
    found = run_baselines(thinned, [test.sentence], classes=len(AAMI), seed=1)
    f1 = {name: score(test.beats.label, of[0], test.beats.missed).f1[2] for name, of in found.items()}
    assert f1["majority"] == 0
    assert f1["boosting"] > 0.8
    assert f1["boosting"] > f1["rr_rule"] > 0.3
