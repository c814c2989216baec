"""Every line of docs/from-the-documents.md holds: its commands run, its options load, its files are there.

A section of the guide is a document. Its commands run in the order of the rows, in a folder that ``PREPARE`` fills for
that document; its options are loaded into the configuration that its first line names.
"""

import re
import shlex
import shutil
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from biotl.cli import app, main
from biotl.models.registry import build
from biotl.recipes import registry
from biotl.recipes.exercise import workout
from biotl.recipes.pulses import FS, recording
from test_demo import few

TEXT = (Path(__file__).parents[1] / "docs" / "from-the-documents.md").read_text()
SECTIONS = dict(zip(*[iter(re.split(r"^## (.*)\n", TEXT, flags=re.MULTILINE)[1:])] * 2, strict=True))


def vitaldb(folder):
    """Four cases with two tracks of the API each, the documented YAML, and windows in the documented archives."""
    rng = np.random.default_rng(0)
    for case in range(1, 5):
        home = folder / "data" / "vitaldb" / f"{case:04}"
        home.mkdir(parents=True)
        record, _ = recording(0, case)
        for track, x in zip(("SNUADC/PLETH", "SNUADC/ECG_II"), record.signal, strict=False):
            times = {0: "0.000", 1: f"{1 / FS:.3f}"}
            rows = "\n".join(f"{times.get(i, '')},{value:.4f}" for i, value in enumerate(x[:5000]))
            (home / f"{track[7:]}.csv").write_text(f"Time,{track}\n{rows}\n")
    (folder / "data" / "vitaldb" / "clinical_data.csv").write_text("caseid,subjectid\n1,1\n2,2\n3,3\n4,4\n")
    shutil.copytree(Path(__file__).parents[1] / "examples" / "documented", folder / "configs")
    archives(folder / "data" / "vitaldb_windows", ("train_windows", "val_windows"), "data", 2, rng)


def butppg(folder):
    """Mock windows in the documented archives, and the weights of the document before."""
    archives(folder / "data" / "but_ppg", ("train", "val", "test"), "signals", 5, np.random.default_rng(0))
    archives(folder / "pairs", ("train", "val"), "data", 2, np.random.default_rng(0))
    own = {"data.manifest": "null", "data.adapter": "windows", "data.root": "pairs", "data.probe": '""'}
    own |= {"run": "artifacts/foundation_model"}
    pretrain = ["pretrain", "ssl_pretrain", *(word for key, v in own.items() for word in ("--set", f"{key}={v}"))]
    assert main(pretrain) == 0


def mitbih(folder):
    """Windows in the documented shape, and weights under the documented names."""
    rng = np.random.default_rng(0)
    home = folder / "data" / "mitbih_processed"
    home.mkdir(parents=True)
    for side in ("train", "val", "test"):
        x = rng.normal(size=(12, 2500)).astype(np.float32)
        named = {"labels": np.arange(12) % 2, "patient_ids": np.array([f"{side}{k // 4}" for k in range(12)])}
        named |= {"segment_confidence": rng.random(12), "sqi_scores": rng.random(12)}
        np.savez(home / f"{side}_ecg.npz", signals=x, **named)
    (folder / "models").mkdir()
    layers = list(build("spiking").layers)
    state = {f"fc{k}.{name}": value for k, layer in enumerate(layers, 1) for name, value in layer.state_dict().items()}
    state["lif1.beta"] = torch.tensor(0.9)
    torch.save({"model_state_dict": state, "epoch": 3, "config": {"n": 1}}, folder / "models" / "deep_focal_model.pt")


def archives(folder, names, key, channels, rng):
    folder.mkdir(parents=True)
    for name in names:
        x = rng.normal(size=(12, channels, 1250)).astype(np.float32)
        who = np.array([f"{name}{k // 4}" for k in range(12)])
        np.savez(folder / f"{name}.npz", **{key: x}, labels=np.arange(12) % 2, subject=who)


def apple(folder):
    """Workouts of one person in the documented dictionaries, earlier ones to learn from."""
    import torch

    home = folder / "DATA" / "apple_watch_processed"
    home.mkdir(parents=True)
    names = ("speed", "altitude", "heart_rate")
    for start, (name, n) in zip((0, 6, 8), {"train": 6, "val": 2, "test": 2}.items(), strict=True):
        x = np.stack([workout(0, 4 * (start + k)).signal[:, :2000:4] for k in range(n)])
        x = np.where(np.isfinite(x), x, np.nanmean(x, axis=2, keepdims=True))
        tree = {key: torch.tensor(x[:, k, :, None]) for k, key in enumerate(names)}
        tree["timestamps"] = torch.arange(0, 2000, 4.0).expand(n, -1)[..., None].contiguous()
        tree |= {"userId": torch.ones(n, 1, dtype=torch.int64), "original_lengths": torch.full((n, 1), 500)}
        torch.save(tree, home / f"{name}.pt")


PREPARE = {
    "vitaldb_ssl_pretraining.md": vitaldb,
    "butppg_finetuning.md": butppg,
    "mitbih_transfer_learning.md": mitbih,
    "heart_rate_lstm_finetuning.md": apple,
}
"""What a document's commands find in the folder that they run in: functions of it, by the document's name."""


def spans(section, start):
    """The pieces of code on the right of a section's rows that begin so, in order."""
    rows = re.findall(r"^\|(?! the document|---)(.*)\|$", SECTIONS[section], re.MULTILINE)
    right = [re.split(r"(?<!\\)\|", row)[-1].replace("\\|", "|") for row in rows]
    return [code for cell in right for code in re.findall(r"`([^`]+)`", cell) if code.startswith(start)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*min_quality:UserWarning")
@pytest.mark.parametrize("section", [name for name in SECTIONS if spans(name, "biotl ")])
def test_every_command_runs_and_leaves_the_files_that_are_named(section, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few(monkeypatch)
    PREPARE.get(section, lambda _: None)(tmp_path)
    for command in spans(section, "biotl "):
        assert main(shlex.split(command)[1:]) == 0, command
    runs = [path.parent for path in tmp_path.rglob("config.resolved.yaml")]
    missing = [name for name in spans(section, "RUN/") if not any([*run.glob(name[4:])] for run in runs)]
    assert not missing


@pytest.mark.parametrize("section", list(SECTIONS))
def test_every_option_loads(section, monkeypatch):
    monkeypatch.setenv("BIOTL_DATA", "data")
    config = re.search(r"^Recipe `(\w+)`", SECTIONS[section], re.MULTILINE)[1]
    registry.load(config, ["data.manifest=m.csv"])
    for text in spans(section, "--"):
        words = shlex.split(text)
        registry.load(config, [value for word, value in pairwise(words) if word == "--set"])
        assert {word for word in words if word.startswith("--")} <= known(), text


@cache
def known():
    """The options of all commands, as their help writes them."""
    said = (
        CliRunner().invoke(app, [command.callback.__name__, "--help"]).output for command in app.registered_commands
    )
    return {option for text in said for option in re.findall(r"--[a-z][a-z-]*", text)}
