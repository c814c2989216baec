"""The trainer: four pipelines to come need nothing new of it, and what it does to weights is exactly what it says."""

import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

from biotl.errors import BiotlError, ConfigError, TrainingError
from biotl.training.checkpoint import load
from biotl.training.data import Batches, Task, View, epoch_parts, mix, order
from biotl.training.losses import LOSSES
from biotl.training.metrics import METRICS
from biotl.training.progress import StoppedError
from biotl.training.trainer import Trainer
from toys import (
    FULL,
    HEAD,
    Jittered,
    MaskedWaves,
    Net,
    PatchEncoder,
    Points,
    SequenceRegression,
    SpikeTrains,
    Spiking,
    Waves,
    Workouts,
    config,
    points_task,
    seeded,
)


def weights(result):
    return {name: tensor.clone() for name, tensor in result.model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def losses(result, key="train.loss"):
    return [row[key] for row in result.history if row["kind"] == "epoch"]


# Four pipelines to come: a data set, a model, stages; no line in the trainer


def test_a_spiking_classifier_in_two_stages(tmp_path):
    task = Task(seeded(Spiking), {"main": View(SpikeTrains(96), SpikeTrains(48, seed=1))})
    common = {
        "loss": {"name": "focal", "alpha": 0.75},
        "metrics": "classification",
        "optimizer": {"name": "adam", "weight_decay": 1e-3},
        "select": [
            {"metric": "sensitivity", "mode": "max", "target": 0.95},
            {"metric": "specificity", "mode": "max"},
        ],
    }
    stages = [
        common | {"name": "readout", "trains": "layer2", "lr": 1e-2, "epochs": 2},
        common | {"name": "all", "lr": 1e-2, "epochs": 6, "patience": 10},
    ]
    result = Trainer(config(tmp_path, *stages), task).fit()
    assert result.best["all"]["g_mean"] > 0.6
    assert losses(result)[-1] < losses(result)[0]


def test_masked_regression_of_sequences_in_two_stages(tmp_path):
    task = Task(seeded(SequenceRegression), {"main": View(Workouts(48), Workouts(16, seed=1))})
    common = {
        "loss": "masked_mse",
        "metrics": "regression",
        "select": {"metric": "mae", "mode": "min"},
        "batch_size": 8,
    }
    plateau = {"name": "plateau", "patience": 1, "min_lr": 1e-6}
    stages = [
        common | {"name": "top", "trains": ["layer1", "head"], "lr": 1e-2, "schedule": plateau, "epochs": 3},
        common | {"name": "all", "lr": 1e-2, "epochs": 8, "schedule": plateau},
    ]
    result = Trainer(config(tmp_path, *stages), task).fit()
    assert result.best["all"]["mae"] < result.best["top"]["mae"]
    assert result.best["all"]["mae"] < np.abs(Workouts(16, seed=1).target[Workouts(16, seed=1).mask]).mean()


def ssl_stage(**changes):
    loss = ["masked_reconstruction", {"name": "stft", "times": 0.3}]
    schedule = {"name": "cosine", "warmup_epochs": 1}
    return {"name": "ssl", "loss": loss, "lr": 1e-2, "schedule": schedule, "epochs": 3, "batch_size": 8} | changes


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ssl")
    task = Task(seeded(PatchEncoder), {"main": View(MaskedWaves(32), MaskedWaves(16, seed=1))})
    # the head takes no part in reconstruction: it is not among what trains
    stage = ssl_stage(trains=["patch_embed", "blocks", "decoder"])
    return Trainer(config(folder, stage), task).fit()


def test_masked_reconstruction_with_a_spectral_loss(pretrained):
    assert losses(pretrained, "loss")[-1] < losses(pretrained, "loss")[0]
    row = pretrained.best["ssl"]
    assert row["loss"] == pytest.approx(row["loss.masked_reconstruction"] + 0.3 * row["loss.stft"])


def test_an_inflated_encoder_in_three_stages(tmp_path, pretrained):
    wide = seeded(PatchEncoder, n_channels=4)
    narrow = pretrained.model.eval()
    source = pretrained.folder / "checkpoints" / "best-ssl.safetensors"
    common = {
        "view": "main",
        "loss": "cross_entropy",
        "metrics": ["classification", "auroc"],
        "batch_size": 8,
        "lr": 1e-2,
    }
    common["select"] = {"metric": "auroc", "mode": "max"}
    stages = [
        common | {"name": "new", "trains": ["patch_embed.new_channels", "head"], "init": str(source), "min_share": 0.5},
        common | {"name": "top", "trains": ["blocks[-2:]", "head"], "layer_decay": 0.7},
        common | {"name": "whole", "trains": ["patch_embed", "blocks", "head"], "lr": 1e-3, "epochs": 2},
    ]
    task = Task(wide, {"main": View(Waves(32, 4), Waves(16, 4, seed=1))})
    trainer = Trainer(config(tmp_path, *stages), task)
    seen = []
    update = trainer._update

    def spy(parts):
        if not seen:  # the weights are in, and nothing is trained yet
            x = torch.randn(3, 4, 64)
            with torch.no_grad():
                seen.append(
                    torch.equal(wide.eval()(x)["logits"], wide(x * torch.tensor([0.0, 0, 1, 1])[:, None])["logits"])
                )
                x[:, :2] = 0
                seen.append(torch.equal(wide(x)["logits"], narrow(x[:, 2:])["logits"]))
        return update(parts)

    trainer._update = spy
    result = trainer.fit()
    assert seen == [True, True]  # zero-inflated: the new channels change nothing, bit for bit
    lineage = load(tmp_path / "checkpoints" / "best-whole.safetensors").state["lineage"]
    assert lineage[0]["transfer"]["missing"] == ["patch_embed.new_channels"]
    assert lineage[0]["lineage"][0]["stage"] == "ssl"
    assert not torch.equal(result.model.patch_embed.new_channels, torch.zeros(16, 16))


def test_a_recipe_brings_its_own_loss_and_metric(tmp_path):
    class Count:
        def __init__(self):
            self.n = 0

        def update(self, _outputs, batch):
            self.n += len(batch["labels"])

        def compute(self):
            return {"n": float(self.n)}

    LOSSES["toy"] = lambda power=2.0: lambda outputs, _: outputs["logits"].abs().pow(power).mean()
    METRICS["toy"] = Count
    try:
        stage = HEAD | {
            "loss": {"name": "toy", "power": 1.5},
            "metrics": "toy",
            "select": {"metric": "n", "mode": "max"},
        }
        result = Trainer(config(tmp_path, stage), points_task()).fit()
    finally:
        del LOSSES["toy"], METRICS["toy"]
    assert result.best["head"]["n"] == 24


def test_pretraining_is_a_stage_over_another_view(tmp_path):
    views = {"masked": View(MaskedWaves(16), MaskedWaves(8, seed=1)), "beats": View(Waves(16), Waves(8, seed=1))}
    fine = {"name": "fine", "view": "beats", "trains": ["patch_embed", "blocks", "head"], "loss": "cross_entropy"}
    stages = [ssl_stage(view="masked", epochs=1, trains=["patch_embed", "blocks", "decoder"]), fine]
    result = Trainer(config(tmp_path, *stages), Task(seeded(PatchEncoder), views)).fit()
    assert set(result.best) == {"ssl", "fine"}


# What it does to weights


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tmp_path):
    runs = [weights(Trainer(config(tmp_path / str(k), seed=s), points_task()).fit()) for k, s in enumerate((3, 3, 4))]
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_workers_change_no_bit(tmp_path):
    runs = [weights(Trainer(config(tmp_path / str(n), workers=n), points_task()).fit()) for n in (0, 2)]
    assert same(*runs)


