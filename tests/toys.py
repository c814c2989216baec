"""Toy models and data sets that stand for pipelines to come; none of them needs a line in the trainer."""

import numpy as np
import torch
from torch import nn

from biotl.training.config import validate
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
