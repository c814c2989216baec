"""Copies of recordings: what was said of a beat goes with it, and what is learnt from them is balanced."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from biotl.datasets.beats import label_beats, reference_beats
from biotl.datasets.changes import Changed
from biotl.datasets.copies import BEATS, KINDS, Copy, copies
from biotl.datasets.joined import Joined, weights
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.labels import BeatClass
from biotl.datasets.levels import LEVELS, levels, steps
from biotl.datasets.manifest import Entry
from biotl.datasets.prepare import prepare_store
from biotl.datasets.samples import Samples
from biotl.datasets.spec_kinds import BeatSpec, SentenceSpec
from biotl.datasets.splits import Part
from biotl.records import read

N, S, V = 0, 1, 2
FIBRILLATES = [KINDS[kind] for kind in ("fibrillation", "whole fibrillation", "paroxysm")]
TWO = SentenceSpec(describe="beats", channels=(SentenceSpec().channels[0], BeatSpec().channels[1]))


def first(record, seconds):
    """The beginning of a recording."""
    n = round(seconds * record.fs)
    marks = record.annotations["atr"]
    kept = marks.sample < n
    fields = {name: getattr(marks, name)[kept] for name in ("sample", "symbol", "subtype", "channel", "number")}
    marks = replace(marks, aux=tuple(np.array(marks.aux)[kept]), **fields)
    return replace(record, signal=record.signal[:, :n], annotations={"atr": marks})


@pytest.fixture(scope="module")
def record(mitdb):
    """A quarter of an hour of a real recording with S and V."""
    return first(read(mitdb / "209", annotators=["atr"]), 900)


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_a_recording_whose_beats_the_detector_finds_where_they_are_marked(record, kind):
    made = Copy(kind, seed=1)(record)
    beats = reference_beats(made.annotations["atr"])
    prepared = make_preprocessor(TWO).prepare([made])
    found = label_beats(beats, prepared.arrays["rpeaks"], made.fs)
    assert np.isfinite(made.signal).all()
    assert len(beats.sample) > BEATS // 2
    assert len(found.missed) < 0.02 * len(beats.sample)
    # where a copy fibrillates, what was S has no class: at most as many as any stretch holds
    was = reference_beats(record.annotations["atr"]).label == S
    most = np.convolve(was, np.full(BEATS, 1 / BEATS), mode="valid").max() if KINDS[kind] in FIBRILLATES else 0
    assert (found.label == -1).mean() < most + 0.02


def test_a_copy_holds_the_share_that_it_was_drawn_with_and_more_than_the_recording(record):
    shares = [np.mean(reference_beats(Copy("more S", seed=k)(record).annotations["atr"]).label == S) for k in range(12)]
    own = np.mean(reference_beats(record.annotations["atr"]).label == S)
    assert max(shares) > own + 0.2
    assert min(shares) < 0.1


def test_copies_that_are_numbered_hold_a_class_in_half_of_their_beats_as_often_as_not(record):
    shares = [
        np.mean(reference_beats(Copy("more S 0", seed=k)(record).annotations["atr"]).label == S) for k in range(16)
    ]
    assert np.mean(np.array(shares) > 0.4) > 0.3
    assert min(shares) < 0.3


def test_a_copy_keeps_early_beats_early(record):
    def early(of):
        beats = reference_beats(of.annotations["atr"])
        rr = np.diff(beats.sample)
        return np.median(rr[beats.label[1:] == S]) / of.fs

    assert abs(early(Copy("more S", seed=3)(record)) - early(record)) < 0.02


def test_the_same_seed_gives_the_same_copy_and_another_gives_another(record):
    one, same, other = (Copy("premature", seed=k)(record) for k in (0, 0, 1))
    assert np.array_equal(one.signal, same.signal)
    assert one.signal.shape != other.signal.shape or not np.array_equal(one.signal, other.signal)


def test_what_a_recording_has_no_beats_of_is_not_made_more_of():
    entry = Entry("a", (), "a")
    made = copies([entry, entry], [{"N": 9, "S": 5, "V": 4}, {"N": 9, "S": 0, "V": 9}], ["N", "S", "V"], Copy(""))
    each = ["a other lead", "a noise", "a premature", "a fibrillation", "a whole fibrillation"]
    each += ["a paroxysm 1", "a paroxysm 2"]
    assert [of.id for of in made[:11]] == [*each, "a more S", "a more S 0", "a more S 1", "a more S 2"]
    assert [of.id for of in made[11:]] == [*each, "a more V", "a more V 0", "a more V 1", "a more V 2"]
    assert [of.id for of in copies([entry], [{}], ["normal", "abnormal"], Copy(""))] == ["a other lead", "a noise"]


def test_levels_follow_the_order_of_values_and_end_where_training_beats_do():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(5000, 2)).astype(np.float32)
    table[:, 1] = np.maximum(table[:, 1], 0)  # half of them at one value
    at = steps(table)
    found = levels(np.sort(table, axis=0), at)
    assert (np.diff(found, axis=0) >= 0).all()
    assert found.min() >= 0 and found.max() == LEVELS  # noqa: PT018
    assert (levels(table * 1e6, at) <= LEVELS).all()
    assert np.abs(levels(table * np.float32(1 + 1e-6), at) - levels(table, at)).max() < 0.01


def test_a_second_lead_describes_beats_and_leaves_the_sentence_as_it_is(record):
    one = TWO.model_copy(update={"channels": TWO.channels[:1]})
    alone, both = (make_preprocessor(spec).prepare([record]) for spec in (one, TWO))
    assert both.about["leads"] == {"ECG": "MLII", "ECG_2": "V1"}
    assert alone.about["leads"] == {"ECG": "MLII"}
    assert both.arrays["described"].shape == (len(both.arrays["rpeaks"]), 101)
    assert not np.array_equal(alone.arrays["described"][:50], both.arrays["described"][:50])
    single = make_preprocessor(TWO).prepare([record.select("MLII")])
    for name, array in alone.arrays.items():
        assert np.array_equal(array, single.arrays[name])


def test_neither_the_usual_class_nor_one_person_decides(mitdb, tmp_path):
    plain = {name: Entry(name, (mitdb / "209",), name) for name in "ab"}
    cut = {"a": partial(first, seconds=900), "b": partial(first, seconds=300)}
    entries = [Changed.of(entry, cut[name]) for name, entry in plain.items()]
    preprocessor, target = make_preprocessor(TWO), BeatClass()
    store, refused = prepare_store(entries, preprocessor, target, tmp_path / "store")
    assert not refused
    samples = [Samples(store, preprocessor, [Part(entry.id)]) for entry in entries]
    joined, each = Joined(samples, 5), weights(samples, 5)
    count = {name: np.bincount(np.maximum(store.targets(name)["labels"], 0), minlength=5) for name in "ab"}
    total = sum(each[name] * count[name] for name in "ab")
    ratio = (count["a"] + count["b"])[:2] ** 0.25
    assert total[N] / total[S] == pytest.approx(ratio[0] / ratio[1])
    spread = [(each[name] * count[name])[N] for name in "ab"]
    assert spread[0] / spread[1] == pytest.approx((count["a"][N] / count["b"][N]) ** 0.1)
    drawn = [joined.draw(i, np.random.default_rng(0)) for i in range(len(joined))]
    weight, label = (np.concatenate([sample[name] for sample in drawn]) for name in ("weight", "labels"))
    assert weight[label >= 0].mean() == pytest.approx(1, abs=0.02)
    assert not weight[label < 0].any()
    assert joined.subjects == ["a"] * len(samples[0]) + ["b"] * len(samples[1])
