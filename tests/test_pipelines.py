"""Four kinds of pipeline, from files to answers: nothing of their own in trainer, exporter, predictor or driver."""

import json
import sys
import types

import numpy as np
import pytest
import torch

import toy_recipes
from biotl.cli import main
from biotl.config import text_of, validate
from biotl.deploy.predictor import Predictor
from biotl.errors import ConfigError
from biotl.models.registry import MODELS
from biotl.recipes import registry, run
from biotl.recipes.export import export_run
from biotl.records import read
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
                many, few = wide.eval()(x, x < 9), narrow(x[:, [3, 1]], x[:, [3, 1]] < 9)
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


# From raw files to a report, a model file and its answers, by the one driver


@pytest.fixture
def toys_known(monkeypatch):
    """The toy recipes and models under their names, as a user's own module would put them there."""
    for name, maker in toy_recipes.MODELS.items():
        monkeypatch.setitem(MODELS, name, maker)
    for name, recipe in toy_recipes.RECIPES.items():
        monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(RECIPE=recipe))
        monkeypatch.setitem(registry.RECIPES, name, name)


def write(folder, channels, units, signal, fs, n=12, seconds=20):
    """Write recordings of n subjects and their manifest; `signal` gives (channels, samples) of each."""
    folder.mkdir()
    rows = ["id,file,subject,kind"]
    for k in range(n):
        x = signal(np.random.default_rng(k), k, np.arange(round(seconds * fs)) / fs).astype(np.float32)
        np.savez(folder / f"r{k}.npz", signal=x, fs=fs, channels=channels, units=units)
        rows.append(f"r{k},r{k}.npz,p{k},{'fast' if k % 2 else 'slow'}")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder / "manifest.csv"


def waves(channels):
    def signal(rng, k, t):
        phase = rng.random((channels, 1)) * 6
        return np.sin(2 * np.pi * (2.83 if k % 2 else 1.27) * t + phase) + 0.1 * rng.normal(size=(channels, len(t)))

    return signal


def loud(rng, k, t):
    return (1 + 2 * (k % 2)) * np.sin(2 * np.pi * 2.0 * t + 6 * rng.random())[None] + 0.1 * rng.normal(size=(1, len(t)))


def workouts(rng, _, t):
    speed = rng.uniform(4, 10) + np.cumsum(rng.normal(size=len(t))) * 0.1
    rate = 40 + 10 * np.convolve(speed, np.ones(15) / 15, "same")
    rate[(t > 60) & (t < 110)] = np.nan  # a strap that slipped: neither learnt from nor scored
    speed[(t > 150) & (t < 160)] = np.nan
    return np.stack([speed, rate])


def tree_of(folder, recipe, model, manifest, spec, *stages):
    """The configuration of a run."""
    return {
        "recipe": recipe,
        "run": str(folder),
        "data": {"manifest": str(manifest), "split": {"by": "subject", "shares": [0.5, 0.25, 0.25]}, "spec": spec},
        "model": model,
        "engine": {"threads": 1},
        "stages": list(stages),
    }


def run_toy(folder, recipe, *rest):
    settings = validate(registry.find(recipe).config, tree_of(folder, recipe, *rest))
    return settings, run.finetune(settings)


def answers_again(settings, published):
    """Hold the exported file alone to what torch answered of the test recordings, and the report to what is in it."""
    predictor = Predictor(published.model, threads=1)
    for answered in published.answered:
        found = predictor.predict(read(settings.data.manifest.parent / f"{answered.id}.npz"))
        own = answered.answers[settings.model.name]
        np.testing.assert_array_equal(found.span, answered.span)
        if found.labels:
            np.testing.assert_array_equal(found.value, own)
        else:
            held = np.isfinite(found.value)
            np.testing.assert_allclose(found.value[held], own[held], rtol=1e-5, atol=1e-4)
    results = json.loads((published.folder / "results.json").read_text())
    assert settings.model.name in results["models"]
    assert "subjects never seen" in (published.folder / "report.html").read_text()
    return results["models"]


SPEC = {"kind": "windows", "fs": 32, "length_s": 2, "channels": [{"name": "A"}, {"name": "B"}]}
FINE = {
    "name": "fine", "trains": ["patch_embed", "blocks", "head"], "loss": "cross_entropy", "epochs": 20, "lr": 1e-2,
    "batch_size": 16,
}  # fmt: skip