def test_accumulated_parts_give_the_gradient_of_the_whole_batch(tmp_path):
    # sequences of different length: means of parts would be another loss
    runs = []
    for parts in (1, 3):
        stage = {"name": "s", "loss": "masked_mse", "batch_size": 10, "accumulate": parts, "epochs": 2, "lr": 1e-2}
        task = Task(seeded(SequenceRegression), {"main": View(Workouts(24), Workouts(8, seed=1))})
        runs.append(Trainer(config(tmp_path / str(parts), stage), task).fit())
    np.testing.assert_allclose(losses(runs[0]), losses(runs[1]), rtol=1e-5)  # float32 sums in another order


def test_the_best_weights_are_those_of_the_best_epoch_and_no_shallow_copy(tmp_path):
    kept = []

    class Fading:
        """Finds the first epoch best, whatever the model does."""

        def update(self, outputs, batch):
            pass

        def compute(self):
            kept.append({name: tensor.clone() for name, tensor in trainer.model.state_dict().items()})
            return {"score": -float(len(kept))}

    METRICS["fading"] = Fading
    try:
        stage = HEAD | {"epochs": 4, "metrics": "fading", "select": {"metric": "score", "mode": "max"}, "patience": 2}
        trainer = Trainer(config(tmp_path, stage), points_task())
        result = trainer.fit()
    finally:
        del METRICS["fading"]
    assert len(kept) == 4  # a look at one batch before, the best epoch, and two of patience
    del kept[0]
    assert same(weights(result), kept[0])
    assert same(load(tmp_path / "checkpoints" / "best-head.safetensors").part("model"), kept[0])
    assert not same(kept[0], kept[-1])


