"""A model beside the reference: each recording once, whoever it was trained on named, labels by name."""

import dataclasses
import os

import numpy as np
import pytest

from biotl.datasets.labels import BeatClass
from biotl.datasets.manifest import Entry
from biotl.deploy.bundle import Data
from biotl.deploy.describe import describe
from biotl.deploy.evaluate import evaluate_entries
from biotl.deploy.predictor import Predictor
from biotl.errors import ConfigError, RecordError
from biotl.records import ecg
from biotl.records.write import write_wfdb


@pytest.fixture(scope="module")
def predictor(exported):
    return Predictor(exported.path, threads=1)


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    paths = [write_wfdb(ecg(7, subject, duration_s=40.0), folder) for subject in range(2)]
    learnt = write_wfdb(dataclasses.replace(ecg(1, 0, duration_s=90.0), name="renamed"), folder)
    return [Entry(path.name, (path,), path.name) for path in (*paths, learnt)]


def test_beats_come_beside_their_reference_with_what_was_missed(predictor, entries):
    found, refused, notes = evaluate_entries(predictor, entries[:2], BeatClass())
    assert refused == notes == []
    for one, entry in zip(found, entries, strict=False):
        (record,) = entry.read(("atr",))
        answers = one.answers["ecgbert"]
        assert (one.id, one.subject, one.unit, len(one.truth)) == (entry.id, entry.subject, "beat", len(answers))
        assert (one.truth >= 0).sum() + len(one.missed) == len(record.annotations["atr"])


def test_a_recording_that_is_given_twice_counts_once_and_is_named(predictor, entries, tmp_path):
    again = tmp_path / "copy"
    os.link(entries[0].files[0].with_suffix(".atr"), tmp_path / "copy.atr")
    header = entries[0].files[0].with_suffix(".hea").read_text().replace("s000", "copy")
    (tmp_path / "copy.hea").write_text(header)
    os.link(entries[0].files[0].with_suffix(".dat"), tmp_path / "copy.dat")
    twice = [*entries[:2], Entry("other", (entries[0].files[0],), "x"), Entry("copy", (again,), "y")]
    found, _, notes = evaluate_entries(predictor, twice, BeatClass())
    assert [one.id for one in found] == ["s000", "s001"]
    assert notes == ["counted once, though given again: other (as s000), copy (as s000)"]


def test_a_recording_that_the_model_was_trained_on_is_named(exported, entries):
    predictor = Predictor(exported.path, threads=1)
    data = Data.of([exported.preprocessor.prepare(entries[2].read(()))])
    about = predictor.bundle.about.model_copy(update={"data": data})
    predictor.bundle = predictor.bundle.model_copy(update={"about": about})
    _, _, notes = evaluate_entries(predictor, entries, BeatClass())
    assert notes == ["the model was trained on: renamed"]


def test_classes_of_the_reference_in_another_order_are_matched_by_name(predictor, entries):
    plain, _, _ = evaluate_entries(predictor, entries[:1], BeatClass())
    other, _, _ = evaluate_entries(predictor, entries[:1], BeatClass(classes={"V": "V", "N": "N"}))
    held = (plain[0].truth == 0) | (plain[0].truth == 2)
    np.testing.assert_array_equal(plain[0].truth[held], other[0].truth[held])


def test_classes_that_the_model_does_not_tell_are_refused(predictor, entries):
    with pytest.raises(ConfigError, match="labels: the reference has good, ectopic, the model tells N, S, V, F, Q"):
        evaluate_entries(predictor, entries, BeatClass(classes={"N": "good", "V": "ectopic"}))


def test_refused_recordings_come_with_their_reason_and_all_refused_is_an_error(predictor, entries, tmp_path):
    none = Entry("none", (tmp_path / "none",), "n")
    found, refused, _ = evaluate_entries(predictor, [none, entries[0]], BeatClass())
    assert (len(found), [type(error) for error in refused]) == (1, [RecordError])
    with pytest.raises(RecordError, match="none"):
        evaluate_entries(predictor, [none], BeatClass())


# What a file is


def test_a_model_is_shown_with_the_names_of_its_dimensions(exported):
    shown = describe(exported.path)
    assert shown["inputs"]["tokens"] == "tensor(int64) ['batch', 'tokens']"
    assert shown["output"] == {
        "logits": "tensor(float) ['batch', 'tokens', 5]",
        "probability": "tensor(float) ['batch', 'tokens', 5]",
        "answer": "tensor(int64) ['batch', 'tokens']",
    }
    assert shown["about"]["data"]["count"] == 2
    assert "recordings" not in shown["about"]["data"]


def test_a_checkpoint_with_a_flipped_bit_is_called_damaged_without_torch(tmp_path):
    import torch

    from biotl.training.checkpoint import Checkpoint, save

    path = tmp_path / "c.safetensors"
    tensors = {"model.w": torch.randn(3, 4), "model.n": torch.tensor(5), "h": torch.zeros(2, dtype=torch.bfloat16)}
    save(path, Checkpoint(tensors, {"config": {"seed": 1}}))
    assert describe(path)["tensors"] == 3
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)
    with pytest.raises(RecordError, match=r"sha256: got .* the file is damaged"):
        describe(path)
    path.write_bytes(data[:-4])
    with pytest.raises(RecordError):
        describe(path)
