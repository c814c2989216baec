"""Samples: inputs and targets of the right units, drawn from the seed alone, the same in every process."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from biotl.datasets.labels import BeatClass, ChannelAt, Itself
from biotl.datasets.manifest import Entry
from biotl.datasets.prepare import prepare_store
from biotl.datasets.samples import Samples, fit, split_samples, spread
from biotl.datasets.sentences import SentencePreprocessor
from biotl.datasets.sequences import SequencePreprocessor
from biotl.datasets.spec import Channel
from biotl.datasets.spec_kinds import SentenceSpec, SequenceSpec, WindowSpec
from biotl.datasets.splits import Part, SplitConfig, make_split
from biotl.datasets.transforms import IGNORED, HideTokens, MaskedTokens
from biotl.datasets.windows import WindowPreprocessor
from biotl.errors import ConfigError
from biotl.records import ecg
from biotl.records.write import write_wfdb

SPEC = SentenceSpec(window_beats=16, context_beats=4)


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    return [
        Entry(f"r{k}", (write_wfdb(ecg(1, k, duration_s=40.0), folder),), f"p{k}", side)
        for k, side in enumerate(("train", "train", "validation", "test"))
    ]


@pytest.fixture(scope="module")
def store(entries, tmp_path_factory):
    return prepare_store(entries, SentencePreprocessor(SPEC), BeatClass(), tmp_path_factory.mktemp("store"))[0]


@pytest.fixture(scope="module")
def fitted(store):
    return SentencePreprocessor(SPEC).fit((store[n] for n in ("r0", "r1")), names=("r0", "r1"), seed=0)


@pytest.fixture
def train(store, fitted):
    return Samples(store, fitted, [Part("r0"), Part("r1")], transforms=[HideTokens(0.3)])


def test_every_beat_is_scored_once_with_its_own_label(train, store):
    for id_ in ("r0", "r1"):
        labels = store.targets(id_)["labels"]
        seen = np.zeros(len(labels), int)
        for i in range(len(train)):
            if train.where(i)[0] == id_:
                sample = train[i]
                at = sample["unit"] >= 0
                seen[sample["unit"][at]] += 1
                expected = np.where(labels < 0, IGNORED, labels)[sample["unit"][at]]
                np.testing.assert_array_equal(sample["labels"][at], expected)
                assert (sample["labels"][~at] == IGNORED).all()
        assert (seen == 1).all()


def same(a, b):
    assert a.keys() == b.keys()
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name])


def test_drawing_depends_on_the_random_numbers_alone_and_indexing_hides_nothing(train, store, fitted):
    same(train.draw(1, np.random.default_rng([7, 1])), train.draw(1, np.random.default_rng([7, 1])))
    assert (train.draw(1, np.random.default_rng([7, 2]))["tokens"] != train[1]["tokens"]).any()
    plain = Samples(store, fitted, [Part("r0"), Part("r1")])
    same(train[1], plain[1])
    same(plain[1], plain.draw(1, np.random.default_rng(0)))


def test_masking_is_there_in_validation_too_and_the_same_each_time(store, fitted):
    masked = Samples(store, fitted, [Part("r2")], transforms=[HideTokens(0.5), MaskedTokens()])
    same(masked[0], masked[0])
    assert (masked[0]["labels"] != IGNORED).any()


def test_the_splits_have_their_own_people_and_only_training_is_disturbed(store, fitted, entries):
    found = split_samples(
        store, fitted, make_split(entries, SplitConfig(), seed=0), transforms=[HideTokens(0.3), MaskedTokens()]
    )
    assert {side: set(samples.subjects) for side, samples in found.items()} == {
        "train": {"p0", "p1"},
        "validation": {"p2"},
        "test": {"p3"},
    }
    assert found["train"].fitted_on == ("p0", "p1")
    assert [len(found[side].transforms) for side in ("train", "validation", "test")] == [2, 1, 1]
    assert found["validation"].labels[0].tolist() == store.targets("r2")["labels"].tolist()


def test_one_recording_under_two_ids_on_two_splits_is_refused_by_its_contents(entries, fitted, tmp_path):
    twin = dataclasses.replace(entries[0], id="twin", subject="somebody", split="test")
    store, _ = prepare_store([*entries, twin], SentencePreprocessor(SPEC), BeatClass(), tmp_path)
    with pytest.raises(ConfigError, match="split: r0 in train and twin in test hold the same signal"):
        split_samples(store, fitted, make_split([*entries, twin], SplitConfig(), seed=0))


def test_samples_pickle_small_and_come_back_the_same(train, store):
    """Fault 2: whatever a worker process needs is the folder of the store and what to take from it."""
    data = pickle.dumps(train)
    assert len(data) < 40_000
    again = pickle.loads(data)
    assert (len(again), again.digest, again.subjects) == (len(train), train.digest, train.subjects)
    same(again.draw(2, np.random.default_rng(3)), train.draw(2, np.random.default_rng(3)))


def test_the_digest_changes_with_what_samples_are_cut_from(train, store, fitted):
    other = SentencePreprocessor(SPEC).fit([store["r0"]], names=["r0"], seed=0)
    parts = [Part("r0"), Part("r1")]
    digests = [Samples(store, p, of).digest for p, of in ((fitted, parts), (other, parts), (fitted, parts[:1]))]
    assert len(set(digests)) == 3
    assert digests[0] == train.digest


def test_workers_give_what_one_process_gives(train):
    loader = DataLoader(train, batch_size=2, num_workers=2, multiprocessing_context="forkserver")
    batches = list(loader)
    assert sum(len(batch["tokens"]) for batch in batches) == len(train)
    for i, batch in enumerate(batches):
        for name, array in batch.items():
            assert torch.equal(
                array, torch.as_tensor(np.stack([train[k][name] for k in range(2 * i, min(2 * i + 2, len(train)))]))
            )


def test_a_stretch_of_a_recording_reads_nothing_beyond_it(store, fitted):
    prepared = store["r0"]
    early, late = (Samples(store, fitted, [part]) for part in (Part("r0", 0.0, 0.6), Part("r0", 0.6, 1.0)))
    cuts = fitted.cuts(prepared)
    for samples, low, high in ((early, 0, 0.6), (late, 0.6, 1)):
        assert 0 < len(samples) < len(cuts)
        for i in range(len(samples)):
            start, stop = fitted.reads(prepared, cuts[samples.where(i)[1]])
            assert low * prepared.samples <= start < stop <= high * prepared.samples


def test_of_a_stretch_nothing_else_is_fitted_on(store, entries, tmp_path):
    early = fit(store, SentencePreprocessor(SPEC), [Part("r0", 0.0, 0.5)], seed=0)
    whole = fit(store, SentencePreprocessor(SPEC), [Part("r0")], seed=0)
    n = [sum(int(count.sum()) for count in p.vocabulary.counts) for p in (early, whole)]
    assert n[0] == pytest.approx(n[1] / 2, abs=4)
    channels = ({"name": "ECG", "normalizer": "training"},)
    for kind in (
        WindowPreprocessor(WindowSpec(fs=90, length_s=5, channels=channels)),
        SequencePreprocessor(SequenceSpec(fs=10, length=50, channels=channels)),
    ):
        held, _ = prepare_store(entries[:1], kind, Itself(), tmp_path / kind.unit)
        signal = held["r0"].arrays["signal"].ravel().astype(np.float64)
        late = fit(held, kind, [Part("r0", 0.75, 1.0)], seed=0).state["scaler"]["mean"]
        assert late == pytest.approx([signal[len(signal) * 3 // 4 :].mean()], rel=1e-9)


def test_a_store_of_another_spec_is_refused_by_field(store):
    with pytest.raises(ConfigError, match=r"spec\.window_beats: the store has 16, the preprocessor has 48"):
        Samples(store, SentencePreprocessor(SentenceSpec()), [Part("r0")])


def test_the_target_of_a_window_is_one_and_of_a_sequence_one_a_step(entries, tmp_path):
    windows = WindowPreprocessor(WindowSpec(fs=90, length_s=5, channels=({"name": "ECG"},)))
    target = ChannelAt(Channel(name="V1"))
    store, _ = prepare_store(entries[:1], windows, target, tmp_path / "w")
    sample = Samples(store, windows, [Part("r0")])[3]
    assert (sample["target"].shape, sample["mask"].shape, sample["unit"].shape) == ((), (), ())
    assert sample["target"] == store.targets("r0")["target"][3]
    steps = SequencePreprocessor(SequenceSpec(fs=1, length=16, channels=({"name": "MLII"},)))
    store, _ = prepare_store(entries[:1], steps, target, tmp_path / "s")
    sample = Samples(store, steps, [Part("r0")])[2]
    np.testing.assert_array_equal(sample["mask"], sample["valid"])
    np.testing.assert_array_equal(sample["target"][:8], store.targets("r0")["target"][32:])
    store, _ = prepare_store(entries[:1], windows, Itself(), tmp_path / "i")
    assert set(Samples(store, windows, [Part("r0")])[0]) == {"signal", "measured", "unit"}
    assert Samples(store, windows, [Part("r0")]).labels is None


def test_spreading_leaves_the_rest_alone():
    assert spread(np.array(1), {"labels": np.array([3, 4])})["labels"] == 4
    found = spread(np.array([-1, 0]), {"target": np.array([2.5], np.float32), "mask": np.array([True])})
    assert found["mask"].tolist() == [False, True]
    assert found["target"].dtype == np.float32