def test_a_stage_whose_metric_is_never_defined_still_leaves_its_first_epoch(tmp_path):
    class Nothing(Points):
        def __getitem__(self, index):
            return super().__getitem__(index) | {"labels": np.int64(1)}

    stage = HEAD | {"metrics": "auroc", "select": {"metric": "auroc", "mode": "max"}}
    result = Trainer(config(tmp_path, stage), points_task(validation=Nothing(8))).fit()
    assert math.isnan(result.best["head"]["auroc"])
    assert (tmp_path / "checkpoints" / "best-head.safetensors").exists()


def test_the_next_stage_starts_from_the_best_the_last_or_fresh_weights(tmp_path):
    starts = {}
    for init in ("best", "last", "fresh"):
        model = seeded(Net)
        fresh = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        first = HEAD | {"epochs": 3, "lr": 3.0, "clip_norm": None, "optimizer": {"name": "sgd"}}
        trainer = Trainer(config(tmp_path / init, first, FULL | {"init": init, "epochs": 1}), points_task(model))
        begin = trainer._initialize

        def spy(stage, trainer=trainer, begin=begin, init=init, fresh=fresh):
            last = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
            begin(stage)
            if stage.name == "full":
                wanted = {"best": trainer.best, "last": last, "fresh": fresh}
                starts[init] = [name for name, of in wanted.items() if same(of, trainer.model.state_dict())]

        trainer._initialize = spy
        trainer.fit()
    assert starts == {"best": ["best"], "last": ["last"], "fresh": ["fresh"]}


def test_an_average_of_weights_is_what_is_validated_and_kept(tmp_path):
    plain = Trainer(config(tmp_path / "a", HEAD), points_task()).fit()
    averaged = Trainer(config(tmp_path / "b", HEAD | {"ema": 0.9}), points_task()).fit()
    assert losses(plain)[0] == losses(averaged)[0]  # the same training
    assert losses(plain, "loss") != losses(averaged, "loss")
    start = seeded(Net).state_dict()["head.weight"]
    moved = [float((weights(run)["head.weight"] - start).abs().sum()) for run in (averaged, plain)]
    assert moved[0] < moved[1]


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_mixed_precision_trains_on_the_cpu(tmp_path, amp):
    result = Trainer(config(tmp_path, FULL | {"epochs": 4}, amp=amp), points_task()).fit()
    assert losses(result)[-1] < losses(result)[0]
    assert all(tensor.dtype != torch.bfloat16 for tensor in result.model.state_dict().values())


def test_gradients_are_clipped_as_they_are_and_not_as_fp16_scales_them(tmp_path):
    start = torch.cat([p.detach().flatten() for p in seeded(Net).head.parameters()])
    plain = {"name": "sgd", "momentum": 0.0, "weight_decay": 0.0}
    stage = HEAD | {"epochs": 1, "lr": 1.0, "clip_norm": 1e-2, "optimizer": plain}
    moved = {}
    for amp in ("off", "fp16"):
        model = Trainer(config(tmp_path / amp, stage, amp=amp), points_task()).fit().model
        moved[amp] = torch.cat([p.detach().flatten() for p in model.head.parameters()]) - start
    assert 0.01 < float(moved["off"].norm()) < 0.0301  # three steps of length 0.01, not quite in one direction
    torch.testing.assert_close(moved["fp16"], moved["off"], rtol=0.05, atol=1e-4)  # half has 11 bits


def test_a_model_that_does_not_compile_is_trained_without_and_says_so(tmp_path, capsys, monkeypatch):
    def refuse(model):
        def fail(*inputs):
            raise RuntimeError("no compiler here")

        return fail

    monkeypatch.setattr(torch, "compile", refuse)
    result = Trainer(config(tmp_path, HEAD, compile=True), points_task()).fit()
    said = capsys.readouterr().err
    assert said.count("torch.compile failed (RuntimeError: no compiler here); going on without it") == 1
    assert result.best


