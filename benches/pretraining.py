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

import csv
import json
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy.io import loadmat
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from biotl.datasets.adapters import butppg, mitdb
from biotl.datasets.beats import AAMI_CLASSES
from biotl.datasets.de_chazal import DS1, DS2
from biotl.datasets.dense import FIELDS, TaughtMaps
from biotl.errors import BiotlError
from biotl.models import registry as models
from biotl.recipes import registry, run
from biotl.recipes.collapse import write_history
from biotl.recipes.prep import fit
from biotl.recipes.prep import prepare as ready_recordings
from biotl.recipes.ssl_pretrain import views as recipe_views
from biotl.records import Record, read
from biotl.records.write import write_wfdb
from biotl.scoring.baselines.learners import Ridge
from biotl.scoring.baselines.windows import table
from biotl.scoring.ranking import auroc
from biotl.signal import resample
from biotl.training.data import View
from biotl.training.trainer import Trainer

FS = 125.0
SIZE = {"dim": 64, "layers": 2, "heads": 4, "hidden": 128}
RUNS = {
    "restore": ("ssl_pretrain", "stages[0].epochs=9"),
    "cross": ("ssl_cross", "stages[0].epochs=9"),
    "dense": ("ssl_dense", "stages[0].epochs=4"),
}
"""Each objective's configuration, and how long it runs: about a minute of one core with an encoder of that size."""
SYNTHETIC = 6400
"""Synthetic windows, made once: the recipe makes new ones in every epoch, and takes longer over it than to learn."""
SEEDS = range(5)
CLASSES = "NSV"


