"""Measure the spiking recipe on MIT-BIH: beside trees and beside its plain twin.

    python benches/spiking.py windows               the documented windows: counts and quality by part of the split
    python benches/spiking.py choose [NAME ...]     two folds of the documented training and validation patients alone
    python benches/spiking.py folds [NAME ...]      all 8,640 windows, five folds of all patients
    python benches/spiking.py published [NAME ...]  learnt on all windows of the documented training records; judged on
                                                    the documented test records: their 379 windows, and all 1,440
    python benches/spiking.py documented [NAME ...] the document's recipe on its own 1,482, 329 and 379 windows

NAMEs are of `MODELS` (of `DOCUMENTED`) or `trees`. Each fit is kept under $BIOTL_WORK (by default among temporary
files), so that a call goes on where one ended. Accuracy, sensitivity, specificity and G-mean in per cent, with the
95 % interval over patients; epochs and thresholds are chosen on the validation fold. ``folds``, ``published`` and
``documented`` read test patients: each new fit is a look.
"""

import csv
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from biotl.datasets.adapters import mitdb
from biotl.datasets.documented_windows import documented_split, documented_windows, write_documented
from biotl.recipes import registry
from biotl.recipes.decide import undecided
from biotl.recipes.prep import fit, prepare
from biotl.recipes.units import reference, truths
from biotl.records import ecg
from biotl.records.write import write_wfdb
from biotl.scoring.answers import Answered
from biotl.scoring.bootstrap import interval, paired
from biotl.scoring.classes import ClassCounts, ratio
from biotl.scoring.figure import Figure
from biotl.scoring.ranking import area_roc

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))
WORK = Path(os.environ.get("BIOTL_WORK", Path(tempfile.gettempdir()) / "biotl-spiking"))
ALONE = ["data.spec.beats=null", "stages[0].trains=[layer2, layer3]"]
MODELS = {
    "spiking": [],
    "twin": ["model={name: spiking_twin}"],
    "spiking, samples alone": [*ALONE, "model.gain=100"],  # of 10, as drawn, no cell ever fires
    "twin, samples alone": [*ALONE, "model={name: spiking_twin}"],
    "spiking, rate": ["model.encoding=rate"],
}
DOCUMENTED = {"rate": [], "current": ["model.encoding=current"], "twin": ["model={name: spiking_twin}"]}
LABELS = ("normal", "abnormal")
BINS = 2000


class Screen(ClassCounts):
    """Accuracy, sensitivity, specificity and G-mean of the abnormal class, in per cent."""

    legend = {name: Figure(name, "%") for name in ("accuracy", "Se", "Sp", "G")}  # noqa: RUF012

    def figures(self, sums):
        """Read them from sums."""
        s = self.score(sums)
        return {"accuracy": 100 * s.accuracy, "Se": 100 * s.sensitivity[..., 1],
                "Sp": 100 * s.sensitivity[..., 0], "G": 100 * s.g_mean}  # fmt: skip


class Ranking:
    """AUROC, and the specificity where the sensitivity is 95 %, of scores in bins."""

    legend = {name: Figure(name, "%") for name in ("AUROC", "Sp at Se 95")}  # noqa: RUF012

    def sums(self, of, model):
        """Count scores by class."""
        kept = of.truth >= 0
        flat = of.truth[kept] * BINS + of.answers[f"{model} score"][kept]
        return np.bincount(flat, minlength=2 * BINS).astype(float)

    def figures(self, sums):
        """Read them from counts (..., 2 BINS)."""
        negative, positive = sums[..., :BINS], sums[..., BINS:]
        missed = ratio(np.cumsum(positive, -1), positive.sum(-1, keepdims=True))
        below = ratio(np.cumsum(negative, -1), negative.sum(-1, keepdims=True))
        at = (missed <= 0.05).sum(-1, keepdims=True) - 1
        specific = np.where(at >= 0, np.take_along_axis(below, np.maximum(at, 0), -1), 0)[..., 0]
        return {"AUROC": 100 * area_roc(positive, negative), "Sp at Se 95": 100 * specific}


def show(found, names):
    """Print a line a model, and how far the first is from the others in G-mean."""
    for name in names:
        figures = interval(found, Screen(LABELS), name) | interval(found, Ranking(), name)
        target = interval(found, Screen(LABELS), f"{name} for Se 95")
        both = "  ".join(f"{target[k].value:.1f}" for k in ("Se", "Sp"))
        text = "  ".join(f"{k} {i.value:.1f} [{i.low:.1f}, {i.high:.1f}]" for k, i in figures.items())
        print(f"{name:24s} {text}  threshold for Se 95: Se Sp {both}", flush=True)
    for name in names[1:]:
        i = paired(found, Screen(LABELS), names[0], name)["G"]
        print(f"{names[0]} - {name}: G {i.value:+.1f} [{i.low:+.1f}, {i.high:+.1f}]")
    truth = np.concatenate([of.truth for of in found])
    print(f"{(truth >= 0).sum()} windows, {(truth == 1).sum()} abnormal, {len({of.subject for of in found})} patients")