COMPILED = """
import sys
from biotl.training.progress import StoppedError
from biotl.training.trainer import Trainer
from toys import config, points_task
if __name__ == "__main__":
    trainer = Trainer(config(sys.argv[1], compile=True, threads=1), points_task(), resume=True)
    if sys.argv[2] == "stop":
        trainer._keep = lambda *_: trainer.caught.append(15)
    try:
        trainer.fit()
    except StoppedError as error:
        print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("compiler", [True, False])
def test_a_compiled_run_trains_resumes_and_names_its_weights_as_another_or_says_once_that_it_cannot(tmp_path, compiler):
    if compiler and not shutil.which("g++"):
        pytest.skip("no g++")
    (tmp_path / "main.py").write_text(COMPILED)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path),
    }
    if not compiler:
        environment |= {"CXX": "/nowhere/g++"}
    said = []
    for how in ("stop", "finish"):
        command = [sys.executable, str(tmp_path / "main.py"), str(tmp_path / "run"), how]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=500)
        assert ("after a clean checkpoint" in run.stdout) == (how == "stop")
        said.append(run.stderr.count("torch.compile failed"))
    assert said == ([0, 0] if compiler else [1, 1])
    plain = Trainer(config(tmp_path / "plain", threads=1), points_task()).fit()
    found = load(tmp_path / "run" / "checkpoints" / "best-full.safetensors")
    assert set(found.part("model")) == set(plain.model.state_dict())
    curve = [row["train.loss"] for row in found.state["history"]]
    # the compiler draws the random numbers of dropout in its own way, and adds in another order
    np.testing.assert_allclose(curve, losses(plain), rtol=0.15 if compiler else 1e-12)


def test_the_rate_moves_with_every_update(tmp_path):
    stage = HEAD | {"schedule": {"name": "cosine", "warmup_epochs": 1}, "epochs": 3}
    result = Trainer(config(tmp_path, stage, log_every=1), points_task()).fit()
    rates = [row["lr"] for row in result.history if row["kind"] == "update"]
    assert rates == pytest.approx([1e-2 * f for f in (1 / 3, 2 / 3, 1, 1, 0.933, 0.75, 0.5, 0.25, 0.067)], rel=1e-2)


def test_patience_ends_a_stage_and_a_plateau_lowers_the_rate(tmp_path):
    stage = HEAD | {"epochs": 9, "lr": 1e-6, "patience": 4, "schedule": {"name": "plateau", "patience": 1}}
    stage["select"] = {"metric": "loss", "target": 100.0}  # no epoch is better than another
    result = Trainer(config(tmp_path, stage), points_task()).fit()
    rates = [row["lr"] for row in result.history if row["kind"] == "epoch"]
    np.testing.assert_allclose(rates, [1e-6, 1e-6, 1e-6, 5e-7, 5e-7])


# Order


def test_over_all_processes_and_parts_every_sample_comes_once_and_in_its_batch():
    indices = order(103, 1, 2, 3)
    for size in (1, 2, 3, 8):
        for accumulate in (1, 3):
            parts = [epoch_parts(indices, 10, accumulate, rank, size) for rank in range(size)]
            assert len({len(p) for p in parts}) == 1
            alone = epoch_parts(indices, 10, accumulate)
            for k, whole in enumerate(alone):
                np.testing.assert_array_equal(np.concatenate([p[k] for p in parts]), whole)
            for update in range(11):
                batch = np.concatenate(alone[update * accumulate : (update + 1) * accumulate])
                np.testing.assert_array_equal(batch, indices[update * 10 : update * 10 + 10])


def test_what_a_data_set_draws_depends_on_the_epoch_in_training_only():
    data = Jittered(8)
    parts = [np.arange(8)]
    a, b, c = (Batches(data, parts, numbers)[0]["x"] for numbers in ((1, 0, 0), (1, 0, 1), (1, 0, 0)))
    assert torch.equal(a, c)
    assert not torch.equal(a, b)


def test_seeds_of_neighbours_are_unrelated():
    seeds = {mix(seed, epoch, update) for seed in range(8) for epoch in range(8) for update in range(8)}
    assert len(seeds) == 512
    assert all(0 <= seed < 2**63 for seed in seeds)


# The run folder


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
    resolved = yaml.safe_load((tmp_path / "config.resolved.yaml").read_text())
    assert resolved["stages"][0]["optimizer"]["name"] == "adamw"
    assert (tmp_path / "training_curves.png").read_bytes()[:4] == b"\x89PNG"
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


def logged(folder, logger, monkeypatch):
    """Log a run that stops after its first epoch and is resumed, so that it is logged as one."""
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_keep", lambda self, *_: self.caught.append(15))
        with pytest.raises(StoppedError):
            Trainer(config(folder, loggers=[logger], log_every=1), points_task()).fit()
    return Trainer(config(folder, loggers=[logger], log_every=1), points_task(), resume=True).fit()


def expected(result, stage, kind, figure):
    return [(row["step"], row[figure]) for row in result.history if (row["stage"], row["kind"]) == (stage, kind)]


@pytest.mark.filterwarnings("default")  # of its dependencies
def test_mlflow_gets_one_run_with_parameters_and_figures_where_it_is_installed(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    result = logged(tmp_path / "run", "mlflow", monkeypatch)
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
    result = logged(tmp_path / "run", "trackio", monkeypatch)
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


# What it refuses before it starts


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"view": "mian"}, "no view is called 'mian'; did you mean 'main'"),
        ({"trains": "hed"}, "matches nothing in the model; did you mean 'head'"),
        ({"loss": "crossentropy"}, "no loss is called 'crossentropy'; did you mean 'cross_entropy'"),
        ({"metrics": "acc"}, "no metric is called 'acc'"),
        ({"select": {"metric": "f1", "mode": "max"}}, "nothing measures 'f1'"),
        (
            {"loss": {"name": "cross_entropy", "output": "logit"}},
            "loss cross_entropy asks for 'logit'; did you mean 'log",
        ),
        (
            {"loss": {"name": "cross_entropy", "target": "label"}},
            "loss cross_entropy asks for 'label'; did you mean 'lab",
        ),
        ({"metrics": {"name": "auroc", "output": "logit"}}, "metric auroc asks for 'logit'; did you mean 'logits'"),
        ({"loss": {"name": "focal", "gamma": "two"}}, "loss focal: gamma: Input should be a valid number"),
        ({"loss": {"name": "cross_entropy", "weight": 3}}, "loss cross_entropy: weight: .* got 3"),
    ],
)
def test_a_name_that_does_not_exist_is_refused(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        Trainer(config(tmp_path, HEAD | changes), points_task()).fit()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": {"name": "cross_entropy", "weight": [1.0, 2.0]}}, r"loss cross_entropy fails on .*labels \(\d+,\)"),
        ({"metrics": "regression"}, "metric regression asks for 'prediction'"),
        ({"loss": "bce"}, r"loss bce fails on logits \(16, 3\), x \(16, 4\), labels \(16,\): shape"),
    ],
)
def test_a_loss_that_does_not_fit_its_tensors_is_named_with_their_shapes(tmp_path, changes, message):
    with pytest.raises(BiotlError, match=message):
        Trainer(config(tmp_path, HEAD | changes), points_task()).fit()


def test_a_label_beyond_the_classes_is_refused_with_its_shapes(tmp_path):
    task = points_task(seeded(Net, n_classes=2))
    with pytest.raises(TrainingError, match=r"loss cross_entropy fails on .*Target 2 is out of bounds"):
        Trainer(config(tmp_path, HEAD), task).fit()


def test_a_batch_that_the_model_cannot_take_is_named_with_its_shapes(tmp_path):
    with pytest.raises(TrainingError, match=r"Net fails on x \(1, 4\): Expected more than 1 value per channel"):
        Trainer(config(tmp_path / "a", HEAD | {"batch_size": 47, "trains": "all"}), points_task()).fit()
    with pytest.raises(TrainingError, match=r"Net fails on x \(16, 4\): .*mat1 and mat2 shapes"):
        Trainer(config(tmp_path / "b", HEAD), points_task(seeded(Net, 5))).fit()


def test_an_input_that_the_data_does_not_give_is_named(tmp_path):
    class Other(Net):
        inputs = ("xx",)

    with pytest.raises(ConfigError, match="the model takes 'xx', which the data set does not give; did you mean 'x'"):
        Trainer(config(tmp_path, HEAD), points_task(Other())).fit()


def test_another_configuration_cannot_resume_a_run(tmp_path):
    Trainer(config(tmp_path, HEAD), points_task()).fit()
    with pytest.raises(ConfigError, match=r"resume: stages\[0\]\.lr was 0\.01 and is 0\.02"):
        Trainer(config(tmp_path, HEAD | {"lr": 2e-2}), points_task(), resume=True)
    with pytest.raises(ConfigError, match=r"resume: engine\.amp was off and is fp16"):
        Trainer(config(tmp_path, HEAD, amp="fp16"), points_task(), resume=True)


@pytest.mark.parametrize("device", ["gpu", "meta", "xla"])
def test_a_device_that_is_not_here_is_refused(tmp_path, device):
    with pytest.raises(ConfigError, match=f"engine.device: got '{device}', wanted cpu, auto or what is here"):
        Trainer(config(tmp_path, HEAD, device=device), points_task())
