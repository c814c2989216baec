"""Four pipelines to come: a data set, a model, stages, a loss, a metric, and not a line in the trainer."""

import numpy as np
import pytest
import torch

from biotl.training.checkpoint import load
from biotl.training.data import Task, View
from biotl.training.losses import LOSSES
from biotl.training.metrics import METRICS
from biotl.training.trainer import Trainer
from toys import (
    HEAD,
    MaskedWaves,
    PatchEncoder,
    SequenceRegression,
    SpikeTrains,
    Spiking,
    Waves,
    Workouts,
    config,
    losses,
    points_task,
    seeded,
)


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
    about = {"spec": {"channels": [{"name": "PPG"}, {"name": "ECG"}]}}
    task = Task(seeded(PatchEncoder), {"main": View(MaskedWaves(32), MaskedWaves(16, seed=1))}, about)
    # the head takes no part in reconstruction: it is not among what trains
    stage = ssl_stage(trains=["patch_embed", "blocks", "decoder"])
    return Trainer(config(folder, stage), task).fit()


def test_masked_reconstruction_with_a_spectral_loss(pretrained):
    assert losses(pretrained, "loss")[-1] < losses(pretrained, "loss")[0]
    row = pretrained.best["ssl"]
    assert row["loss"] == pytest.approx(row["loss.masked_reconstruction"] + 0.3 * row["loss.stft"])


def test_an_inflated_encoder_in_three_stages(tmp_path, pretrained):
    wide = seeded(PatchEncoder, ("ACC_X", "ECG", "ACC_Y", "PPG"))
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
        common | {"name": "new", "trains": ["patch_embed", "head"], "init": str(source), "min_share": 0.3},
        common | {"name": "top", "trains": ["blocks[-2:]", "head"], "layer_decay": 0.7},
        common | {"name": "whole", "trains": ["patch_embed", "blocks", "head"], "lr": 1e-3, "epochs": 2},
    ]
    seen = []

    def look(event, trainer):
        if event == "begin" and trainer.progress.stage == 0:  # the weights are in, and nothing is trained yet
            x = torch.randn(3, 4, 64)
            with torch.no_grad():
                many, few = wide.eval()(x, x > 9), narrow(x[:, [3, 1]], x[:, [3, 1]] > 9)
                seen.append((many["embedding"] - few["embedding"]).abs().max().item())

    task = Task(wide, {"main": View(Waves(32, 4), Waves(16, 4, seed=1))})
    result = Trainer(config(tmp_path, *stages), task, hook=look).fit()
    assert seen[0] < 1e-6  # the new channels change nothing, whatever they hold
    lineage = load(tmp_path / "checkpoints" / "best-whole.safetensors").state["lineage"]
    assert lineage[0]["transfer"]["inflated"] == ["patch_embed.weight", "decoder.weight", "decoder.bias"]
    assert lineage[0]["transfer"]["missing"] == []
    assert lineage[0]["transfer"]["notes"] == ["channels: ECG PPG copied, ACC_X ACC_Y new (zero)"]
    assert lineage[0]["lineage"][0]["stage"] == "ssl"
    assert result.model.patch_embed.weight[:, :8].abs().min() > 0


def test_a_recipe_brings_its_own_loss_and_metric(tmp_path):
    class Count:
        def __init__(self):
            self.n = 0

        def update(self, _outputs, batch):
            self.n += len(batch["labels"])

        def compute(self):
            return {"n": np.float32(self.n)}

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
