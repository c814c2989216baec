"""What a run writes down: its folder, and the loggers of other projects."""

import json
import sqlite3

import numpy as np
import pytest
import torch

from biotl.config import parse
from biotl.errors import ConfigError
from biotl.training.checkpoint import load
from biotl.training.logging import curves
from biotl.training.progress import StoppedError
from biotl.training.trainer import Trainer
from toys import HEAD, Jittered, Points, config, points_task, stop_at


def test_the_run_folder_explains_the_run(tmp_path):
    train = Jittered(48)
    train.digest = "abc"
    result = Trainer(config(tmp_path), points_task(train=train, about={"labels": ["N", "S", "V"]})).fit()
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == len(result.history)
    assert all(row["samples_per_s"] > 0 for row in rows if row["kind"] == "epoch")
    environment = json.loads((tmp_path / "env.json").read_text())
    assert environment["data"]["main.train"] == {"samples": 48, "sha256": "abc"}
    assert environment["versions"]["torch"] in torch.__version__
    resolved = parse((tmp_path / "config.resolved.yaml").read_text())
    assert resolved["stages"][0]["optimizer"]["name"] == "adamw"
    assert (tmp_path / "training_curves.png").read_bytes()[:4] == b"\x89PNG"
    panels = curves(result.history).axes
    assert [axis.get_title() for axis in panels if axis.get_title()] == ["head", "full"]
    best = load(tmp_path / "checkpoints" / "best-full.safetensors").state
    assert best["about"] == {"labels": ["N", "S", "V"]}
    assert best["metrics"]["macro_f1"] == result.best["full"]["macro_f1"]
    assert [step["stage"] for step in best["lineage"]] == ["head", "full"]


def test_what_is_undefined_is_null_in_the_log(tmp_path):
    class OneClass(Points):
        def __getitem__(self, index):
            return super().__getitem__(index) | {"labels": np.int64(1)}

    Trainer(config(tmp_path, HEAD | {"metrics": "auroc"}), points_task(validation=OneClass(8))).fit()
    assert '"auroc": null' in (tmp_path / "metrics.jsonl").read_text()


def test_a_run_is_not_overwritten(tmp_path):
    Trainer(config(tmp_path, HEAD), points_task()).fit()
    with pytest.raises(ConfigError, match="holds a run: go on with --resume"):
        Trainer(config(tmp_path, HEAD), points_task())


def test_periodic_checkpoints_stay(tmp_path):
    Trainer(config(tmp_path, HEAD | {"epochs": 4}, keep_every=2), points_task()).fit()
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert [name for name in names if name.startswith("epoch")] == [
        "epoch-head-0002.safetensors",
        "epoch-head-0004.safetensors",
    ]
    assert sum(name.startswith("last") for name in names) == 2


def test_tensorboard_gets_the_figures_where_it_is_installed(tmp_path):
    pytest.importorskip("tensorboard")
    Trainer(config(tmp_path, HEAD, loggers=["tensorboard"]), points_task()).fit()
    assert list((tmp_path / "tensorboard").glob("events*"))


def logged(folder, logger):
    """Log a run that stops after its first epoch and is resumed, so that it is logged as one."""
    trainer = Trainer(config(folder, loggers=[logger], log_every=1), points_task(), hook=stop_at("keep"))
    with pytest.raises(StoppedError):
        trainer.fit()
    return Trainer(config(folder, loggers=[logger], log_every=1), points_task(), resume=True).fit()


def expected(result, stage, kind, figure):
    return [(row["step"], row[figure]) for row in result.history if (row["stage"], row["kind"]) == (stage, kind)]


@pytest.mark.filterwarnings("default")  # of its dependencies
def test_mlflow_gets_one_run_with_parameters_and_figures_where_it_is_installed(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    result = logged(tmp_path / "run", "mlflow")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'run' / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("toy").experiment_id])
    assert run.info.status == "FINISHED"
    assert (run.data.params["seed"], run.data.params["stages.1.trains.0"]) == ("3", "all")
    for stage, kind, figure in (("head", "update", "loss"), ("full", "epoch", "macro_f1")):
        history = client.get_metric_history(run.info.run_id, f"{stage}/{kind}.{figure}")
        assert sorted((m.step, m.value) for m in history) == expected(result, stage, kind, figure)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]  # nothing beside the run folder


@pytest.mark.filterwarnings("default")
def test_trackio_gets_one_run_with_parameters_and_figures_where_it_is_installed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when it is imported
    pytest.importorskip("trackio")
    result = logged(tmp_path / "run", "trackio")
    assert capsys.readouterr().out == ""
    with sqlite3.connect(tmp_path / "trackio" / "toy.db") as store:
        ((name, settings),) = store.execute("select run_name, config from configs")
        rows = [(step, json.loads(text)) for step, text in store.execute("select step, metrics from metrics")]
    assert (name, json.loads(settings)["seed"]) == ("run", 3)
    for stage, kind, figure in (("head", "update", "loss"), ("full", "epoch", "macro_f1")):
        key = f"{stage}/{kind}.{figure}"
        assert sorted((step, row[key]) for step, row in rows if key in row) == expected(result, stage, kind, figure)


def test_a_logger_that_is_not_installed_names_its_extra(tmp_path, monkeypatch):
    from biotl.errors import MissingExtraError

    monkeypatch.setitem(__import__("sys").modules, "trackio", None)
    with pytest.raises(MissingExtraError, match=r"trackio is not installed: pip install 'biotl\[trackio\]'"):
        Trainer(config(tmp_path, HEAD, loggers=["trackio"]), points_task()).fit()
