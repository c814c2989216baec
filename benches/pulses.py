"""Measure fine-tuned encoders of windows, subjects left out in turn, beside features, boosting and biotl's quality.

    python benches/pulses.py troika ENCODER [SEEDS] [ecg]    # with the ECG, whose rate gives the label away, or without
    python benches/pulses.py butppg ENCODER [SEEDS] [ecg]    # 1.0.0, where no recording has ACC: it is masked

ENCODER is a checkpoint of `biotl pretrain ssl_pretrain` (PPG and ECG). Every model learns by the stages of the shipped
configuration from four subjects, chooses its epoch and its threshold on a fifth, and answers the sixth; each window is
normalised by itself, so that no gain tells good from poor. "Inflated": the encoder's PPG and ECG by name, new channels
from zero. "Own channels": the encoder's channels alone. Features are `scoring.baselines.windows.table`; "and quality"
adds what `biotl.signal.quality` measures of the PPG with its motion (its formula was chosen on TROIKA 01, 03, 05 and
BUT PPG 100, 102, 104). "Mean with quality" is the plain mean of a network's probability and that score. AUROC and
G-mean are means over seeds; intervals draw subjects anew. TROIKA's licence is not stated: nothing of it is kept.
"""

import hashlib
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from biotl.recipes import registry
from biotl.recipes.decide import choose, thresholds, undecided
from biotl.recipes.forward import forward
from biotl.recipes.prep import fit, prepare, split
from biotl.recipes.run import answered, trained
from biotl.recipes.windows import table
from biotl.scoring.answers import Answered
from biotl.scoring.classes import score
from biotl.scoring.ranking import auroc
from biotl.signal import quality
from biotl.training.checkpoint import load

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))
ROOTS = {"troika": DATA / "troika", "butppg": DATA / "butppg" / "raw"}
ACC = ("ACC_X", "ACC_Y", "ACC_Z")
PARTS = ("score", "likeness", "sureness", "evenness", "agreement", "in_band", "repetition", "dominance", "posterior")
FOLDS, DRAWS = 6, 2000


def settings(name, channels, fold, seed, folder, *own):
    """Return the shipped configuration for one subject left out, with the channels that are asked for."""
    data = [f"data.root={ROOTS[name]}", f"data.split={{by: subject, folds: {FOLDS}, fold: {fold}}}"]
    config = registry.load(f"{name}_finetune", [*data, f"seed={seed}", f"run={folder}", *own])
    spec = registry.load("butppg_finetune", data).data.spec
    known = {channel.name: channel for channel in spec.channels}
    chosen = spec.model_copy(update={"channels": tuple(known[channel] for channel in channels)})
    return config.model_copy(update={"data": config.data.model_copy(update={"spec": chosen})})


def network(name, channels, fold, seed, encoder):
    """Return probability of good and decision of each window of the subject left out, by its id."""
    digest = hashlib.sha256(Path(encoder).read_bytes()).hexdigest()[:12] if encoder else "random"
    kept = (
        Path(os.environ.get("BIOTL_KEPT", tempfile.mkdtemp()))
        / f"{name}-{'-'.join(channels)}-{fold}-{seed}-{digest}.json"
    )
    if kept.is_file():  # of a bench that was broken off
        return {id_: tuple(of) for id_, of in json.loads(kept.read_text()).items()}
    found = trained_network(name, channels, fold, seed, encoder)
    kept.write_text(json.dumps(found))
    return found


def sizes():
    """Return the sizes of the pretrained encoder, for all networks."""
    options = load(START).state["about"]["about"]["model"]["options"]
    return [f"model.{key}={options[key]}" for key in ("dim", "layers", "heads", "hidden") if key in options]


def trained_network(name, channels, fold, seed, encoder):
    """Train it."""
    with tempfile.TemporaryDirectory() as folder:
        own = [f"stages[0].init={encoder}", "stages[0].min_share=0.5"] if encoder else []
        config = settings(name, channels, fold, seed, Path(folder) / "run", *own, *sizes())
        with trained(config, resume=False, needs=("train", "validation", "test")) as (ready, _, result):
            run = forward(result.model, "logits")
            first = undecided(ready.target)
            decision = choose(first, answered(ready, "validation", first, run, "net"))
            test = answered(ready, "test", decision, run, "net")
    return {of.id: (float(of.probability[0, 1]), int(of.answers["net"][0])) for of in test}


def judged(records):
    """Return what biotl's quality says of the PPG of one recording, with its motion where there is one."""
    by = {channel: (of.signal[k], of.fs) for of in records for k, channel in enumerate(of.channels)}
    x, fs = by["PPG"]
    axes = np.stack([by[axis][0] for axis in ACC]) if ACC[0] in by else None
    found = quality(x, fs, kind="ppg", motion=axes)
    return np.nan_to_num([*(float(getattr(found, part)[0]) for part in PARTS), float(found.rate[0])])


def apart(records):
    """Return the octaves between the rates that biotl finds in PPG and ECG."""
    by = {channel: (of.signal[k], of.fs) for of in records for k, channel in enumerate(of.channels)}
    rates = [float(quality(*by[lead], kind=kind).rate[0]) for lead, kind in (("PPG", "ppg"), ("ECG", "ecg"))]
    return float(np.nan_to_num(abs(np.log2(rates[0] / rates[1])), nan=3.0))


