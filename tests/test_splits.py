"""Nobody is on two sides."""

import pytest

from biotl.datasets.splits import DS1, DS2, PACED, check_leakage, de_chazal, folds, mitdb_subject
from biotl.errors import ConfigError


def test_the_published_split_has_22_records_a_side_and_no_paced_one():
    assert len(DS1) == len(DS2) == 22
    assert not set(DS1) & set(DS2)
    assert not (set(DS1) | set(DS2)) & set(PACED)


def test_201_and_202_are_one_subject_and_the_published_split_is_refused_as_it_stands():
    assert mitdb_subject("201") == mitdb_subject("202")
    subjects = {record: mitdb_subject(record) for record in DS1 + DS2}
    with pytest.raises(ConfigError, match=r"subject 201 is in train \(201\) and in test \(202\)"):
        check_leakage({"train": DS1, "test": DS2}, subjects)


def test_the_split_in_use_keeps_all_of_ds2_and_learns_without_201():
    sides = de_chazal(("114", "223"))
    assert sides["test"] == DS2
    assert set(sides["train"]) == set(DS1) - {"201", "114", "223"}
    assert sides["validation"] == ("114", "223")


@pytest.mark.parametrize("record", ["201", "100", "102"])
def test_a_validation_record_must_be_one_that_may_be_learnt_from(record):
    with pytest.raises(ConfigError, match=rf"split\.validation: got {record}"):
        de_chazal((record,))


def test_folds_hold_every_record_once():
    dealt = folds(DS1, 4, seed=0)
    assert sorted(sum(dealt, ())) == sorted(DS1)
    assert {len(fold) for fold in dealt} == {5, 6}
    assert dealt == folds(DS1, 4, seed=0)
