"""Heart rate from speed and altitude on public example workouts, one thread: every model beside every baseline.

    OMP_NUM_THREADS=1 python benches/workouts.py choose FOLDER
    OMP_NUM_THREADS=1 python benches/workouts.py known FOLDER
    OMP_NUM_THREADS=1 python benches/workouts.py unseen FOLDER
    OMP_NUM_THREADS=1 python benches/workouts.py lstm FOLDER [USER ...]
    OMP_NUM_THREADS=1 python benches/workouts.py show FOLDER

One user has sixteen runs; the other six, each from a folder of a repository and maybe several people, have eight rides,
runs and walks of more than five minutes. ``choose`` reads no later run: each of the first eight is left out in turn,
and judged as one of a known user; then two users at a time are left out and judged as strangers, so that what is
chosen for one stands on those who were left out beside him. ``known`` learns on the first eight and on the others'
recordings, and judges the later eight. ``unseen`` leaves each of the six out. ``lstm`` does as ``known`` (and with
USERs as ``unseen`` for these) with the network: from scratch, after pretraining on simulated workouts alone, and in the
two documented stages after it; every fourth recording that it would learn from chooses the epoch. Answers go to FOLDER,
each writing being one look at test recordings; ``show`` prints them.
"""

import os
import sys
import warnings
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import onnxruntime

from biotl.datasets.splits import LATER as LATER_CLAIM
from biotl.datasets.splits import Part, Split
from biotl.deploy.decision import Value
from biotl.recipes import figures, minutes, registry
from biotl.recipes.forward import forward
from biotl.recipes.prep import fit, prepare
from biotl.recipes.run import answered, by_stages
from biotl.recipes.synthetic import workouts as simulate
from biotl.scoring import stored

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data")) / "workouts"
USER, LATER, SHORT = "1", "trackeR__tcx__2013-06-12", "sweatpy__2020-06-01"
"""The user with sixteen runs; the name from which on they are the later eight; two minutes of a ride, never judged."""
BPM = Value(name="heart_rate", unit="bpm")
LAG = "data.spec.lagged={channel: {name: heart_rate}, horizon_s: 5}"


def ready_for(name, folder, overrides=()):
    """Prepare every workout once."""
    config = registry.load(name, [f"data.root={DATA}", f"run={folder}", *overrides])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return prepare(config, threads=1)


def judge(ready, train, test, validation=(), stages=None, run=""):
    """Learn on some recordings as a recipe does and answer others; nothing is chosen on them, nothing is exported."""
    parts = {"train": train, "validation": validation, "test": test}
    parts = {which: tuple(Part(e.id) for e in of if e.id in ready.store.ids) for which, of in parts.items()}
    split = Split(parts, ready.split.subjects, "by the bench", LATER_CLAIM)
    config = ready.config
    if stages is not None:
        tree = config.model_dump(mode="json") | {"stages": stages, "run": run}
        config = type(config).model_validate(tree)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ready = fit(replace(ready, split=split, config=config), needs=("train", "test"))
        _, result = (ready.recipe.learn or by_stages)(ready, resume=False)
    network = by_onnxruntime(result.model) if hasattr(result.model, "onnx") else forward(result.model, "prediction")
    return ready, network


def by_onnxruntime(model):
    """Return the function of a model's own graph: its Scans take a tenth of the time of a loop in torch."""
    session = onnxruntime.InferenceSession(model.onnx().SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, {name: inputs[name] for name in model.inputs})[0]


def sides(ready, user=USER, later=LATER):
    """Return who is learnt from and who is judged: later runs of the one user, or all of another."""
    entries = list(ready.entries.values())
    if user == USER:
        test = [e for e in entries if e.subject == USER and e.when >= later]
        return [e for e in entries if e not in test], test
    test = [e for e in entries if e.subject == user and not e.when.startswith(SHORT)]
    return [e for e in entries if e.subject != user], test


