"""Heart rate from movement through the one driver: the documented network, and the response of a body to effort."""

import csv
import json

import numpy as np
import pytest

from biotl.cli import main
from biotl.datasets.spec_kinds import parse_spec
from biotl.deploy.predictor import Predictor
from biotl.models.registry import build
from biotl.recipes import demo, minutes, registry
from biotl.recipes.exercise import workout
from biotl.recipes.run import finetune
from biotl.records import read
from biotl.scoring import stored
from test_demo import few


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("heart_rate_lstm", 51_009), pytest.param("heart_rate_response", None, marks=pytest.mark.slow)],
)
def test_a_demo_goes_from_simulated_workouts_to_a_model_file(name, parameters, tmp_path, monkeypatch):
    few(monkeypatch)
    done = demo.run(tmp_path / "demo", name=name, say=lambda _: None)
    assert done.agrees
    run = tmp_path / "demo" / "run"
    tree = json.loads((run / "results.json").read_text())
    assert {"mean", "first-order response", "ridge regression", "gradient boosting"} < {*tree["models"]}
    assert len([*(run / "predictions").glob("*.png")]) == 3
    if parameters is not None:
        bundle = json.loads((run / "bundle.json").read_text())
        assert bundle["about"]["parameters"] == parameters
        assert (run / "training_curves.png").is_file()
        history = json.loads((run / "training_history.json").read_text())
        assert {key: len(of) for key, of in history.items()} == dict.fromkeys(
            ("train_loss", "val_loss", "learning_rate", "epoch_time", "stage"), 2
        )
        assert history["learning_rate"] == [5e-4, 1e-4]


def mine(folder, days=4):
    """Runs of two people, as files of their own and a manifest that says who and when."""
    folder.mkdir()
    with (folder / "mine.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "file", "subject", "time"])
        for k in range(2 * days):
            record = workout(0, 4 * k)  # runs
            t = np.arange(1200)
            x = record.signal[:, :1200]
            kept = np.isfinite(x[0])
            head = "t_s,speed_kmh,altitude_m,heart_rate_bpm"
            np.savetxt(folder / f"{k}.csv", np.c_[t, x.T][kept], "%.2f", ",", header=head, comments="")
            rows.writerow([f"run{k}", f"{k}.csv", "ab"[k % 2], f"2020-01-{k + 1:02} 07:00"])
    return folder / "mine.csv"


def test_the_doctor_finds_nothing_wrong_with_what_is_fitted_at_once(tmp_path, capsys):
    manifest = mine(tmp_path / "mine", days=2)
    words = ["doctor", "heart_rate_response", "--run", str(tmp_path / "run"), "--set", f"data.manifest={manifest}"]
    words += ["--set", "data.target={name: heart_rate, unit: bpm, aliases: [heart_rate_bpm]}", "--json"]
    assert main(words) == 0
    assert [row for row in json.loads(capsys.readouterr().out) if row["level"] == "error"] == []
    assert main([*words, "--set", "data.split={by: subject, shares: [1, 0, 0]}"]) == 1
    (row,) = [row for row in json.loads(capsys.readouterr().out) if row["level"] == "error"]
    assert row["message"].startswith("no test recording is left: the split (")


def test_own_runs_by_a_manifest_and_a_table_by_minutes(tmp_path, capsys):
    manifest = mine(tmp_path / "mine")
    lagged = "{channel: {name: heart_rate, aliases: [heart_rate_bpm]}, horizon_s: 5, first_s: 300}"
    own = [f"data.manifest={manifest}", f"run={tmp_path / 'run'}", f"data.spec.lagged={lagged}"]
    target = "data.target={name: heart_rate, unit: bpm, aliases: [heart_rate_bpm]}"
    done = finetune(registry.load("heart_rate_response", [*own, target, "data.spec.length=240"]))
    assert done.refused == []
    assert {of.subject for of in done.answered} == {"a", "b"}
    (panels,) = json.loads((tmp_path / "run" / "robustness.json").read_text())
    assert [*panels["curves"]["minutes known"]] == ["0 min", "2 min", "5 min"]
    assert minutes.TITLE in (tmp_path / "run" / "report.html").read_text()
    tree = json.loads((tmp_path / "run" / "results.json").read_text())
    assert {"mean of the user", "persistence"} < {*tree["models"]}
    assert stored.read(tmp_path / "run" / "answers.npz")[0].unit == "step"
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "raw.onnx"), "--preprocess", "graph"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "derived" in said, said
    assert len(said) < 320


@pytest.mark.parametrize(("cell", "bidirectional"), [("gru", False), ("lstm", True)])
def test_variants_of_the_network_are_built_by_name(cell, bidirectional):
    spec = parse_spec(registry.load("heart_rate_lstm", ["data.manifest=m.csv"]).data.spec.model_dump(mode="json"))
    model = build("heart_rate_lstm", channels=spec.names, cell=cell, bidirectional=bidirectional, mean=148.0)
    assert model.fc.bias.item() == 148
    assert model.fc.in_features == 64 * (1 + bidirectional)


@pytest.mark.slow
def test_a_network_of_both_directions_learns_and_answers_alike_as_a_file(tmp_path):
    manifest = mine(tmp_path / "mine")
    own = [f"data.manifest={manifest}", f"run={tmp_path / 'run'}", "model.bidirectional=true", "data.spec.length=100"]
    few_epochs = ["stages[0].epochs=1", "stages[1].epochs=1", "data.split.shares=[0.5, 0.25, 0.25]"]
    target = "data.target={name: heart_rate, unit: bpm, aliases: [heart_rate_bpm]}"
    finetune(registry.load("heart_rate_lstm", [*own, *few_epochs, target]))
    predictor = Predictor(tmp_path / "run" / "model.onnx")
    for one in stored.read(tmp_path / "run" / "answers.npz"):  # 240 steps: two sequences of 100 and one of 40
        said = predictor.predict(read(tmp_path / "mine" / f"{one.id.removeprefix('run')}.csv")).value
        np.testing.assert_allclose(said, one.answers["heart_rate_lstm"], atol=1e-3)


def test_freezing_as_documented(capsys):
    model = build("heart_rate_lstm")
    model.freeze_layers([0])
    model.print_parameter_status()
    assert "33,345 of 51,009 parameters train" in capsys.readouterr().out
    model.unfreeze_all_layers()
    model.print_parameter_status()
    assert "51,009 of 51,009 parameters train" in capsys.readouterr().out
