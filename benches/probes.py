"""Linear probes: what a frozen encoder knows of windows, beside random weights and simple features.

A probe is a logistic or ridge regression on standardised embeddings, the same for every encoder: how strongly it is
held back, and whether it reads the mean over tokens or their standard deviation too, is chosen for each by leaving out
groups of the people it learns from. Of a beat it reads the token in the middle and the two beside it as well.
"""

import numpy as np
import torch
from pretraining_people import CLASSES, FS
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from biotl.models import registry as models
from biotl.models.transfer import transfer
from biotl.scoring.baselines.windows import table
from biotl.scoring.ranking import auroc
from biotl.training.checkpoint import load

FOLDS, DRAWS = 5, 1000
PENALTIES = {"rate": (1.0, 10.0, 100.0, 1000.0), "quality": (1e-3, 1e-2, 0.1, 1.0), "beat": (1e-3, 1e-2, 0.1, 1.0)}
"""Of a ridge, alpha; of a logistic regression, C."""


def encoder(folder, objective, seed):
    """Return a pretrained encoder, or one with random weights."""
    torch.manual_seed(seed)
    model = models.build("patch_encoder_small")
    if objective != "random":
        last = sorted((folder / f"{objective}-{seed}" / "checkpoints").glob("best-*.safetensors"))[-1]
        transfer(model, load(last).part("model"), strict=False)
    return model.eval()


def embed(name, model, x):
    """Return two tables of windows: the mean over tokens, and that and their deviation; of a beat its tokens too."""
    found = []
    for part in torch.as_tensor(x).split(256):
        with torch.inference_mode():
            tokens = model(part, part.abs().amax(-1, keepdim=True).gt(0).expand_as(part))["tokens"]
        middle = tokens.shape[1] // 2
        own = tokens[:, middle - 1 : middle + 2].flatten(1) if name == "beat" else tokens[:, :0].flatten(1)
        found.append(torch.cat([own, tokens.mean(1), tokens.std(1)], 1).numpy())
    both = np.concatenate(found)
    return both[:, : -tokens.shape[2]], both


def features(name, x):
    """Return simple features of windows: of a beat, the shape around it and the intervals beside it too."""
    channel = x[:, 1:] if name == "beat" else x[:, :1]
    found = table(channel, FS)
    if name == "beat":
        near = channel[:, 0, 625 - 40 : 625 + 40 : 4]
        found = np.concatenate([found, near], 1)
    return found


def learner(name, penalty):
    """Return a linear probe; a feature far out is held within 4 SD."""
    if name == "rate":
        last = Ridge(alpha=penalty)
    else:
        last = LogisticRegression(C=penalty, max_iter=300, class_weight="balanced")
    return make_pipeline(StandardScaler(), FunctionTransformer(np.clip, kw_args={"a_min": -4, "a_max": 4}), last)


def answer(name, tables, y, subject, learn, test):
    """Return what the best linear probe says of the test windows: bpm, or a probability of each class."""
    method = "predict" if name == "rate" else "predict_proba"
    best = None
    for x in tables:
        for penalty in PENALTIES[name]:
            of = learner(name, penalty)
            folds = GroupKFold(FOLDS).split(x[learn], y[learn], subject[learn])
            said = cross_val_predict(of, x[learn], y[learn], cv=list(folds), method=method)
            worth = figure(name, y[learn], said)
            if best is None or worth > best[0]:
                best = worth, x, penalty
    _, x, penalty = best
    said = getattr(learner(name, penalty).fit(x[learn], y[learn]), method)(x[test])
    return said.clip(y[learn].min(), y[learn].max()) if name == "rate" else said


def figure(name, y, said):
    """Return the figure of a probe, larger for a better one: - MAE in bpm, or AUROC, over three classes the mean."""
    if name == "rate":
        return -np.abs(said - y).mean()
    if name == "quality":
        return auroc(y == 1, said[:, 1])
    return np.nanmean([auroc(y == c, said[:, c]) for c in range(len(CLASSES))])


def probe(folder, side, runs):
    """Print each probe's figure by every encoder, the mean over seeds, and the paired differences, by subjects.

    `runs` are the seeds of each objective; random weights are drawn by the same.
    """
    gained = dict.fromkeys(runs, 0)
    for name in PENALTIES:
        z = np.load(folder / f"{name}.npz")
        learn = z["side"] == "train" if side == "validation" else z["side"] != "held"
        test = z["side"] == side
        x, y, subject = z["x"], z["y"], z["subject"]

        def said(*tables, name=name, y=y, subject=subject, learn=learn, test=test):
            return answer(name, tables, y, subject, learn, test)

        encoders = {"random": sorted(set().union(*runs.values())), **runs}
        found = {
            objective: {s: said(*embed(name, encoder(folder, objective, s), x)) for s in seeds}
            for objective, seeds in encoders.items()
        }
        found["simple features"] = dict.fromkeys(found["random"], said(np.nan_to_num(features(name, x))))
        people = {s: np.flatnonzero(subject[test] == s) for s in np.unique(subject[test])}
        print(f"{name}: {test.sum()} windows of {len(people)} people, {side}", flush=True)
        worth = {objective: drawn(name, y[test], of, people) for objective, of in found.items()}
        for objective, of in worth.items():
            line = f"  {objective:16} {abs(np.mean([figures[0] for figures in of.values()])):.3f} ({len(of)} seeds)"
            for other in ("random", "simple features"):
                if objective not in runs:
                    continue
                apart = np.mean([of[s] - worth[other][s] for s in of], axis=0)
                low, high = np.nanpercentile(apart[1:], [2.5, 97.5])
                line += f"   against {other} {apart[0]:+.3f} [{low:+.3f}, {high:+.3f}]"
                gained[objective] += other == "random" and low > 0
            print(line, flush=True)
    for objective, n in gained.items():
        print(verdict(objective, n), flush=True)


def drawn(name, y, answers, people):
    """Return for each seed its figure, and behind it that of each draw of people, the same draws for all."""
    draws = np.random.default_rng(0)
    picks = [np.concatenate([people[s] for s in draws.choice(list(people), len(people))]) for _ in range(DRAWS)]
    rows = [np.arange(len(y)), *picks]
    return {s: np.array([figure(name, y[at], said[at]) for at in rows]) for s, said in answers.items()}


def verdict(objective, gains):
    """Say on how many of the probes a gain over random weights is shown.

    >>> verdict("dense", 1)
    'dense: a gain over random weights is shown on 1 of 3 probes, wanted 2: pretraining is not shown to be worth it'
    """
    line = f"{objective}: a gain over random weights is shown on {gains} of {len(PENALTIES)} probes"
    return line if gains > 1 else f"{line}, wanted 2: pretraining is not shown to be worth it"