def test_a_class_of_windows_and_then_five_channels_inflated_from_its_two(tmp_path, toys_known):
    two = write(tmp_path / "two", ["A", "B"], ["mV", "g"], waves(2), 64.0)
    ssl = ssl_stage(view="masked", trains=["patch_embed", "blocks", "decoder"], epochs=2)
    settings, published = run_toy(tmp_path / "a", "toy_window", "toy_patches", two, SPEC, ssl, FINE)
    assert answers_again(settings, published)["toy_patches"]["macro_f1"] > 80
    five = ["X", "B", "Y", "A", "Z"]
    many = write(tmp_path / "five", five, ["g"] * 5, waves(5), 64.0, n=32)
    spec = SPEC | {"channels": [{"name": name} for name in five]}
    start = {"init": str(tmp_path / "a" / "checkpoints" / "best-ssl.safetensors"), "min_share": 0.5}
    settings, published = run_toy(tmp_path / "b", "toy_window", "toy_patches", many, spec, FINE | start)
    models = answers_again(settings, published)
    assert models["toy_patches"]["macro_f1"] > models["majority"]["macro_f1"] + 20
    lineage = Predictor(published.model, threads=1).bundle.about.lineage
    assert lineage[0]["transfer"]["notes"] == ["channels: B A copied, X Y Z new (zero)"]


def test_a_stage_that_only_restored_signals_gives_embeddings_and_no_classes(tmp_path, toys_known):
    two = write(tmp_path / "two", ["A", "B"], ["mV", "g"], waves(2), 64.0)
    ssl = ssl_stage(view="masked", trains=["patch_embed", "blocks", "decoder"], epochs=1)
    run_toy(tmp_path / "a", "toy_window", "toy_patches", two, SPEC, ssl, FINE | {"epochs": 1})
    with pytest.raises(ConfigError, match=r"no stage trained head\.bias, head\.weight, which logits depends on"):
        export_run(tmp_path / "a", tmp_path / "m.onnx", stage="ssl")
    export_run(tmp_path / "a", tmp_path / "e.onnx", stage="ssl", embeddings=True)
    found = Predictor(tmp_path / "e.onnx", threads=1).predict(read(two.parent / "r0.npz"))
    assert found.value.shape == (10, 16)
    assert list(found.rows()[0])[-4:] == ["e14", "e15", "quality", "abstained"]


def test_masked_regression_of_sequences(tmp_path, toys_known):
    manifest = write(tmp_path / "w", ["speed", "rate"], ["km/h", "bpm"], workouts, 1.0, seconds=300)
    spec = {"kind": "sequences", "fs": 0.2, "length": 40, "channels": [{"name": "speed", "normalizer": "training"}],
            "reach_s": 4.0}  # fmt: skip
    stage = {"name": "all", "loss": "masked_mae", "epochs": 40, "lr": 3e-2, "batch_size": 4}
    settings, published = run_toy(tmp_path / "run", "toy_sequence", "toy_steps", manifest, spec, stage)
    models = answers_again(settings, published)
    assert models["toy_steps"]["mae"] < models["mean"]["mae"]
    truth = published.answered[0].truth
    assert 0 < np.isnan(truth).sum() < len(truth)


def test_spikes(tmp_path, toys_known):
    manifest = write(tmp_path / "w", ["A"], ["mV"], loud, 32.0)
    spec = SPEC | {"channels": [{"name": "A"}]}
    stage = {"name": "all", "loss": {"name": "focal", "alpha": 0.5}, "epochs": 8, "lr": 1e-2, "batch_size": 8}
    settings, published = run_toy(tmp_path / "run", "toy_spiking", "toy_spikes", manifest, spec, stage)
    assert answers_again(settings, published)["toy_spikes"]["macro_f1"] > 80


def test_the_doctor_looks_at_a_recipe_that_it_does_not_know(tmp_path, toys_known, capsys):
    manifest = write(tmp_path / "w", ["A"], ["mV"], loud, 32.0)
    for name, rate in {"good": 1e-3, "bad": 0.0}.items():
        tree = tree_of(tmp_path / name, "toy_spiking", "toy_spikes", manifest, SPEC | {"channels": [{"name": "A"}]})
        stage = {"name": "all", "loss": "cross_entropy", "lr": rate}
        (tmp_path / f"{name}.yaml").write_text(text_of(tree | {"stages": [stage]}))
    assert main(["doctor", str(tmp_path / "good.yaml")]) == 0
    assert main(["doctor", str(tmp_path / "bad.yaml"), "--json"]) == 1
    assert '"check": "learning rate"' in capsys.readouterr().out
