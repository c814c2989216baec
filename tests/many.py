"""Thousands of recordings prepared, reopened and trained on: a process of its own, with few open files allowed."""

import json
import os
import resource
import sys
from pathlib import Path

import numpy as np
from torch import nn

from biotl.datasets.labels import WindowClass
from biotl.datasets.manifest import read_manifest
from biotl.datasets.prepare import prepare_store
from biotl.datasets.samples import split_samples
from biotl.datasets.spec_kinds import WindowSpec
from biotl.datasets.splits import SplitConfig, make_split
from biotl.datasets.windows import WindowPreprocessor
from biotl.training.data import Task, View
from biotl.training.trainer import Trainer
from toys import config

FS = 100.0
SPEC = WindowSpec(fs=FS, length_s=10, channels=({"name": "PPG", "normalizer": "training"}, {"name": "ACC_X"}))


def write(folder: Path, n: int) -> Path:
    """Write n recordings of two channels, three to a person, all under one file name, and their manifest."""
    rng, t, rows = np.random.default_rng(0), np.arange(int(10 * FS)) / FS, ["id,file,subject,quality"]
    for k in range(n):
        good = k % 2
        noise = rng.normal(0, 0.1 if good else 2.0, (2, len(t)))
        place = folder / f"person{k // 3}" / f"visit{k % 3}"
        place.mkdir(parents=True)
        x = (np.stack([np.sin(2 * np.pi * 1.2 * t), np.zeros(len(t))]) + noise).astype(np.float32)
        np.savez(place / "ppg.npz", PPG=x[0], ACC_X=x[1], fs=FS)
        rows.append(f"{k},{place.relative_to(folder) / 'ppg.npz'},person{k // 3},{'good' if good else 'poor'}")
    (folder / "all.csv").write_text("\n".join(rows))
    return folder / "all.csv"


class Spread(nn.Module):
    """Tells noise from pulses by the roughness of a window."""

    inputs = ("signal",)

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 2)

    def groups(self):
        return {"head": [self.head]}

    def forward(self, signal):
        return {"logits": self.head(signal.diff(dim=-1).abs().mean(-1))}


def own_memory() -> float:
    """MB that this process and its children hold of their own: pages of mapped files are the system's to take back."""
    own = {str(os.getpid())}
    for _ in range(3):  # workers are grandchildren, of the fork server
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            except OSError:
                continue
            if fields["PPid"].strip() in own:
                own.add(status.parent.name)
    total = 0
    for pid in own:
        try:
            fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        except OSError:
            continue
        total += int(fields.get("RssAnon", "0 kB").split()[0])
    return total / 1024


def main(folder: Path, n: int) -> None:
    """Print what was done, and the memory at each stage of it, as JSON."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    entries = read_manifest(write(folder / "raw", n))
    target = WindowClass("quality", {"poor": "poor", "good": "good"})
    preparing: list[float] = []

    def note(_n: int) -> None:
        note.count = getattr(note, "count", 0) + 1
        if note.count % (n // 8) == 0:
            preparing.append(own_memory())

    prepare_store(entries, WindowPreprocessor(SPEC), target, folder / "store", threads=2, done=note)
    store, refused = prepare_store(entries, WindowPreprocessor(SPEC), target, folder / "store", threads=2)
    split = make_split(entries, SplitConfig(by="subject"), seed=0)
    names = split.ids("train")
    fitted = WindowPreprocessor(SPEC).fit((store[name] for name in names), names=names, seed=0)
    views = split_samples(store, fitted, split)
    stage = {"name": "head", "trains": "head", "lr": 0.1, "batch_size": 64, "epochs": 4, "loss": "cross_entropy"}
    stage |= {"metrics": "classification", "select": {"metric": "macro_f1", "mode": "max"}}
    training: list[float] = []

    def hook(event: str, trainer: Trainer) -> None:
        if event == "validate":
            training.append(own_memory())

    task = Task(Spread(), {"main": View(views["train"], views["validation"])})
    result = Trainer(config(folder / "run", stage, workers=4, threads=1), task, hook=hook).fit()
    files = len(list(Path("/proc/self/fd").iterdir()))
    about = {"recordings": len(store), "refused": len(refused), "samples": {k: len(v) for k, v in views.items()}}
    figures = {"macro_f1": float(result.best["head"]["macro_f1"]), "open_files": files}
    sys.stdout.write(json.dumps({**about, **figures, "preparing": preparing, "training": training}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
