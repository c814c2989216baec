"""The recipe: its configurations, who is on which side, thresholds, and every beat judged once."""

from pathlib import Path

import numpy as np
import pytest
import torch

from biotl.config import load, validate
from biotl.datasets.beats import AAMI, BINARY, BeatLabels
from biotl.datasets.recordings import Recording, prepare_recording
from biotl.datasets.spec import SignalSpec
from biotl.deploy.predictor_before import decide
from biotl.errors import ConfigError
from biotl.models.registry import build
from biotl.recipes.ecgbert import EcgbertConfig, choose_thresholds, infer, judge, read_sides, set_up
from biotl.records import ecg
from biotl.training.groups import select

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("ecgbert_*.yaml"))
SPEC = SignalSpec(window_beats=16, context_beats=4)


@pytest.fixture(scope="module")
def recordings():
    return [prepare_recording(ecg(1, subject, duration_s=60.0), SPEC) for subject in range(3)]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_loads_and_its_stages_fit_its_model(path):
    config = load(path, EcgbertConfig, environment={})
    model = build(config.model.name, classes=5, **config.model.args)
    for stage in config.stages:
        assert stage.view in {"tokens", "beats"}
        for pattern in stage.trains:
            select(model, pattern)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_is_headed_by_its_command(path):
    assert f"configs/{path.name}\n" in path.read_text().split("recipe:")[0]


def test_the_first_beat_stage_leaves_the_embedding_as_it_was_pretrained():
    for path in CONFIGS:
        beats = [s for s in load(path, EcgbertConfig, environment={}).stages if s.view == "beats"]
        if beats:
            assert "embedding" not in beats[0].trains
            assert set(beats[1].trains) == {"embedding", "encoder", "head"}


def test_a_subject_on_two_sides_is_refused_before_anything_is_learnt(recordings):
    config = load(CONFIGS[0], EcgbertConfig, environment={})
    one, two, _ = recordings
    with pytest.raises(ConfigError, match=f"subject {one.subject} is in train"):
        set_up(config, SPEC, {"train": [one], "validation": [two], "test": [one]})


def test_a_root_without_recordings_refuses_each_by_name(tmp_path):
    tree = {"recipe": "ecgbert", "run": str(tmp_path), "stages": [{"name": "a", "loss": "cross_entropy"}]}
    config = validate(EcgbertConfig, tree | {"data": {"root": str(tmp_path), "validation": ["114"]}})
    sides, refused = read_sides(config)
    assert not any(sides.values())
    assert len(refused) == 43
    assert "101" in str(refused[0])


def test_every_beat_gets_the_probabilities_of_its_own_window(recordings):
    torch.manual_seed(0)
    model = build("ecgbert", dim=16, layers=1, heads=2, hidden=16)
    together = infer(model, recordings, SPEC)
    for recording, found in zip(recordings, together, strict=True):
        assert found.shape == (len(recording.sentence.rpeaks), 5)
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(infer(model, [recording], SPEC)[0], found, atol=1e-5)


def with_labels(recording, label):
    return Recording(recording.name, recording.subject, recording.sentence, BeatLabels(label, np.array([], np.int64)))


def test_thresholds_are_moved_where_that_helps_and_stay_where_it_does_not(recordings):
    recording = recordings[0]
    label = np.arange(len(recording.sentence.rpeaks)) % 2
    unsure = np.stack([np.where(label, 0.7, 0.9), np.where(label, 0.3, 0.1)], axis=1).astype(np.float32)
    held = with_labels(recording, label)
    thresholds = choose_thresholds([held], [unsure], BINARY)
    assert judge([held], [decide(unsure, thresholds)], BINARY).macro_f1 == 1
    sure = np.eye(5, dtype=np.float32)[label]
    np.testing.assert_allclose(choose_thresholds([held], [sure], AAMI), 0.2)