def with_minutes(ready, network):
    """Return what the first minutes of heart rate are worth: by how many are known and from when on it is scored."""
    found = []
    for known in minutes.MINUTES:
        of = minutes.answered(ready, network, BPM, known)
        for late in sorted({0, known, 10}):
            found += [replace(one, id=f"{known}|{late}|{one.id}") for one in minutes.after(of, late)]
    return found


def plain(ready, network):
    """Return the answers without any heart rate, beside the baselines'."""
    name = ready.config.model.name
    of = minutes.answered(ready, network, BPM, 0)
    of = figures.beside(ready, [replace(one, answers={name: one.answers[name]}) for one in of])
    # the newest known value is 5 s old where a heart rate is read: it belongs into the other table
    return [replace(one, answers={k: v for k, v in one.answers.items() if k != "persistence"}) for one in of]


def known(folder):
    """Judge the later runs of the one user."""
    ready = ready_for("heart_rate_response", folder / "response", [LAG])
    train, test = sides(ready)
    after, network = judge(ready, train, test)
    keep(folder, USER, after, network)


def unseen(folder):
    """Judge each of the others by a model that has not seen him."""
    ready = ready_for("heart_rate_response", folder / "response", [LAG])
    for user in sorted({e.subject for e in ready.entries.values()} - {USER}):
        train, test = sides(ready, user)
        if any(e.id in ready.store.ids for e in test):
            after, network = judge(ready, train, test)
            keep(folder, user, after, network)


def keep(folder, user, ready, network):
    """Write the answers of response and baselines, and those with minutes of heart rate."""
    stored.write(plain(ready, network), folder / f"response {user}.npz")
    stored.write(with_minutes(ready, network), folder / f"minutes {user}.npz")


def choose(folder):
    """Judge the first eight runs, each by the others, and users by models that lack them and another."""
    ready = ready_for("heart_rate_response", folder / "response", [LAG])
    train, _ = sides(ready)
    runs = [e for e in train if e.subject == USER]
    made = [judge(ready, [e for e in train if e is not left], [left]) for left in runs]
    table("a known user's first eight runs, each left out", [one for pair in made for one in plain(*pair)])
    by_minutes("the same with minutes of heart rate", [one for pair in made for one in with_minutes(*pair)])
    strange = {user: [] for user in {e.subject for e in train}}
    for pair in combinations(strange, 2):
        left = [e for e in train if e.subject in pair and not e.when.startswith(SHORT)]
        for one in with_minutes(*judge(ready, [e for e in train if e.subject not in pair], left)):
            strange[next(user for user in pair if user != one.subject)].append(one)
    for user, of in sorted(strange.items()):
        by_minutes(f"strangers beside user {user}", [one for one in of if one.id.startswith(("0|0|", "5|5|"))])


def lstm(folder, users):
    """Train the network from scratch, and in two stages after pretraining on simulated workouts."""
    ready = ready_for("heart_rate_lstm", folder / "lstm")
    top, everything = (stage | {"epochs": 20} for stage in ready.config.model_dump(mode="json")["stages"])
    scratch = everything | {"name": "scratch", "lr": 1e-3, "epochs": 30}
    base = folder / "simulated" / "checkpoints" / "best-simulated.safetensors"
    if not base.is_file():
        simulate(folder / "simulation", 0)
        own = [f"data.manifest={folder / 'simulation' / 'manifest.csv'}", "data.split={by: split}"]
        made = ready_for("heart_rate_lstm", folder / "simulated", own)
        stages = [scratch | {"name": "simulated", "epochs": 12}]
        tree = made.config.model_dump(mode="json") | {"stages": stages}
        by_stages(fit(replace(made, config=type(made.config).model_validate(tree))), resume=False)
    for user in users or [USER]:
        train, test = sides(ready, user)
        held = train[3::4]
        train = [e for e in train if e not in held]
        top = top | {"init": str(base)}
        runs = {"scratch": [scratch], "stage 1": [top], "stage 2": [top, everything]}
        for name, stages in runs.items():
            if (folder / f"lstm {user} {name}.npz").is_file():
                continue
            after, network = judge(ready, train, test, held, stages, str(folder / f"lstm {user} {name}"))
            of = answered(after, "test", BPM, network, f"LSTM {name}")
            stored.write(of, folder / f"lstm {user} {name}.npz")