def people():
    """Yield name, recordings without labels, and the heart rate a second or NaN, of every person with ECG or PPG."""
    for path in sorted((DATA / "bidmc").glob("*.npz")):
        z = np.load(path)
        x = z["x"] * z["scale"]
        names = z["channels"].tolist()
        rate = z["numerics"][:, z["numerics_names"].tolist().index("HR")].astype(float)
        yield "bidmc", path.stem, {"PPG": x[names.index("PLETH")], "ECG": x[names.index("II")]}, FS, rate
    for path in sorted((DATA / "capnobase").glob("*.npz")):
        z = np.load(path)
        x = z["x"] * z["scale"]
        peaks = next(z[key] for key in z.files if key.startswith("lab_ecg_peak")) / 300
        seconds = np.arange(x.shape[1] // 300)
        rate = np.interp(seconds, (peaks[1:] + peaks[:-1]) / 2, 60 / np.diff(peaks))
        yield "capnobase", path.stem, {"PPG": x[0], "ECG": x[1]}, 300.0, rate
    for path in sorted((DATA / "spcup2015" / "train").glob("*TYPE0?.mat")):
        found = read(path)
        trace = loadmat(path.with_name(f"{path.stem}_BPMtrace.mat"))["BPM0"].ravel()
        yield (
            "spcup",
            path.stem[5:7],
            {"PPG": found.signal[1], "PPG2": found.signal[2], "ECG": found.signal[0]},
            FS,
            trace,
        )
    for path in sorted((DATA / "spcup2015" / "test").glob("TEST_*.mat")):
        found = read(path)
        trace = loadmat(path.with_name(path.name.replace("TEST", "True")))["BPM0"].ravel()
        yield "spcup", path.stem[5:8], {"PPG": found.signal[0], "PPG2": found.signal[1]}, FS, trace


def unlabelled():
    """Yield the same of the sets that hold no label that a probe asks for."""
    for name in ("wfdb_v102s_1", "wfdb_041s01", "wfdb_041s02"):
        z = np.load(DATA / "ecgppg" / f"{name}.npz")
        n = min(len(z["ecg"]), len(z["ppg"]))
        yield "wfdb", name[5:9], {"PPG": z["ppg"][:n], "ECG": z["ecg"][:n]}, float(z["ecg_fs"])
    for path in sorted((DATA / "mimic4wdb").rglob("*_000?.hea")):
        try:
            found = read(path)
        except BiotlError:
            continue  # of some segments the signal file is not there
        held = {
            name: (r, r.signal[k])
            for r in (found if isinstance(found, list) else [found])
            for k, name in enumerate(r.channels)
        }
        if {"II", "Pleth"} <= held.keys():
            ecg, ppg = held["II"], held["Pleth"]
            x = np.asarray(resample(np.nan_to_num(ecg[1]), ecg[0].fs, ppg[0].fs))
            n = min(len(x), len(ppg[1]), int(3600 * FS))  # an hour a segment: one patient is not to be half of all
            yield "mimic4", "p10079700", {"PPG": ppg[1][:n], "ECG": x[:n]}, float(ppg[0].fs)
    for path in sorted((DATA / "ecgid").glob("*.npz")):
        for one in np.load(path)["x"][:, 0] / 200:
            yield "ecgid", path.stem, {"ECG": one}, 500.0
    z = np.load(DATA / "cinc2017" / "cinc2017_visible.npz")
    for k, name in enumerate(z["names"].tolist()):
        yield "cinc2017", name, {"ECG": z["x"][z["offsets"][k] : z["offsets"][k + 1]] / 1000}, 300.0


def sides(persons):
    """Return who is held aside: of each set, in the order of its names, two in five; one of the others validates."""
    sets = {}
    for of, person in persons:
        sets.setdefault(of, set()).add(person)
    order = ("train", "held", "validation", "held", "train")
    found = {(of, who): order[k % 5] for of, people in sets.items() for k, who in enumerate(sorted(people))}
    # the one patient of MIMIC-IV and the three records of others have no other people beside them
    return found | dict.fromkeys((key for key in found if key[0] in {"wfdb", "mimic4"}), "train")


def prepare():
    """Write the recordings of pretraining and their manifest, and the windows of the probes."""
    named, rest, count, rows = list(people()), list(unlabelled()), {}, []
    side = sides([one[:2] for one in [*named, *rest]])
    for of, person, signals, fs, *_ in [*named, *rest]:
        if side[of, person] == "held" and "test" in {row["split"] for row in rows}:
            continue  # a split wants somebody to test on; nobody is looked at there
        k = count[of, person] = count.get((of, person), -1) + 1
        name = f"{of}_{person}_{k}"
        kept = {key: x for key, x in signals.items() if key != "PPG2"}
        write_wfdb(record(kept, fs, name), FOLDER / "recordings")
        rows.append({"id": name, "file": f"recordings/{name}", "subject": f"{of}_{person}"})
        rows[-1]["split"] = side[of, person].replace("held", "test")
    with (FOLDER / "manifest.csv").open("w", newline="") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows(rows)
    of_probe = {"rate": rates(named, side), "quality": qualities(named, side), "beat": beats()}
    for name, found in of_probe.items():
        columns = [np.array(column) for column in zip(*found, strict=True)]
        np.savez(FOLDER / f"{name}.npz", side=columns[0], subject=columns[1], x=columns[2], y=columns[3])
        print(name, {s: int((columns[0] == s).sum()) for s in ("train", "validation", "held")}, flush=True)


def record(signals, fs, name="r"):
    """Return channels of one rate as a recording."""
    x = np.stack(list(signals.values())).astype(np.float32)
    return Record(name, x, fs, tuple(signals), ("mV",) * len(x), name)


@cache
def preprocessor():
    """Return the preprocessing of pretraining."""
    config = registry.load("ssl_dense", ["data.manifest=none.csv"])
    return run.find("ssl_pretrain").preprocessor(config)


def inputs(signals, fs):
    """Return the windows of a recording, (n, 2, 1250), 0 where a channel is not there."""
    windows = preprocessor()
    prepared = windows.prepare([record(signals, fs)])
    return np.stack([windows.inputs(prepared, cut)["signal"] for cut in windows.cuts(prepared)])


def rates(named, side):
    """Return PPG windows with their heart rate in bpm."""
    rows = []
    for of, person, signals, fs, rate in named:
        if of == "spcup":
            continue
        for k, x in enumerate(inputs({"PPG": signals["PPG"]}, fs)):
            bpm = np.nanmean(rate[10 * k : 10 * k + 10]) if len(rate) >= 10 * k + 10 else np.nan
            if k % 2 == 0 and bpm > 20:
                rows.append((side[of, person], f"{of}_{person}", x, bpm))
    z = np.load(DATA / "ppg56" / "ppg56_visible.npz")
    for k, name in enumerate(z["names"].tolist()):
        x = z["x"][z["offsets"][k] : z["offsets"][k + 1]]
        where = "held" if k % 2 else "validation" if k % 4 == 0 else "train"
        rows += [(where, f"ppg56_{name}", w, z["hr"][k]) for w in inputs({"PPG": x}, 100.0)]
    return rows


def qualities(named, side):
    """Return PPG windows, and whether each is good."""
    rows = []
    for of, person, signals, fs, trace in named:
        if of != "spcup":
            continue
        for name in ("PPG", "PPG2"):
            for start in range(0, len(signals[name]) - 1250, 500):  # every 4 s, that is every second of the references
                x = inputs({"PPG": signals[name][start : start + 1250]}, fs)[0]
                k = start // 250
                if k < len(trace):
                    rows.append((side[of, person], f"{of}_{person}", x, float(abs(strongest(x[0]) - trace[k]) <= 5)))
    for entry in butppg(DATA / "butppg" / "raw"):
        ppg = next(of for of in entry.read() if of.fs < 100)
        good = {part.values.get("quality", "") for part in entry.labels}
        where = ("train", "held", "validation", "held", "train", "held")[int(entry.subject[-1])]
        x = inputs({"PPG": ppg.signal[0]}, ppg.fs)[0]
        rows.append((where, f"but_{entry.subject}", x, float(bool(good & {"1", "good"}))))
    return rows


def strongest(x):
    """Return the strongest rhythm of a window in bpm."""
    hz = np.fft.rfftfreq(8192, 1 / FS)
    power = np.abs(np.fft.rfft(x * np.hanning(len(x)), 8192))
    band = (hz > 0.6) & (hz < 3.6)
    return 60 * hz[band][power[band].argmax()]


def beats():
    """Return ECG windows with a beat in the middle, and its class: 60 of a class and record at most."""
    rows, rng = [], np.random.default_rng(0)
    for entry in mitdb(DATA / "mitdb"):
        held = entry.id in DS2
        if not held and entry.id not in DS1:
            continue
        found = entry.read(("atr",))[0]
        x = np.asarray(resample(found.signal[0], found.fs, FS))
        marks = found.annotations["atr"]
        classes = np.array([AAMI_CLASSES.get(s, "") for s in marks.symbol.tolist()])
        at = np.rint(marks.sample * FS / found.fs).astype(int)
        inside = (at > 640) & (at < len(x) - 640)
        where = "held" if held else "validation" if list(DS1).index(entry.id) % 3 == 0 else "train"
        for c, name in enumerate(CLASSES):
            of = np.flatnonzero((classes == name) & inside)
            for k in rng.permutation(of)[:60].tolist():
                w = inputs({"ECG": x[at[k] - 625 : at[k] + 625]}, FS)[0]
                rows.append((where, entry.subject, w, float(c)))
    return rows


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
def ready():
    """Return the recordings, prepared once."""
    own = [f"data.manifest={FOLDER / 'manifest.csv'}", f"run={FOLDER / 'prepared'}", "data.probe=''"]
    return fit(ready_recordings(registry.load("ssl_dense", own)))


def train(objective, seed):
    """Pretrain by one objective, unless that run is there, and leave the run folder."""
    folder = FOLDER / f"{objective}-{seed}"
    if (folder / "training_history.json").exists():
        return
    name, *epochs = RUNS[objective]
    own = [f"data.manifest={FOLDER / 'manifest.csv'}", f"run={folder}", f"seed={seed}", "data.probe=''", *epochs]
    config = registry.load(name, [*own, *(f"model.{key}={value}" for key, value in SIZE.items())])
    mine = replace(ready(), config=config)
    began, work = time.process_time(), run.task(mine)
    changes = [c for c in work.views["main"].train.transforms if not isinstance(c, TaughtMaps)]
    views = {}
    for side in ("train", "validation"):
        of = {name: kept(name, side) for name in ("main", "synthetic")}
        if objective == "dense":
            views[side] = Kept({name: np.concatenate([o[name] for o in of.values()]) for name in FIELDS}, changes)
        else:
            both = of["main"]["measured"].any(-1).all(-1) if objective == "cross" else slice(None)
            views[side] = Kept({name: array[both] for name, array in of["main"].items()}, changes)
    stage = config.stages[0].view
    trainer = Trainer(config, replace(work, views={stage: View(**views)}), resume=(folder / "checkpoints").exists())
    result = trainer.fit()
    write_history(str(folder), result.history)
    row = [row for row in result.history if row["kind"] == "epoch"][-1]
    told = {key: round(value, 3) for key, value in row.items() if key.startswith(("r2", "embedding", "loss"))}
    print(objective, seed, f"{time.process_time() - began:.0f} s of processor time", told, flush=True)


@cache
def kept(view, side):
    """Return the windows of pretraining before anything of them is changed: real ones, or synthetic ones."""
    path = FOLDER / f"{view}-{side}.npz"
    if not path.exists():
        config = ready().config
        data = config.data.model_copy(update={"dense": SYNTHETIC})
        of = getattr(recipe_views(replace(ready(), config=config.model_copy(update={"data": data})))[view], side)
        # what else is done to a window is drawn anew in each epoch
        object.__setattr__(of, "transforms", tuple(c for c in of.transforms if isinstance(c, TaughtMaps)))
        samples = [of[i] for i in range(len(of))]
        np.savez(path, **{name: np.stack([sample[name] for sample in samples]) for name in samples[0]})
    z = np.load(path)
    return {name: z[name] for name in z.files}


def encoder(objective, seed):
    """Return a pretrained encoder, or one with random weights."""
    from biotl.models.transfer import transfer
    from biotl.training.checkpoint import load

    torch.manual_seed(seed)
    model = models.build("patch_encoder_small", **SIZE)
    if objective != "random":
        last = sorted((FOLDER / f"{objective}-{seed}" / "checkpoints").glob("best-*.safetensors"))[-1]
        transfer(model, load(last).part("model"), strict=False)
    return model.eval()


def embed(model, x):
    """Return the embeddings of windows, and the token in the middle of each."""
    found = []
    for part in torch.as_tensor(x).split(256):
        with torch.inference_mode():
            out = model(part, part.abs().amax(-1, keepdim=True).gt(0).expand_as(part))
        found.append(np.concatenate([out["embedding"].numpy(), out["tokens"][:, part.shape[-1] // 100].numpy()], 1))
    return np.concatenate(found)


def features(name, x):
    """Return simple features of windows: of a beat, the shape around it and the intervals beside it too."""
    channel = x[:, 1:] if name == "beat" else x[:, :1]
    found = table(channel, FS)
    if name == "beat":
        near = channel[:, 0, 625 - 40 : 625 + 40 : 4]
        found = np.concatenate([found, near], 1)
    return found


def answer(name, x, y, of, test):
    """Learn a linear probe, and answer the test windows: bpm, or a probability of each class."""
    if name == "rate":
        probe = Ridge()
        probe.fit(x[of], y[of])
        return np.asarray(probe.predict(x[test]))
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500, class_weight="balanced"))
    probe.fit(x[of], y[of])
    return probe.predict_proba(x[test])


def figure(name, y, said):
    """Return the figure of a probe, larger for a better one: - MAE in bpm, or AUROC, over three classes the mean."""
    if name == "rate":
        return -np.abs(said - y).mean()
    if name == "quality":
        return auroc(y == 1, said[:, 1])
    return np.nanmean([auroc(y == c, said[:, c]) for c in range(3)])


def probe(side, objectives):
    """Print each probe's figure by every encoder, and the paired difference to random weights by subjects."""
    if side == "held":
        path = FOLDER / "looks.json"
        path.write_text(json.dumps({"looks": 1 + (json.loads(path.read_text())["looks"] if path.exists() else 0)}))
    seeds = [s for s in SEEDS if all((FOLDER / f"{of}-{s}" / "training_history.json").exists() for of in objectives)]
    for name in ("quality", "rate", "beat"):
        z = np.load(FOLDER / f"{name}.npz")
        learn = z["side"] == "train" if side == "validation" else z["side"] != "held"
        test = z["side"] == side
        y, subject = z["y"][test], z["subject"][test]
        width = slice(None) if name == "beat" else slice(SIZE["dim"])
        said = {"simple features": [answer(name, features(name, z["x"]), z["y"], learn, test)] * len(seeds)}
        for objective in ("random", *objectives):
            said[objective] = [
                answer(name, embed(encoder(objective, s), z["x"])[:, width], z["y"], learn, test) for s in seeds
            ]
        draws = np.random.default_rng(0)
        rows = {s: np.flatnonzero(subject == s) for s in np.unique(subject)}
        picks = [np.concatenate([rows[s] for s in draws.choice(list(rows), len(rows))]) for _ in range(300)]

        def mean(of, at):
            return np.mean([figure(name, y[at], answers[at]) for answers in of])  # noqa: B023

        whole = np.arange(len(y))
        print(f"{name}: {len(y)} windows of {len(rows)} people, {side}", flush=True)
        for key, of in said.items():
            line = f"  {key:16} {abs(mean(of, whole)):.3f}"
            for other in ("random", "simple features"):
                if key in {other, "simple features"}:
                    continue
                apart = [mean(of, at) - mean(said[other], at) for at in picks]
                low, high = np.nanpercentile(apart, [2.5, 97.5])
                gain = mean(of, whole) - mean(said[other], whole)
                line += f"   against {other} {gain:+.3f} [{low:+.3f}, {high:+.3f}]"
            print(line, flush=True)


if __name__ == "__main__":
    FOLDER = Path(sys.argv[1])
    torch.set_num_threads(1)
    if sys.argv[2] == "prepare":
        DATA = Path(sys.argv[3])
        FOLDER.mkdir(parents=True, exist_ok=True)
        prepare()
    elif sys.argv[2] == "train":
        for seed in map(int, sys.argv[4:]):
            train(sys.argv[3], seed)
    else:
        probe(sys.argv[3], sys.argv[4:] or tuple(RUNS))
