"""The demo walks the whole path of a recipe and leaves what it says; it goes on, and overwrites nothing."""

import csv
import json
import subprocess
import sys
import time

import numpy as np
import pytest

from biotl.cli import main
from biotl.datasets.vocabulary import fitted_on
from biotl.errors import ConfigError
from biotl.recipes import demo, registry, synthetic


def few(patch):
    """Few subjects and epochs: every step is taken, nothing is learnt well."""
    patch.setattr(synthetic, "SUBJECTS", {"train": 5, "validation": 3, "test": 3})
    load = registry.load

    def short(name, overrides=()):
        config = load(name, overrides)
        stages = tuple(stage.model_copy(update={"epochs": 1}) for stage in config.stages)
        return config.model_copy(update={"stages": stages})

    patch.setattr(registry, "load", short)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "run"
    lines = []
    with pytest.MonkeyPatch.context() as patch:
        few(patch)
        done = demo.run(folder, say=lines.append)
    return folder, done, lines


def test_the_folder_holds_everything(small):
    folder, _, lines = small
    assert {path.name for path in folder.iterdir()} == {"config.yaml", "manifest.csv", "recordings", "run"}
    names = {path.name for path in (folder / "run").iterdir()}
    assert names >= {
        "checkpoints", "config.resolved.yaml", "env.json", "metrics.jsonl", "model.onnx", "model_card.md",
        "predictions.csv", "report.html", "results.json", "split.json", "store",
    }  # fmt: skip
    assert [line[:3] for line in lines] == ["1/3", "2/3", "3/3"]


def test_onnxruntime_repeats_the_answers_of_torch_on_the_raw_file(small):
    _, done, _ = small
    assert done.agrees
    np.testing.assert_array_equal(done.prediction.value, done.published.answered[0].answers["ecgbert"])


def test_the_report_shows_the_figures_of_the_run(small):
    folder, done, _ = small
    page = (folder / "run" / "report.html").read_text()
    results = json.loads((folder / "run" / "results.json").read_text())
    own = results["models"]["ecgbert"]["macro_f1"]
    assert f"{own:.1f}" in page
    assert done.published.scores[0]["macro-F1 %"] == pytest.approx(own, abs=0.01)
    for name in ("majority", "RR rule", "gradient boosting"):
        assert name in page


def test_nobody_is_on_two_parts_of_the_split_and_the_vocabulary_saw_training_recordings_alone(small):
    folder, _, _ = small
    with (folder / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    people = {
        part: {row["subject"] for row in rows if row["split"] == part} for part in ("train", "validation", "test")
    }
    assert all(people.values())
    assert not people["train"] & people["test"]
    assert not people["validation"] & (people["train"] | people["test"])
    results = json.loads((folder / "run" / "results.json").read_text())
    assert {row["subject"] for row in results["per_subject"]} == people["test"]
    # the vocabulary says how many recordings it was fitted on, and the digest of their ids: of the training ones alone
    learnt = [row["id"] for row in rows if row["split"] == "train"]
    vocabulary = json.loads((folder / "run" / "bundle.json").read_text())["state"]["vocabulary"]
    assert vocabulary["recordings"] == list(fitted_on(learnt))
    assert vocabulary["recordings"] != list(fitted_on([row["id"] for row in rows]))


def test_the_model_file_predicts_from_the_command_line(small, capsys):
    folder, done, _ = small
    raw = folder / "recordings" / done.prediction.record
    assert main(["predict", str(folder / "run" / "model.onnx"), str(raw)]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["label"] for row in rows] == list(done.prediction.names)


def test_a_finished_demo_is_not_run_again_and_nothing_in_its_folder_changes(small):
    folder, _, _ = small
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.MonkeyPatch.context() as patch:
        few(patch)
        with pytest.raises(ConfigError, match="holds a finished demo"):
            demo.run(folder, say=lambda _: None)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["notes.txt", "config.yaml", "manifest.csv"])
def test_a_folder_with_files_of_the_users_own_is_left_alone(name, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match="choose another folder"):
        demo.run(tmp_path, say=lambda _: None)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_an_interrupted_demo_goes_on_to_the_same_weights(small, tmp_path):
    _, done, _ = small
    other = tmp_path / "run"
    lines = []
    with pytest.MonkeyPatch.context() as patch:
        few(patch)
        with patch.context() as broken:
            broken.setattr("biotl.recipes.publish.finetuned", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                demo.run(other, say=lines.append)
        again = demo.run(other, say=lines.append)
    assert lines[-2].endswith("--resume")
    for mine, theirs in zip(again.published.answered, done.published.answered, strict=True):
        np.testing.assert_array_equal(mine.probability, theirs.probability)


@pytest.mark.parametrize("name", ["window_class", "value"])
def test_every_recipe_has_a_demo(name, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        few(patch)
        done = demo.run(tmp_path / "run", name=name, say=lambda _: None)
    assert done.agrees
    assert len(done.prediction) == 6
    assert len(done.published.scores) == 4


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*registry.shipped()} - {"demo", "window_class", "value"}))
def test_every_shipped_configuration_has_a_demo(name, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        few(patch)
        done = demo.run(tmp_path / "run", name=name, say=lambda _: None)
    assert done.agrees
    assert len(done.prediction)


@pytest.mark.slow
def test_the_whole_demo_takes_minutes_and_beats_majority_and_the_rr_rule(tmp_path):
    began = time.monotonic()
    command = [sys.executable, "-m", "biotl", "demo", str(tmp_path / "run"), "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    macro = {row["model"]: row["macro-F1 %"] for row in found["scores"]}
    assert macro["ecgbert"] > macro["RR rule"] > macro["majority"]
    assert found["agrees"]
    assert time.monotonic() - began < 180