def manifest(folder, parts):
    """Write a manifest of MIT-BIH with a split."""
    people = {entry.id: entry for entry in mitdb(DATA / "mitdb")}
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "file", "subject", "split"])
        for which, names in parts.items():
            rows.writerows([name, people[name].files[0], people[name].subject, which] for name in names)
    return [f"data.manifest={folder / 'manifest.csv'}", "data.root=null", "data.split={by: split}"]


def prepared(config):
    """Prepare a run; runs of one preprocessing share the store."""
    beats = "" if config.data.spec.beats is None else "-beats"
    home = config.data.root or config.data.manifest.parent
    shared, own = WORK / f"store-{Path(home).name}{beats}", Path(config.run) / "store"
    shared.mkdir(parents=True, exist_ok=True)
    own.parent.mkdir(parents=True, exist_ok=True)
    if not own.exists():
        own.symlink_to(shared)
    return fit(prepare(config), needs=("train", "validation", "test"))


def net(name, config, key):
    """Train by the stages of the configuration; return scores of the abnormal class, by recording, of both parts."""
    from biotl.recipes.forward import forward
    from biotl.recipes.run import answered, task
    from biotl.training.trainer import Trainer

    ready = prepared(config)
    began = time.process_time()
    result = Trainer(config, task(ready), resume=True).fit()
    best = {stage: (row["epoch"] + 1, round(row["screening"], 3)) for stage, row in result.best.items()}
    print(f"{key} {name}: {time.process_time() - began:.0f} s of processor time, best epochs {best}", flush=True)
    run = forward(result.model, str(result.model.output))
    parts = ("validation", "test")
    return ready, {
        w: [a.probability[:, 1] for a in answered(ready, w, undecided(ready.target), run, name)] for w in parts
    }


def trees(config, make):
    """Fit trees on the tables that the report's baselines read."""
    ready = prepared(config)
    tables = {}
    for which in ("train", "validation", "test"):
        tables[which] = [
            (ready.recipe.table(ready.preprocessor, ready.store[p.id]), truths(ready.store.targets(p.id)))
            for p in ready.parts(which)
        ]
    x, y = (np.concatenate(of) for of in zip(*tables["train"], strict=True))
    model = make().fit(x[y >= 0], y[y >= 0])
    return ready, {w: [model.predict_proba(rows)[:, 1] for rows, _ in tables[w]] for w in ("validation", "test")}


def forest():
    """The random forest, as drawn from the box but for the size of its leaves."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(200, min_samples_leaf=3, random_state=0)


def boosting():
    """Boosting, as drawn from the box."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=0)


def decided(ready, scores, name):
    """Decide at one half and at the threshold that gives a sensitivity of 95 % on the validation recordings.

    Counts of spikes may be equal: at one half that is normal, as in the model file.
    """
    truth = np.concatenate([truths(ready.store.targets(p.id)) for p in ready.parts("validation")])
    seen = np.concatenate(scores["validation"])
    bar = float(np.quantile(seen[truth == 1], 0.05))
    found = []
    for part, p in zip(ready.parts("test"), scores["test"], strict=True):
        score = np.clip((p * BINS).astype(int), 0, BINS - 1)
        said = {name: (p > 0.5).astype(int), f"{name} for Se 95": (p >= bar).astype(int), f"{name} score": score}
        found.append((reference(ready, part), said))
    return found


def fitted(key, name, overrides, config_name="mitbih_spiking"):
    """Return what a model answers on the test recordings of a split; fits are kept."""
    kept = WORK / "answers" / f"{key}-{name.replace(', ', '-').replace(' ', '-')}.npz"
    own = {**MODELS, **DOCUMENTED} if config_name == "mitbih_spiking" else DOCUMENTED
    changes = [f"run={WORK / key / kept.stem}", *overrides, *own.get(name, [])]
    config = registry.load(config_name, changes)
    if not kept.exists():
        makers = {"forest": forest, "boosting": boosting}
        ready, scores = trees(config, makers[name]) if name in makers else net(name, config, key)
        found = decided(ready, scores, name)
        kept.parent.mkdir(parents=True, exist_ok=True)
        arrays = {f"{of.id}|{which}": array for of, said in found for which, array in said.items()}
        arrays |= {f"{of.id}|truth": of.truth for of, _ in found} | {f"{of.id}|span": of.span for of, _ in found}
        np.savez(kept, **arrays, subjects=np.array([[of.id, of.subject] for of, _ in found]))
    with np.load(kept) as file:
        held = dict(file)
    said = (name, f"{name} for Se 95", f"{name} score")
    return [
        Answered(id_, subject, "window", 360.0, held[f"{id_}|span"], held[f"{id_}|truth"],
                 {which: held[f"{id_}|{which}"] for which in said})
        for id_, subject in held["subjects"].tolist()
    ]  # fmt: skip


