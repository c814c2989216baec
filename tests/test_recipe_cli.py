"""The commands around a recipe, from raw files on: on synthetic recordings that bear the names of MIT-BIH."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from biotl.cli import main
from biotl.datasets.splits import DS1, DS2
from biotl.records import ecg
from toys import write_recipe


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A configuration file, and 43 short recordings under the names of DS1 and DS2; 100 is missing."""
    folder = tmp_path_factory.mktemp("recipe")
    write_recipe(folder, names={*DS1, *DS2} - {"100"})
    return folder / "config.yaml"


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    """The folder of a finished run, and what the command said."""
    run = tmp_path_factory.mktemp("runs") / "run"
    assert main(["finetune", str(config), "--run", str(run), "--set", "seed=3"]) == 4
    return run


def test_finetune_goes_from_raw_files_to_a_report_and_lists_what_it_refused(finished):
    names = {path.name for path in finished.iterdir()}
    assert names >= {"model.onnx", "report.html", "model_card.md", "results.json", "predictions.csv", "metrics.jsonl"}
    assert "seed: 3" in (finished / "config.resolved.yaml").read_text()
    results = json.loads((finished / "results.json").read_text())
    assert set(results["models"]) == {"ecgbert", "majority", "rr_rule", "boosting"}
    assert len(results["refused"]) == 1
    assert "100" in results["refused"][0]
    page = (finished / "report.html").read_text()
    assert "de Chazal" in page
    assert "the beats of 21 unseen patients" in page
    assert "100" in page


def test_export_repeats_the_file_of_the_run(finished, tmp_path, capsys):
    assert main(["export", str(finished), str(tmp_path / "again.onnx"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["difference"] <= 1e-5
    from biotl.deploy.predictor_before import Predictor

    first, again = Predictor(finished / "model.onnx"), Predictor(tmp_path / "again.onnx")
    record = ecg(5, 0, duration_s=30.0)
    # two graphs of the same weights and thresholds
    np.testing.assert_allclose(first.predict(record).probability, again.predict(record).probability, atol=1e-6)
    np.testing.assert_array_equal(first.thresholds, again.thresholds)


def test_evaluate_without_torch_gives_the_figures_of_the_run(finished, config, capsys):
    recordings = [str(config.parent / "mitdb" / name) for name in DS2 if name != "100"]
    assert main(["evaluate", str(finished / "model.onnx"), *recordings, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    results = json.loads((finished / "results.json").read_text())["models"]["ecgbert"]
    assert found["macro_f1"] == pytest.approx(results["macro_f1"])
    assert found["confusion"] == results["confusion"]
    assert main(["evaluate", str(finished / "model.onnx"), recordings[0]]) == 0
    assert "macro-F1" in capsys.readouterr().out


def test_a_run_is_not_overwritten(finished, config, capsys):
    assert main(["finetune", str(config), "--run", str(finished)]) == 2
    assert "--resume" in capsys.readouterr().err.splitlines()[-1]


def test_pretrain_runs_the_stages_alone(config, tmp_path, capsys):
    words = ["pretrain", str(config), "--run", str(tmp_path / "run"), "--json"]
    assert main(words) == 0
    captured = capsys.readouterr()
    assert f"refused: {config.parent / 'mitdb' / '100'}" in captured.err
    rows = json.loads(captured.out)
    assert [row["stage"] for row in rows] == ["pretrain", "all"]
    assert (tmp_path / "run" / "checkpoints" / "best-pretrain.safetensors").is_file()
    assert main(["inspect", rows[0]["checkpoint"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "checkpoint"


def test_prep_and_tokens_prepare_and_cluster(config, tmp_path, capsys):
    run = ["--run", str(tmp_path / "run")]
    assert main(["prep", str(config), *run, "--json"]) == 4
    found = json.loads(capsys.readouterr().out)
    assert len(found["recordings"]) == 42
    assert len(found["refused"]) == 1
    assert main(["inspect", str(tmp_path / "run" / "shards" / "101"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "shard"
    assert main(["tokens", str(config), *run, "--output", str(tmp_path / "vocabulary.json"), "--json"]) == 0
    captured = capsys.readouterr()
    assert f"refused: {config.parent / 'mitdb' / '100'}" in captured.err
    waves = json.loads(captured.out)["waves"]
    assert [row["clusters"] for row in waves] == [12, 19, 14, 25]


def test_split_shows_sides_that_share_nobody(config, capsys):
    assert main(["split", str(config), "--json"]) == 0
    sides = json.loads(capsys.readouterr().out)["sides"]
    assert sides["validation"] == ["114", "118", "207"]
    assert not set(sides["train"]) & set(sides["test"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--set", "stages[0].lrr=1"], "lr"),
        (["--set", "stages[0].lr"], "key=value"),
        (["--set", "data.validation=[]", "--set", "nothing=1"], "nothing"),
        (["--set", "recipe=[ecgbert]"], "no recipe is called ['ecgbert']"),
    ],
)
def test_a_configuration_that_cannot_be_is_one_line(config, words, says, capsys):
    assert main(["split", str(config), *words]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert says in err


def test_an_unfinished_run_is_not_exported(tmp_path, capsys):
    assert main(["export", str(tmp_path), str(tmp_path / "m.onnx")]) == 3
    assert "results.json" in capsys.readouterr().err


@pytest.mark.parametrize("results", ["[]", '{"thresholds'])
def test_a_run_whose_results_are_damaged_is_not_exported(results, tmp_path, capsys):
    (tmp_path / "results.json").write_text(results)
    assert main(["export", str(tmp_path), str(tmp_path / "m.onnx")]) == 3
    assert "results.json: thresholds" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_a_checkpoint_and_goes_on_with_resume(number, code, config, tmp_path, capsys):
    run = tmp_path / "run"
    words = ["pretrain", str(config), "--run", str(run), "--set", "stages[0].epochs=6"]
    process = subprocess.Popen([sys.executable, "-m", "biotl", *words], stderr=subprocess.PIPE, text=True)
    while not list(run.glob("checkpoints/last-*.safetensors")):
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == code
    assert "Traceback" not in errors
    assert "--resume" in errors.splitlines()[-1]
    capsys.readouterr()
    assert main([*words, "--resume", "--json"]) == 0
    assert [row["stage"] for row in json.loads(capsys.readouterr().out)] == ["pretrain", "all"]


@pytest.mark.parametrize(
    ("setting", "says"),
    [("data.root=nowhere", "biotl fetch mitdb"), ("data.validation=[]", "data.validation")],
)
def test_a_side_without_recordings_is_refused_with_what_to_do(config, setting, says, tmp_path, capsys):
    assert main(["finetune", str(config), "--run", str(tmp_path / "run"), "--set", setting]) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]
