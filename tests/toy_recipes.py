"""Recipes of toy kinds: a window's class, more channels than were pretrained, masked sequences, spikes."""

import numpy as np
import torch
from torch import nn

from biotl.config import Named
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.labels import ChannelAt, WindowClass
from biotl.datasets.samples import split_samples
from biotl.datasets.spec import Channel
from biotl.datasets.spec_kinds import SequenceSpec, WindowSpec
from biotl.recipes import windows
from biotl.recipes.recipe import Data, Recipe, RunConfig
from biotl.scoring.baselines import windows as baselines
from biotl.training.data import View
from toys import PatchEncoder, Spike

KINDS = {"slow": "slow", "fast": "fast"}


class WindowsData(Data):
    spec: WindowSpec


class WindowsConfig(RunConfig):
    data: WindowsData


class SequenceData(Data):
    spec: SequenceSpec


class SequenceConfig(RunConfig):
    data: SequenceData


class HidePatches:
    """Hide some patches of a window; what they held stays in the signal, which the model then does not read."""

    always = True

    def __call__(self, sample, rng):
        mask = np.repeat(rng.permutation(8) < 3, 8) & sample["measured"]
        return sample | {"mask": mask, "measured": sample["measured"] & ~mask}


def window_views(ready):
    plain = split_samples(ready.store, ready.preprocessor, ready.split)
    masked = split_samples(ready.store, ready.preprocessor, ready.split, transforms=(HidePatches(),))
    return {name: View(of["train"], of["validation"]) for name, of in (("main", plain), ("masked", masked))}


def majority(train, test, **_):
    return baselines.classes(train, test, seed=0)


def mean(train, test, **_):
    value = np.nanmean(np.concatenate([truth for _, truth in train]))
    return {"mean": [np.full(len(rows), value) for rows in test]}


def steps(_, prepared):
    return prepared.arrays["signal"]


def toy(config, name, target, table, baseline, views=window_views):
    return Recipe(
        config=config,
        preprocessor=lambda settings: make_preprocessor(settings.data.spec),
        target=lambda *_: target,
        views=views,
        model=lambda ready, _: Named(
            name=name, channels=list(ready.preprocessor.spec.names), **ready.config.model.args
        ),
        table=table,
        baselines=baseline,
        question="How well are windows of {people} people told apart: {labels}?",
        reference="what the toy was made with",
        synthesize=lambda *_: None,
    )


class Regression(nn.Module):
    """Two LSTM layers over steps, of which some were not measured."""

    inputs = ("signal", "measured")
    output = "prediction"
    axes = dict.fromkeys((*inputs, "prediction", "embedding"), {0: "batch", 1: "steps"})  # noqa: RUF024

    def __init__(self, channels):
        super().__init__()
        self.lstm, self.head = nn.LSTM(2 * len(channels), 12, 2, batch_first=True), nn.Linear(12, 1)
        nn.init.constant_(self.head.bias, 100.0)

    def groups(self):
        return {"lstm": [self.lstm], "head": [self.head]}

    def forward(self, signal, measured):
        x = self.lstm(torch.cat([signal, measured.to(signal.dtype)], 2))[0]
        return {"prediction": self.head(x)[..., 0], "embedding": x}


class Spiking(nn.Module):
    """Leaky integrate-and-fire layers with a loop over time of their own."""

    inputs = ("signal",)
    output = "logits"
    axes = dict.fromkeys((*inputs, "logits", "embedding"), {0: "batch"})  # noqa: RUF024

    def __init__(self, channels, width=16):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(64 * len(channels), width), nn.Linear(width, 2)

    def groups(self):
        return {"layer1": [self.fc1], "layer2": [self.fc2]}

    def fire(self, v):
        # an exporter takes the forward pass; the gradient is for training alone
        return (v > 0).to(v.dtype) if torch.compiler.is_exporting() else Spike.apply(v)

    def forward(self, signal):
        current = self.fc1(signal.flatten(1).abs())
        v1, v2, total, active = 0.0, 0.0, 0.0, 0.0
        for _ in range(10):
            v1 = 0.9 * v1 + current
            s1 = self.fire(v1 - 1)
            v1 = v1 - s1.detach()
            v2 = 0.9 * v2 + self.fc2(s1)
            s2 = self.fire(v2 - 1)
            v2 = v2 - s2.detach()
            total, active = total + s2, active + s1
        return {"logits": total / 2, "embedding": active / 10}


MODELS = {"toy_patches": PatchEncoder, "toy_steps": Regression, "toy_spikes": Spiking}
WINDOW = WindowClass(column="kind", classes=KINDS)
RATE = ChannelAt(channel=Channel(name="rate", unit="bpm"), reach_s=10.0)
RECIPES = {
    "toy_window": toy(WindowsConfig, "toy_patches", WINDOW, windows.table, majority),
    "toy_spiking": toy(WindowsConfig, "toy_spikes", WINDOW, windows.table, majority),
    "toy_sequence": toy(SequenceConfig, "toy_steps", RATE, steps, mean,
                        lambda ready: {"main": window_views(ready)["main"]}),
}  # fmt: skip