def learners(seed):
    """Return what learns from tables."""
    return {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)),
        "boosting": HistGradientBoostingClassifier(max_iter=100, min_samples_leaf=5, random_state=seed),
    }


def by_tables(name, channels, tables, truth, fold, seed):
    """Return the same as `network` of every learner on every table."""
    with tempfile.TemporaryDirectory() as folder:
        who, _ = split(settings(name, channels, fold, seed, Path(folder) / "run"))
    ids = {part: [id_ for id_ in who.ids(part) if truth[id_] >= 0] for part in ("train", "validation", "test")}
    found = {}
    for title, rows in tables.items():
        x = {part: np.array([rows[id_] for id_ in of]) for part, of in ids.items()}
        y = {part: np.array([truth[id_] for id_ in of]) for part, of in ids.items()}
        for kind, learner in learners(seed).items():
            learner.fit(x["train"], y["train"])
            p = {part: learner.predict_proba(of) for part, of in x.items()}
            found[f"{title}, {kind}"] = decided(p, y["validation"], ids["test"])
    return found


def decided(p, truth, test):
    """Choose a threshold on the validation subject, and decide by it."""
    bar = thresholds(
        [Answered("v", "v", "window", 1.0, np.zeros((len(truth), 2), int), truth, {}, probability=p["validation"])],
        ("poor", "good"),
    )
    return {
        id_: (float(row[1]), int(row[1] / bar[1] > row[0] / bar[0])) for id_, row in zip(test, p["test"], strict=True)
    }


def shown(title, runs, truth, subject):
    """Print AUROC and G-mean over all subjects, means over seeds, with their subject-bootstrap intervals."""
    ids = [id_ for id_ in runs[0] if truth[id_] >= 0]
    y = np.array([truth[id_] for id_ in ids])
    who = np.array([subject[id_] for id_ in ids])
    p, z = (np.array([[run[id_][k] for id_ in ids] for run in runs]) for k in (0, 1))

    def figures(at):
        ranks = np.mean([auroc(y[at], row[at]) for row in p])
        means = [score(y[at], row[at], np.zeros(0, int), ("poor", "good")).g_mean for row in z]
        return ranks, np.mean(means)

    people = np.unique(who)
    rng = np.random.default_rng(0)
    drawn = [
        np.concatenate([np.flatnonzero(who == name) for name in rng.choice(people, len(people))]) for _ in range(DRAWS)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        low, high = np.nanquantile([figures(at) for at in drawn], [0.025, 0.975], axis=0)
    (a, g) = figures(np.arange(len(y)))
    print(
        f"  {title:58} AUROC {a:.3f} ({low[0]:.3f} to {high[0]:.3f})   G-mean {g:.3f} ({low[1]:.3f} to {high[1]:.3f})",
        flush=True,
    )
    return p, z


def measure(name, channels, encoder, seeds):
    """Print every model of one set of channels."""
    config = settings(name, channels, 0, 0, Path(tempfile.mkdtemp()) / "run")
    ready = fit(prepare(config))
    entries = {id_: ready.entries[id_] for id_ in ready.store}
    truth = {id_: int(ready.store.targets(id_)["labels"][0]) for id_ in entries}
    subject = {id_: of.subject for id_, of in entries.items()}
    records = {id_: of.read() for id_, of in entries.items()}
    simple = {id_: np.nan_to_num(table(ready.preprocessor, ready.store[id_])[0]) for id_ in entries}
    said = {id_: judged(of) for id_, of in records.items()}
    tables = {"features": simple, "features and quality": {id_: np.append(simple[id_], said[id_]) for id_ in entries}}
    if "ECG" in channels:
        gap = {id_: apart(of) for id_, of in records.items()}
        tables["features, quality and rates apart"] = {
            k: np.append(row, gap[k]) for k, row in tables["features and quality"].items()
        }
    held, people = np.array(list(truth.values())), len(set(subject.values()))
    counts = f"{len(held)} windows, {int((held == 1).sum())} good, {people} subjects, {len(seeds)} seeds"
    print(f"{name}, {' '.join(channels)}: {counts}")
    alone = {id_: (float(of[0]), int(of[0] >= 0.5)) for id_, of in said.items()}
    shown("biotl quality, nothing learnt", [alone], truth, subject)
    by_table = [[by_tables(name, channels, tables, truth, fold, seed) for fold in range(FOLDS)] for seed in seeds[:1]]
    for title in by_table[0][0]:
        shown(title, [{k: v for fold in run for k, v in fold[title].items()} for run in by_table], truth, subject)
    own = tuple(channel for channel in ("PPG", "ECG") if channel in channels)
    nets = {
        "inflated, pretrained": (channels, encoder),
        "inflated shape, random": (channels, ""),
        "own channels, pretrained": (own, encoder),
    }
    for title, (of, start) in nets.items():
        runs = [
            {k: v for fold in range(FOLDS) for k, v in network(name, of, fold, seed, start).items()} for seed in seeds
        ]
        shown(title, runs, truth, subject)
        both = [{k: ((v[0] + alone[k][0]) / 2, int(v[0] + alone[k][0] >= 1)) for k, v in run.items()} for run in runs]
        shown(f"{title}, mean with quality", both, truth, subject)


if __name__ == "__main__":
    what, START, *more = sys.argv[1:]
    numbers = [int(word) for word in more if word.isdigit()]
    measure(what, (*ACC, "PPG", *(["ECG"] if "ecg" in more else [])), START, range(*(numbers or [2])))
