"""Toy models and data sets that stand for pipelines to come; none of them needs a line in the trainer."""

import dataclasses

import numpy as np
import torch
from torch import nn

from biotl.config import validate
from biotl.records import ecg
from biotl.records.write import write_wfdb
from biotl.training.data import Task, View
from biotl.training.stages import Config


class Net(nn.Module):
    """Blocks with batch norm and dropout below a head: everything that can drift while frozen."""

    inputs = ("x",)

    def __init__(self, n_features=4, width=8, n_classes=3, dropout=0.2):
        super().__init__()
        self.stem = nn.Linear(n_features, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout))
            for _ in range(3)
        )
        self.head = nn.Linear(width, n_classes)

    def groups(self):
        return {"stem": [self.stem], "blocks": list(self.blocks), "head": [self.head]}

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return {"logits": self.head(x)}


class Points:
    """Noisy points around class means."""

    def __init__(self, n=48, n_features=4, n_classes=3, seed=0):
        rng = np.random.default_rng(seed)
        means = np.random.default_rng(99).normal(size=(n_classes, n_features))
        self.labels = rng.integers(0, n_classes, n)
        self.x = (means[self.labels] + 0.5 * rng.normal(size=(n, n_features))).astype(np.float32)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return {"x": self.x[index], "labels": self.labels[index]}


class Jittered(Points):
    """The same points with noise drawn anew in each epoch."""

    def draw(self, index, rng):
        sample = self[index]
        return sample | {"x": sample["x"] + 0.1 * rng.normal(size=sample["x"].shape).astype(np.float32)}


def stop_at(event, when=lambda _: True):
    """A hook that ends the run at an event."""
    return lambda now, trainer: now == event and when(trainer) and trainer.stop()


def seeded(make, *args, seed=0, **kwargs):
    torch.manual_seed(seed)
    return make(*args, **kwargs)


def points_task(model=None, train=None, validation=None, about=None):
    view = View(train or Jittered(48), validation or Jittered(24, seed=1))
    return Task(model or seeded(Net), {"main": view}, about or {})


HEAD = {"name": "head", "trains": "head", "epochs": 2, "batch_size": 16, "loss": "cross_entropy", "lr": 1e-2}
FULL = HEAD | {
    "name": "full",
    "trains": "all",
    "metrics": "classification",
    "select": {"metric": "macro_f1", "mode": "max"},
}


def config(folder, *stages, seed=3, **engine):
    tree = {"recipe": "toy", "run": str(folder), "seed": seed, "engine": engine, "stages": list(stages or (HEAD, FULL))}
    return validate(Config, tree)


