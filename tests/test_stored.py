"""Answers in a file: the same answers come back, and a damaged file is refused by name."""

import numpy as np
import pytest

from answered import beats, values
from biotl.errors import ConfigError, RecordError
from biotl.scoring import stored
from biotl.scoring.bootstrap import between, paired
from biotl.scoring.classes import ClassCounts
from biotl.scoring.regression import Errors


@pytest.mark.parametrize("made", [beats(), values(), []])
def test_answers_come_back_as_they_were(made, tmp_path):
    stored.write(made, tmp_path / "answers.npz")
    back = stored.read(tmp_path / "answers.npz")
    assert [of.id for of in back] == [of.id for of in made]
    for a, b in zip(made, back, strict=True):
        assert (a.subject, a.unit, a.fs, list(a.answers)) == (b.subject, b.unit, b.fs, list(b.answers))
        for name in ("span", "truth", "missed", "probability", "low", "high"):
            one, two = getattr(a, name), getattr(b, name)
            np.testing.assert_array_equal(one, two) if one is not None else None
            assert (one is None) == (two is None)
        assert all((a.answers[m] == b.answers[m]).all() or np.isnan(a.answers[m]).any() for m in a.answers)


def test_a_damaged_file_and_none_are_refused_by_name(tmp_path):
    path = tmp_path / "answers.npz"
    with pytest.raises(RecordError, match="no such file"):
        stored.read(path)
    stored.write(beats(people=2), path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(RecordError, match="answers of a finished run"):
        stored.read(path)
    path.write_bytes(b"not a zip")
    with pytest.raises(RecordError, match="answers of a finished run"):
        stored.read(path)


def test_two_runs_are_paired_by_subject_though_they_found_other_beats():
    made = beats()
    measure = ClassCounts(("N", "S", "V", "F"))
    other = [type(of)(**{**vars(of), "answers": {"other": of.answers["boosting"]}, "probability": None}) for of in made]
    assert between(made, other, measure) == paired(made, measure, "model", "boosting")
    fewer = [
        type(of)(of.id, of.subject, of.unit, of.fs, of.span[1:], of.truth[1:], {"x": of.answers["model"][1:]},
                 np.append(of.missed, of.truth[0]) if of.truth[0] >= 0 else of.missed)
        for of in made
    ]  # fmt: skip
    found = between(made, fewer, measure)["accuracy"]
    assert found.value > 0
    assert found.low <= found.value <= found.high


def test_runs_on_other_recordings_are_not_paired():
    with pytest.raises(ConfigError, match="only one has r7 of p7"):
        between(values(), values(people=7), Errors())
