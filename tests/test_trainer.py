"""The trainer: what it does to weights is exactly what it says, and what it cannot do it refuses before it starts."""

import math
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from biotl.errors import BiotlError, ConfigError, TrainingError
from biotl.training.checkpoint import load
from biotl.training.data import Batches, Task, View, epoch_parts, mix, order
from biotl.training.losses import LOSSES
from biotl.training.metrics import METRICS
from biotl.training.trainer import Trainer
from toys import (
    FULL,
    HEAD,
    Jittered,
    Net,
    Points,
    SequenceRegression,
    Workouts,
    config,
    losses,
    points_task,
    seeded,
)


def weights(result):
    return {name: tensor.clone() for name, tensor in result.model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


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
        weights = {"fresh": fresh}

        def watch(event, trainer, weights=weights, init=init):
            now = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
            if event == "validate":
                weights["last"] = now
            if event == "keep":
                weights["best"] = {name: tensor.clone() for name, tensor in trainer.best.items()}
            if event == "begin" and trainer.progress.stage == 1:
                starts[init] = [name for name, of in weights.items() if same(of, now)]

        settings = config(tmp_path / init, first, FULL | {"init": init, "epochs": 1})
        trainer = Trainer(settings, points_task(model), hook=watch)
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


def test_a_compiler_that_fails_without_a_word_is_no_fault(tmp_path, capsys, monkeypatch):
    def refuse(model):
        def fail(*inputs):
            raise NotImplementedError

        return fail

    monkeypatch.setattr(torch, "compile", refuse)
    assert Trainer(config(tmp_path, HEAD, compile=True), points_task()).fit().best
    assert "torch.compile failed (NotImplementedError); going on without it" in capsys.readouterr().err


COMPILED = """
import sys
from biotl.training.progress import StoppedError
from biotl.training.trainer import Trainer
from toys import config, points_task
if __name__ == "__main__":
    stop = lambda event, trainer: sys.argv[2] == "stop" and event == "keep" and trainer.stop()
    trainer = Trainer(config(sys.argv[1], compile=True, threads=1), points_task(), resume=True, hook=stop)
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


@pytest.mark.parametrize("changes", [{"view": "mian"}, {"trains": "hed"}, {"loss": "crossentropy"}, {"metrics": "acc"}])
def test_a_name_that_does_not_exist_in_a_later_stage_is_refused_before_the_first_trains(tmp_path, changes):
    with pytest.raises(ConfigError, match=r"did you mean|there are"):
        Trainer(config(tmp_path / "run", HEAD, FULL | changes), points_task()).fit()
    assert not (tmp_path / "run").exists()


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


def test_a_loss_that_is_no_scalar_is_refused_with_its_shapes(tmp_path, monkeypatch):
    monkeypatch.setitem(LOSSES, "each", lambda: lambda outputs, _: outputs["logits"].abs().mean(1))
    with pytest.raises(TrainingError, match=r"loss each fails on logits \(16, 3\)"):
        Trainer(config(tmp_path, HEAD | {"loss": "each"}), points_task()).fit()


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