class Spike(torch.autograd.Function):
    """A threshold with the gradient of a fast sigmoid."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad / (1 + 25 * x.abs()) ** 2


class Spiking(nn.Module):
    """Leaky integrate-and-fire layers; the logits are spike counts over a temperature."""

    inputs = ("spikes",)

    def __init__(self, n_features=4, width=16):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(n_features, width), nn.Linear(width, 2)

    def groups(self):
        return {"layer1": [self.fc1], "layer2": [self.fc2]}

    def forward(self, spikes):
        v1, v2, total = 0.0, 0.0, 0.0
        for x in spikes.unbind(1):
            v1 = 0.9 * v1 + self.fc1(x)
            s1 = Spike.apply(v1 - 1)
            v1 = v1 - s1.detach()
            v2 = 0.9 * v2 + self.fc2(s1)
            s2 = Spike.apply(v2 - 1)
            v2 = v2 - s2.detach()
            total = total + s2
        return {"logits": total / 2}


class SpikeTrains(Points):
    """Points encoded as Bernoulli spikes, drawn by the data set so that validation is the same in every call."""

    def __init__(self, n=48, seed=0):
        super().__init__(n, n_classes=2, seed=seed)

    def draw(self, index, rng):
        p = 1 / (1 + np.exp(-2 * self.x[index]))
        return {"spikes": (rng.random((12, p.size)) < p).astype(np.float32), "labels": self.labels[index]}


class SequenceRegression(nn.Module):
    """Two LSTM layers and a head; the parameters of one layer are a group."""

    inputs = ("features",)

    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(2, 8, 2, batch_first=True), nn.Linear(8, 1)

    def groups(self):
        named = dict(self.lstm.named_parameters())
        layers = {f"layer{k}": [p for name, p in named.items() if name.endswith(f"_l{k}")] for k in (0, 1)}
        return layers | {"head": [self.head]}

    def forward(self, features):
        return {"prediction": self.head(self.lstm(features)[0])[..., 0]}


class Workouts:
    """Sequences of different length; NaN stands in the padding of the target."""

    def __init__(self, n=24, seed=0):
        rng = np.random.default_rng(seed)
        self.features = rng.normal(size=(n, 20, 2)).astype(np.float32)
        self.target = np.cumsum(self.features.sum(-1), 1).astype(np.float32) / 5
        self.mask = np.arange(20) < rng.integers(5, 21, (n, 1))
        self.target[~self.mask] = np.nan

    def __len__(self):
        return len(self.features)

    def __getitem__(self, index):
        return {"features": self.features[index], "target": self.target[index], "mask": self.mask[index]}


class PatchEncoder(nn.Module):
    """Patches of several channels; what is masked is hidden inside, so that the whole signal may go in."""

    inputs = ("signal", "measured")
    output = "logits"
    axes = dict.fromkeys((*inputs, "logits", "embedding"), {0: "batch"})  # noqa: RUF024
    by_channel = {"patch_embed.weight": 1, "decoder.weight": 0, "decoder.bias": 0}  # noqa: RUF012

    def __init__(self, channels=("PPG", "ECG"), patch=8, width=16, classes=2):
        super().__init__()
        self.channels, self.patch = tuple(channels), patch
        size = len(self.channels) * patch
        self.patch_embed = nn.Linear(size, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU()) for _ in range(3)
        )
        self.decoder, self.head = nn.Linear(width, size), nn.Linear(width, classes)

    def groups(self):
        named = {"patch_embed": self.patch_embed, "blocks": self.blocks, "head": self.head, "decoder": self.decoder}
        return {name: [part] for name, part in named.items()}

    def forward(self, signal, measured):
        n, channels, samples = signal.shape
        signal = torch.where(measured, signal, 0.0)
        x = self.patch_embed(signal.reshape(n, channels, -1, self.patch).transpose(1, 2).flatten(2))
        for block in self.blocks:
            x = x + block(x)
        out = self.decoder(x).unflatten(2, (channels, self.patch)).transpose(1, 2).reshape(n, channels, samples)
        embedding = x.mean(1)
        return {"reconstruction": out, "embedding": embedding, "logits": self.head(embedding)}


class Waves:
    """Sines of two kinds on several channels, patches of them masked anew in every epoch."""

    def __init__(self, n=32, n_channels=2, seed=0):
        rng = np.random.default_rng(seed)
        self.labels = rng.integers(0, 2, n)
        phase = rng.random((n, n_channels, 1)) * 6
        self.signal = np.sin(np.arange(64) * np.where(self.labels, 0.3, 0.6)[:, None, None] + phase).astype(np.float32)

    def __len__(self):
        return len(self.signal)

    def __getitem__(self, index):
        signal = self.signal[index]
        return {"signal": signal, "measured": np.ones(signal.shape, bool), "labels": self.labels[index]}


class MaskedWaves(Waves):
    def draw(self, index, rng):
        mask = np.repeat(rng.permutation(8) < 3, 8)[None]
        mask = np.broadcast_to(mask, self.signal[index].shape)
        return self[index] | {"mask": mask, "measured": ~mask}


RECIPE = """
recipe: ecgbert
data:
  adapter: mitdb
  root: {root}
  split: {{by: de_chazal, validation: ["114", "118", "207"]}}
model: {{name: ecgbert, dim: 16, layers: 1, heads: 2, hidden: 16, dropout: {dropout}}}
engine: {{threads: 1, log_every: 1}}
stages:
  - {{name: pretrain, view: tokens, trains: [embedding, encoder, mlm], epochs: 1, batch_size: 8,
      loss: {{name: cross_entropy, output: mlm_logits}}}}
  - {{name: all, view: beats, trains: [embedding, encoder, head], epochs: 1, lr: 3e-3, batch_size: 8,
      loss: cross_entropy}}
"""


def write_recipe(folder, names, dropout=0.1):
    """Write short synthetic recordings under the names of MIT-BIH, and a configuration of two stages on them."""
    for subject, name in enumerate(sorted(names)):
        write_wfdb(dataclasses.replace(ecg(0, subject, duration_s=25.0), name=name), folder / "mitdb")
    (folder / "config.yaml").write_text(RECIPE.format(root=folder / "mitdb", dropout=dropout))


def losses(result, key="train.loss"):
    """What a run gave, epoch by epoch."""
    return [row[key] for row in result.history if row["kind"] == "epoch"]