def row(of, name):
    """Return the figures of a model: over steps, over runs with an interval, run by run."""
    pairs = [(one.truth, one.answers[name]) for one in of if name in one.answers]
    pairs = [(t[k], a[k]) for t, a in pairs if (k := np.isfinite(t) & np.isfinite(a)).any()]
    truth, told = (np.concatenate(side) for side in zip(*pairs, strict=True))
    runs = np.array([np.abs(t - a).mean() for t, a in pairs])
    low, high = np.quantile(np.random.default_rng(0).choice(runs, (2000, len(runs))).mean(1), [0.025, 0.975])
    r = np.mean([np.corrcoef(t, a)[0, 1] for t, a in pairs]) if all(np.ptp(a) > 1e-6 for _, a in pairs) else np.nan
    r2 = 1 - np.square(truth - told).sum() / np.square(truth - truth.mean()).sum()
    rmse = np.sqrt(np.square(truth - told).mean())
    figure = f"{np.abs(truth - told).mean():6.2f} {runs.mean():6.2f} [{low:.1f}, {high:.1f}]"
    return f"{len(runs):3} {figure:24} {rmse:6.2f} {r2:6.2f} {r:5.2f}  {runs.min():.1f} to {runs.max():.1f}"


def table(title, of):
    """Print a row a model, and how much worse than the first it is, paired over runs."""
    names = list(dict.fromkeys(name for one in of for name in one.answers))
    print(f"\n{title}\n{'model':28}  n    MAE over runs [95 %]      RMSE     R2     r  run by run   beside the first")
    for name in names:
        own, first = ({one.id: np.nanmean(np.abs(one.truth - one.answers[of_])) for one in of if of_ in one.answers}
                      for of_ in (name, names[0]))  # fmt: skip
        more = np.array([value - first[id_] for id_, value in own.items() if id_ in first])
        low, high = np.quantile(np.random.default_rng(0).choice(more, (2000, len(more))).mean(1), [0.025, 0.975])
        print(f"{name:28} {row(of, name)}   {more.mean():+.1f} [{low:+.1f}, {high:+.1f}]")


def by_minutes(title, of):
    """Print a row for each number of minutes known."""
    print(f"\n{title}\n{'known and scored':28}  n    MAE over runs [95 %]      RMSE     R2     r  run by run")
    for known in minutes.MINUTES:
        for late in sorted({0, known, 10}):
            some = [one for one in of if one.id.startswith(f"{known}|{late}|")]
            if some:
                for name in some[0].answers if known and late else list(some[0].answers)[:1]:
                    label = f"{known} min, from {late} on" + (", last value" if name == minutes.LAST else "")
                    print(f"{label:28} {row(some, name)}")


def merged(folder, pattern):
    """Return stored answers of response and network together, by recording."""
    found = {}
    for path in sorted(folder.glob(pattern)):
        for of in stored.read(path):
            before = found.get(of.id)
            found[of.id] = of if before is None else replace(before, answers={**before.answers, **of.answers})
    return list(found.values())


def show(folder):
    """Print every table."""
    for title, users in (("later runs of the known user", "1"), ("users never seen", "[2-9]")):
        for kind in ("response", "lstm"):
            of = merged(folder, f"{kind} {users}*.npz")
            if of:
                both = merged(folder, f"response {users}.npz") if kind == "lstm" else []
                table(title, of if not both else [
                    replace(one, answers={"heart_rate_response": rest.answers["heart_rate_response"], **one.answers})
                    for one in of for rest in both if rest.id == one.id
                ])  # fmt: skip
        if of := merged(folder, f"minutes {users}.npz"):
            by_minutes(f"{title}, with minutes of heart rate", of)


if __name__ == "__main__":
    what, place, *users = sys.argv[1:]
    where = Path(place)
    where.mkdir(parents=True, exist_ok=True)
    {"choose": choose, "known": known, "unseen": unseen, "show": show}.get(what, lambda f: lstm(f, users))(where)
