"""Pretraining on pulses and fine-tuning an inflated encoder: by the one driver, from files to a model file."""

import dataclasses
import json

import numpy as np
import pytest

from biotl.cli import main
from biotl.datasets.manifest import Entry
from biotl.errors import ConfigError
from biotl.recipes import butppg, demo, registry, run, synthetic
from biotl.recipes.pulses import FS, recording
from biotl.records.pulse import CHANNELS
from biotl.signal import ppg_peaks, quality
from conftest import data_folder
from test_demo import few


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ssl") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        few(patch)
        return folder, demo.run(folder, name="ssl_pretrain", say=lambda _: None)


def test_pretraining_ends_with_an_encoder_and_a_probe_beside_random_weights(pretrained):
    folder, done = pretrained
    assert done.agrees
    assert done.prediction.value.shape == (6, 64)
    assert [row["model"] for row in done.published.scores] == [
        "pretrained",
        "random initialisation",
        "simple features",
        "mean",
    ]
    assert json.loads((folder / "run" / "results.json").read_text())["looks"] == 0


def test_an_encoder_of_two_channels_finds_its_place_among_five_by_name(pretrained, tmp_path, capsys):
    folder, _ = pretrained
    weights = folder / "run" / "checkpoints" / "best-ssl.safetensors"
    own = [f"data.manifest={folder / 'manifest.csv'}", "data.split={by: split}", f"run={tmp_path / 'run'}"]
    own += [f"stages[0].init={weights}", "stages[0].min_share=0.5", *(f"stages[{k}].epochs=1" for k in range(3))]
    done = run.finetune(registry.load("butppg_finetune", own))
    said = capsys.readouterr().err
    assert "inflated 1, reshaped 0, missing 2, mismatched 0" in said
    assert "channels: PPG ECG copied, ACC_X ACC_Y ACC_Z new (zero)" in said
    assert done.model.is_file()
    assert {row["model"] for row in done.scores} >= {"patch_encoder_small", "majority", "logistic regression"}


def test_an_encoder_learns_which_windows_a_movement_spoils(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "SUBJECTS", {"train": 16, "validation": 5, "test": 5})
        done = demo.run(tmp_path / "demo", name="butppg_finetune", say=lambda _: None)
    assert done.agrees
    assert done.published.scores[0]["macro-F1 %"] > 80


@pytest.mark.parametrize(
    ("config", "folder", "units"), [("butppg_finetune", "butppg/raw", 24), ("troika_finetune", "troika", 198)]
)
def test_the_configurations_of_public_data_prepare_all_of_it(config, folder, units, tmp_path, capsys):
    root = data_folder(folder)
    assert main(["prep", config, "--set", f"data.root={root}", "--run", str(tmp_path / "run"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["recordings"]
    assert sum(row["windows"] for row in rows) == units
    assert {row["split"] for row in rows} == {"train", "validation", "test"}


def test_a_channel_to_hide_that_is_none_is_named(pretrained, tmp_path):
    folder, _ = pretrained
    own = [f"data.manifest={folder / 'manifest.csv'}", f"run={tmp_path / 'run'}", "data.mask.channels=[ABP]"]
    with pytest.raises(ConfigError, match=r"data\.mask\.channels: got ABP, wanted some of PPG, ECG"):
        run.pretrain(registry.load("ssl_pretrain", own))


def test_the_pulses_of_a_subject_follow_its_heart_and_its_motion_is_labelled():
    record, rows = recording(0, 3)
    again, same = recording(0, 3)
    np.testing.assert_array_equal(record.signal, again.signal)
    assert rows == same
    assert record.channels == CHANNELS
    moving = [
        float(record.signal[2:, round(float(r["start_s"]) * FS) : round(float(r["stop_s"]) * FS)].std()) for r in rows
    ]
    assert [m > 0.1 for m in moving] == [row["quality"] == "poor" for row in rows]
    still = next(row for row in rows if row["quality"] == "good")
    x = record.signal[0, round(float(still["start_s"]) * FS) : round(float(still["stop_s"]) * FS)]
    rate = 60 * FS / np.median(np.diff(ppg_peaks(x, FS)))
    assert rate == pytest.approx(float(still["heart_rate"]), rel=0.15)


def test_the_baselines_know_what_quality_says_of_the_ppg_with_its_motion():
    root = data_folder("troika")
    config = registry.load("troika_finetune", [f"data.root={root}"])
    preprocessor = butppg.RECIPE.preprocessor(config)
    held = np.load(root / "troika_windows_5ch.npz")
    few = {k: Entry("a", (root / "troika_windows_5ch.npz" / str(k),), "p").read() for k in (0, 60, 150)}
    preprocessor = preprocessor.fit(map(preprocessor.prepare, few.values()), names=("a", "b", "c"), seed=0)
    for k, records in few.items():
        prepared = preprocessor.prepare(records)
        (row,) = butppg.table(preprocessor, prepared)
        assert np.isfinite(row).all()
        said = quality(held["signals"][k][3], 125.0, kind="ppg", motion=held["signals"][k][:3])
        assert row[-10] == pytest.approx(float(said.score[0]), abs=0.1)  # the window is filtered, and the file is not
    short = preprocessor.spec.model_copy(update={"length_s": 2.0})
    prepared = dataclasses.replace(preprocessor, spec=short).prepare([recording(0, 1)[0]])
    assert butppg.table(dataclasses.replace(preprocessor, spec=short), prepared).shape[0] == 30
