"""Nobody is in two splits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from biotl.datasets.de_chazal import DS1, DS2, PACED, de_chazal, mitdb_subject
from biotl.datasets.manifest import Entry
from biotl.datasets.splits import SPLITS, Split, SplitConfig, check_leakage, folds, make_split
from biotl.errors import ConfigError, RecordError


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


def people(n, each=2, **fields):
    return [Entry(f"r{k}", (), f"p{k // each}", **fields) for k in range(n * each)]


def subjects_of(split, side):
    return {split.subjects[name] for name in split.ids(side)}


@given(st.integers(3, 40), st.integers(0, 5), st.sampled_from([(0.7, 0.15, 0.15), (0.5, 0.0, 0.5), (0.8, 0.1, 0.1)]))
def test_subjects_are_dealt_whole_and_the_seed_decides(n, seed, shares):
    entries, config = people(n), SplitConfig(by="subject", shares=shares)
    split = make_split(entries, config, seed=seed)
    sides = [subjects_of(split, side) for side in SPLITS]
    assert set.union(*sides) == {entry.subject for entry in entries}
    assert sum(map(len, sides)) == n
    assert all(bool(side) == (share > 0) for side, share in zip(sides, shares, strict=True))
    assert make_split(entries, config, seed=seed) == split
    assert split.claim == "subjects never seen"


def test_every_subject_is_tested_in_one_fold_and_never_learnt_from_there():
    entries = people(11)
    tested = []
    for fold in range(4):
        split = make_split(entries, SplitConfig(by="subject", folds=4, fold=fold), seed=3)
        tested += sorted(subjects_of(split, "test"))
        assert not subjects_of(split, "test") & (subjects_of(split, "train") | subjects_of(split, "validation"))
        assert split.parts["validation"]
    assert sorted(tested) == sorted({entry.subject for entry in entries})


def test_a_column_is_taken_as_it_stands_and_a_subject_on_two_splits_refused():
    entries = [Entry("a", (), "p", "train"), Entry("b", (), "q", "validation"), Entry("c", (), "r", "test")]
    split = make_split(entries, SplitConfig(), seed=0)
    assert [split.ids(side) for side in SPLITS] == [("a",), ("b",), ("c",)]
    with pytest.raises(ConfigError, match=r"subject p is in train \(a\) and in test \(d\)"):
        make_split([*entries, Entry("d", (), "p", "test")], SplitConfig(), seed=0)
    with pytest.raises(ConfigError, match="the column 'split' holds no validation and no test"):
        make_split(entries[:1], SplitConfig(), seed=0)
    assert make_split(entries[:2], SplitConfig(), seed=0).ids("test") == ()  # enough to pretrain on


def test_in_time_the_later_recordings_are_judged_and_the_claim_says_so():
    entries = [Entry(f"r{k}", (), "p", when=f"2024-01-{20 - k:02}") for k in range(10)] + [Entry("only", (), "q")]
    split = make_split(entries, SplitConfig(by="time", shares=(0.6, 0.2, 0.2)), seed=0)
    assert split.ids("test") == ("r1", "r0", "only")
    assert split.ids("train")[0] == "r9"
    assert [(p.start, p.stop) for side in SPLITS for p in split.parts[side] if p.id == "only"] == [
        (0, 0.6),
        (0.6, 0.8),
        (0.8, 1.0),
    ]
    assert split.claim == "later recordings of the same subjects"
    with pytest.raises(ConfigError, match="time needs a column 'time' for p"):
        make_split([*entries, Entry("x", (), "p")], SplitConfig(by="time"), seed=0)


def test_where_nobody_knows_who_was_recorded_the_claim_says_so():
    split = make_split([Entry(f"r{k}", (), "") for k in range(12)], SplitConfig(by="subject"), seed=0)
    assert split.claim == "recordings never seen; who was recorded is not known"


def test_the_published_split_is_refused_for_recordings_that_are_not_of_it():
    config = SplitConfig(by="de_chazal", validation=("114",))
    with pytest.raises(ConfigError, match="none of its records is here"):
        make_split(people(5), config, seed=0)
    some = [Entry(name, (), mitdb_subject(name)) for name in (*DS1[:5], "114", "201", *DS2[:5])]
    split = make_split(some, config, seed=0)
    assert "201" not in split.subjects
    assert split.notes[-1].startswith("Not here: ")


def test_a_split_survives_json_and_a_changed_one_is_refused():
    split = make_split(people(9), SplitConfig(by="subject"), seed=1)
    again = Split.from_json(split.to_json())
    assert (again, again.digest) == (split, split.digest)
    with pytest.raises(RecordError, match="sha256"):
        Split.from_json(split.to_json().replace('"r1"', '"r0"', 1))
    with pytest.raises(RecordError, match="what `biotl split` writes"):
        Split.from_json("[]")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shares": (0.5, 0.1, 0.1)}, "sum of 0.7"),
        ({"folds": 3, "fold": 3}, "less than the 3 folds"),
        ({"by": "time", "folds": 3}, "wanted by: subject, whose"),
        ({"by": "split", "validation": ("p1",)}, "wanted by: subject or de_chazal"),
    ],
)
def test_a_split_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        SplitConfig(**{"by": "subject", **changes})


def test_subjects_to_choose_by_are_taken_by_name_instead_of_drawn():
    split = make_split(people(20), SplitConfig(by="subject", validation=("p3", "p7")), seed=0)
    assert subjects_of(split, "validation") == {"p3", "p7"}
    assert len(subjects_of(split, "test")) == 3
    with pytest.raises(ConfigError, match=r"data\.split\.validation: got p99, wanted subjects of the recordings"):
        make_split(people(20), SplitConfig(by="subject", validation=("p99",)), seed=0)


def test_the_fast_track_draws_seventy_subjects_and_leaves_some_to_choose_by():
    people = [Entry(str(k), (), f"p{k // 2}") for k in range(200)]
    split = make_split(people, SplitConfig(by="fasttrack"), seed=42)
    counts = {which: len({split.subjects[part.id] for part in split.parts[which]}) for which in SPLITS}
    assert counts == {"train": 42, "validation": 8, "test": 20}
    assert split.claim == "subjects never seen"
    assert split.how.startswith("70 of 100 subjects, drawn with seed 42 for 60% train")
    assert make_split(people, SplitConfig(by="fasttrack"), seed=43).digest != split.digest
