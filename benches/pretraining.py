"""What pretraining is worth at the size of data that people have: linear probes beside random weights and features.

    PYTHONPATH=python python benches/pretraining.py FOLDER prepare DATA
    PYTHONPATH=python python benches/pretraining.py FOLDER train restore|cross|dense SEED...
    PYTHONPATH=python python benches/pretraining.py FOLDER probe validation|held

Pretraining sees BIDMC, CapnoBase, MIMIC-IV, v102s, 041s, SP Cup, ECG-ID and CinC 2017 without labels. Two fifths of the
people of each set are held aside: no run, no probe and no choice sees them before ``probe held``, each call of which is
counted in FOLDER/looks.json. Probes: heart rate from the PPG alone (held people of BIDMC, CapnoBase and of a set of 56
people that no pretraining saw), quality of a PPG (SP Cup, by the rule that its rate lies within 5 bpm of the reference;
BUT PPG, by experts), and the class of a beat (MIT-BIH: DS1, DS2 held). Every run is one thread of a processor.
"""

import json
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from pretraining_people import prepare
from probes import probe

from biotl.datasets.dense import FIELDS, TaughtMaps
from biotl.recipes import registry, run
from biotl.recipes.collapse import write_history
from biotl.recipes.prep import fit
from biotl.recipes.prep import prepare as ready_recordings
from biotl.recipes.ssl_pretrain import views as recipe_views
from biotl.training.data import View
from biotl.training.trainer import Trainer

RUNS = {"restore": "ssl_pretrain", "cross": "ssl_cross", "dense": "ssl_dense"}
"""Each objective's configuration, as shipped: one and a half to two minutes of one core."""
SYNTHETIC = 6400
"""Synthetic windows, made once: the recipe makes new ones in every epoch, and takes longer over it than to learn."""


class Kept:
    """Samples made once for every seed, and changed anew in each epoch."""

    def __init__(self, arrays, changes):
        self.arrays, self.changes = arrays, changes

    def __len__(self):
        return len(self.arrays["signal"])

    def __getitem__(self, index):
        return self.draw(index, np.random.default_rng(index), [c for c in self.changes if c.always])

    def draw(self, index, rng, changes=None):
        sample = {name: array[index].copy() for name, array in self.arrays.items()}
        for change in self.changes if changes is None else changes:
            sample = change(sample, rng)
        return sample


@cache
def ready(folder):
    """Return the recordings, prepared once."""
    own = [f"data.manifest={folder / 'manifest.csv'}", f"run={folder / 'prepared'}", "data.probe=''"]
    return fit(ready_recordings(registry.load("ssl_dense", own)))


def train(root, objective, seed):
    """Pretrain by one objective, unless that run is there, and leave the run folder."""
    folder = root / f"{objective}-{seed}"
    if (folder / "training_history.json").exists():
        return
    own = [f"data.manifest={root / 'manifest.csv'}", f"run={folder}", f"seed={seed}", "data.probe=''"]
    config = registry.load(RUNS[objective], own)
    mine = replace(ready(root), config=config)
    began, work = time.process_time(), run.task(mine)
    changes = [c for c in work.views["main"].train.transforms if not isinstance(c, TaughtMaps)]
    views = {}
    for side in ("train", "validation"):
        real = kept(root, "main", side)
        if objective == "dense":
            made = kept(root, "synthetic", side)
            views[side] = Kept({name: np.concatenate([real[name], made[name]]) for name in FIELDS}, changes)
        else:
            both = real["measured"].any(-1).all(-1) if objective == "cross" else slice(None)
            views[side] = Kept({name: array[both] for name, array in real.items()}, changes)
    stage = config.stages[0].view
    trainer = Trainer(config, replace(work, views={stage: View(**views)}), resume=(folder / "checkpoints").exists())
    result = trainer.fit()
    write_history(str(folder), result.history)
    row = [row for row in result.history if row["kind"] == "epoch"][-1]
    told = {key: round(value, 3) for key, value in row.items() if key.startswith(("r2", "embedding", "loss"))}
    print(objective, seed, f"{time.process_time() - began:.0f} s of processor time", told, flush=True)


@cache
def kept(folder, view, side):
    """Return the windows of pretraining before anything of them is changed: real ones, or synthetic ones."""
    path = folder / f"{view}-{side}.npz"
    if not path.exists():
        config = ready(folder).config
        data = config.data.model_copy(update={"dense": SYNTHETIC})
        of = getattr(recipe_views(replace(ready(folder), config=config.model_copy(update={"data": data})))[view], side)
        # what else is done to a window is drawn anew in each epoch
        object.__setattr__(of, "transforms", tuple(c for c in of.transforms if isinstance(c, TaughtMaps)))
        samples = [of[i] for i in range(len(of))]
        np.savez(path, **{name: np.stack([sample[name] for sample in samples]) for name in samples[0]})
    z = np.load(path)
    return {name: z[name] for name in z.files}


def look(folder):
    """Count that the people held aside are looked at."""
    path = folder / "looks.json"
    path.write_text(json.dumps({"looks": 1 + (json.loads(path.read_text())["looks"] if path.exists() else 0)}))


def finished(folder, objective):
    """Return the seeds of which an objective has a finished run."""
    return sorted(int(path.parent.name.split("-")[1]) for path in folder.glob(f"{objective}-*/training_history.json"))


if __name__ == "__main__":
    folder, what, *more = Path(sys.argv[1]), *sys.argv[2:]
    torch.set_num_threads(1)
    if what == "prepare":
        folder.mkdir(parents=True, exist_ok=True)
        prepare(Path(more[0]), folder)
    elif what == "train":
        for seed in map(int, more[1:]):
            train(folder, more[0], seed)
    else:
        objectives = more[1:] or list(RUNS)
        if more[0] == "held":
            look(folder)
        probe(folder, more[0], {objective: finished(folder, objective) for objective in objectives})