def joined(sets):
    """Put the answers of several models on the same recordings together."""
    first = sets[0]
    return [
        Answered(of.id, of.subject, of.unit, of.fs, of.span, of.truth,
                 {k: v for other in sets for k, v in other[i].answers.items()})
        for i, of in enumerate(first)
    ]  # fmt: skip


def asked(names, known):
    """Return the models that are asked for, in the order of `known`."""
    every = [*known, "forest", "boosting"]
    wanted = [n for name in names for n in (("forest", "boosting") if name == "trees" else (name,))]
    return [name for name in every if name in wanted] or every


def over_folds(names, key, common, count=5):
    """Print the figures over the first folds of five of patients."""
    folds = [
        joined(
            [
                fitted(f"{key}-{k}", name, [*common, f"data.split={{by: subject, folds: 5, fold: {k}}}"])
                for name in names
            ]
        )
        for k in range(count)
    ]
    show([of for fold in folds for of in fold], names)


def choose(names):
    """Two folds of the documented training and validation patients: no test patient is read."""
    parts = documented_split([entry.id for entry in mitdb(DATA / "mitdb")])
    (WORK / "choose").mkdir(parents=True, exist_ok=True)
    common = manifest(WORK / "choose", {"train": (*parts["train"], *parts["validation"])})[:-1]
    over_folds(asked(names, MODELS), "choose", common, count=2)


def published(names):
    """The documented test patients by models of the corrected recipe: the kept windows, and all."""
    parts = documented_split([entry.id for entry in mitdb(DATA / "mitdb")])
    (WORK / "published").mkdir(parents=True, exist_ok=True)
    common = manifest(WORK / "published", parts)
    names = asked(names, MODELS)
    found = joined([fitted("published", name, common) for name in names])
    print("all windows")
    show(found, names)
    kept = []
    for of in found:
        like = documented_windows(DATA / "mitdb" / of.id)
        keep = like.kept[: len(of.truth)]
        answers = {name: array[keep] for name, array in of.answers.items()}
        kept.append(Answered(of.id, of.subject, "window", of.fs, of.span[keep], like.label[keep], answers))
    print("the documented 379 windows, and labels")
    show([of for of in kept if len(of.truth)], names)


def pretrained(name):
    """Return weights that learnt windows of 100 synthetic people: as drawn, hardly a cell of the first layer fires."""
    from biotl.recipes.run import task
    from biotl.training.trainer import Trainer

    home = WORK / "synthetic"
    if not (home / "s099.hea").exists():
        for subject in range(100):
            write_wfdb(ecg(0, subject, duration_s=100, fs=250), home)
    run = WORK / f"pretrained-{name}"
    stage = "{name: all, epochs: 6, lr: 1e-3, optimizer: {name: adam, weight_decay: 1e-3}, metrics: [classification, "
    stage += "screening], loss: {name: focal, alpha: 0.6}, select: {metric: screening, mode: max}}"
    changes = [
        f"run={run}",
        f"data.root={home}",
        "data.split={by: subject}",
        "data.spec.beats=null",
        f"stages=[{stage}]",
    ]
    model = {"rate": "{name: spiking, encoding: rate}", "current": "{name: spiking}", "twin": "{name: spiking_twin}"}
    config = registry.load("mitbih_spiking", [*changes, f"model={model[name]}"])
    best = run / "checkpoints" / "best-all.safetensors"
    if not best.exists():
        Trainer(config, task(prepared(config)), resume=True).fit()
    return best


def documented(names):
    """The document's recipe on its own windows, from weights that learnt synthetic recordings; the epochs are cut."""
    write_documented(DATA / "mitdb", WORK / "mitbih_processed")
    names = [name for name in asked(names, DOCUMENTED) if name in DOCUMENTED]
    common = [f"data.root={WORK / 'mitbih_processed'}", "stages[0].epochs=8", "stages[1].epochs=11"]
    sets = [
        fitted("documented", name, [*common, f"stages[0].init={pretrained(name)}"], "mitbih_spiking_documented")
        for name in names
    ]
    show(joined(sets), names)


if __name__ == "__main__":
    mode, rest = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if mode == "windows":
        for side, of in write_documented(DATA / "mitdb", WORK / "mitbih_processed").items():
            print(side, of)
    elif mode == "choose":
        choose(rest)
    elif mode == "folds":
        over_folds(asked(rest, MODELS), "folds", [f"data.root={DATA / 'mitdb'}"])
    elif mode == "published":
        published(rest)
    elif mode == "documented":
        documented(rest)
    else:
        raise SystemExit(__doc__)
