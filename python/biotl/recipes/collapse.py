"""Whether an encoder still learns something while it is pretrained: a linear probe every few epochs, and the curves."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from biotl.deploy.bundle import Bundle
from biotl.models import registry
from biotl.recipes import figures
from biotl.recipes.forward import forward
from biotl.recipes.probe import probe
from biotl.recipes.recipe import Ready
from biotl.records.atomic import write_text
from biotl.scoring.answers import models
from biotl.scoring.bootstrap import interval
from biotl.training.trainer import Hook, Trainer

HISTORY = {"loss": "loss", "msm": "loss.masked_reconstruction", "stft": "loss.stft"}
"""Key of the documented ``training_history.json``, after ``train_`` and ``val_``, and ours."""


def watch(ready: Ready) -> Hook:
    """Return what a trainer calls: after every ``data.probe_every`` epochs the validation recordings are probed.

    Each time a row ``probe`` is written beside those of the epochs: the headline figure of the encoder as it is, of
    random weights, of simple features and of a constant, in ``metrics.jsonl`` and in the report.
    """
    data = ready.config.data
    beside: dict[str, float] = {}

    def hook(event: str, trainer: Trainer) -> None:
        if event != "validate" or not data.probe_every or (trainer.progress.epoch + 1) % data.probe_every:
            return
        progress, encoders = trainer.progress, {"pretrained": trainer.model}
        if not beside:
            encoders["random initialisation"] = _fresh(ready, trainer)
        probed = probe(ready, {name: forward(of, "embedding") for name, of in encoders.items()})
        if not probed:
            return
        asked = figures.asked_of(Bundle.from_json(trainer.task.about).decision)
        measure, key = asked.measure(probed), asked.headline
        told = {name: interval(probed, measure, name, n=1)[key].value for name in models(probed)}
        beside.update({name: value for name, value in told.items() if name != "pretrained"})
        stage = ready.config.stages[progress.stage].name
        at = {"stage": stage, "epoch": progress.epoch, "step": progress.step}
        trainer.log.row("probe", {**at, "figure": key, **told, **beside})

    return hook


def _fresh(ready: Ready, trainer: Trainer) -> torch.nn.Module:
    """Return the model of the run with the weights that it was built with."""
    named = ready.recipe.model(ready, trainer.task.views)
    with torch.random.fork_rng(devices=[]):
        made = registry.build(named.name, **named.args)
    made.load_state_dict(trainer.fresh)
    return made.to(trainer.device)


def write_history(
    folder: str, history: Sequence[Mapping[str, Any]], figures: Mapping[str, str] = HISTORY, *, stage: bool = False
) -> None:
    """Write ``training_history.json`` with the keys of `documents/vitaldb_ssl_pretraining.md`, a number an epoch.

    ``train_loss``, ``val_loss``, and the same of ``msm`` (masked reconstruction) and ``stft``, or of other ``figures``,
    null where a stage has no such loss; and, where it is asked for, the ``stage`` of each epoch.
    """
    epochs = [row for row in history if row["kind"] == "epoch"]
    tree = {
        f"{side}_{name}": [row.get(start + key) for row in epochs]
        for side, start in (("train", "train."), ("val", ""))
        for name, key in figures.items()
    }
    tree |= {"stage": [row["stage"] for row in epochs]} if stage else {}
    write_text(Path(folder) / "training_history.json", json.dumps(tree, indent=1))
