"""What each part of ECGBERT's design buys, in shortened runs inside DS1; DS2 is not read.

    OMP_NUM_THREADS=1 python benches/ecgbert.py FOLDER [ARM ...]
    OMP_NUM_THREADS=1 python benches/ecgbert.py FOLDER few
    OMP_NUM_THREADS=1 python benches/ecgbert.py RUN against OTHER
    OMP_NUM_THREADS=1 python benches/ecgbert.py RUN annotated

One fixed division of DS1: 13 people of four of the groups that the boosted trees are chosen in are learnt from, the
seven of two others judged. Each arm is `ecgbert_mitbih` without copies, with one thing changed, one epoch of
pretraining, one of the head and two of all of it. F1 of N, S and V and their mean with 95 % intervals over people, end
to end, in the epoch that was best on the very recordings that are judged: figures are kind, to all arms alike.
``trees`` are the boosted trees, two models of them, learnt from the same people. ``few`` learns from the labels of 2
and 5 of these people, in as many updates, pretrained on all of them without labels, or not pretrained. The run folders
are left in FOLDER.
``against`` sets the test recordings of one finished run against another's, as these were answered then: no look.
``annotated`` answers the test recordings of a finished run at the annotated beats, a part of its look.
"""

import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from beats import DATA, FOLDS, NSV, TWO, seen

from biotl.datasets import vocabulary
from biotl.datasets.beat_features import FEATURES as DESCRIBED
from biotl.datasets.beats import AAMI, AAMI_CLASSES, reference_beats
from biotl.datasets.de_chazal import DS2
from biotl.datasets.features import FEATURES
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.rhythm import RHYTHM_FEATURES
from biotl.datasets.sentences import SentencePreprocessor
from biotl.datasets.spec_kinds import parse_spec
from biotl.datasets.vocabulary import UNKNOWN
from biotl.deploy.answer import answer
from biotl.deploy.bundle import Bundle
from biotl.deploy.decision import Classes
from biotl.models import registry as models
from biotl.recipes import registry
from biotl.recipes.decide import undecided
from biotl.recipes.forward import forward
from biotl.recipes.prep import fit, prepare
from biotl.recipes.run import answered, by_stages
from biotl.records import read
from biotl.scoring import stored
from biotl.scoring.answers import Answered
from biotl.scoring.bootstrap import between, interval
from biotl.training import boosting
from biotl.training.checkpoint import load

JUDGED = (*FOLDS[0], *FOLDS[4])
TRAIN = tuple(name for group in (*FOLDS[1:4], FOLDS[5]) for name in group if name not in ("201", "230"))
ASIDE = ("230",)  # a split holds a test part: it is prepared, and not answered
FEW = (2, 5)
SHORT = {"pretrain": 1, "head": 1, "all": 2}
RHYTHM = [k for k, name in enumerate(FEATURES) if name.startswith("rr_")]
WITHIN = [k for k, name in enumerate(DESCRIBED) if name in RHYTHM_FEATURES]
PLAIN = [f"stages[{k}].loss={{name: cross_entropy, weight: [1, 4, 2.5, 3, 1]}}" for k in (1, 2)]
ONE = "data.spec.channels=[{name: ECG, aliases: [MLII, II, V5], unit: mV, normalizer: qrs, filters: [{name: bandstop, "
ONE += "options: {low: 50.0, high: 60.0, order: 2}}, "
ONE += "{name: remove_baseline, options: {method: highpass, cutoff: 0.5}}]}]"


def blank(**values):
    """Return a change of `SentencePreprocessor.inputs` that sets parts of what is read to a value."""

    def change(inputs):
        for name, (columns, value) in values.items():
            if name == "tokens":
                inputs[name][inputs[name] < UNKNOWN] = value
            else:
                inputs[name][..., columns] = value
        return inputs

    return change


# name: overrides of the configuration, stages left out, change of the inputs, sizes of the vocabulary
ARMS = {
    "chosen": ([], (), None, None),
    "copies": (["data.copies=true"], (), None, None),
    "copies, no raw wave": (["data.copies=true"], (), blank(patches=(slice(None), 0)), None),
    "no balance": (["data.balance=false", *PLAIN], (), None, None),
    "one lead": ([ONE], (), None, None),
    "fixed segments": (["data.spec.segmentation=fixed"], (), None, None),
    "segments described": ([ONE, "data.spec.describe=segments"], (), None, None),
    "no pretraining": ([], ("pretrain",), None, None),
    "no stages": ([], ("pretrain", "head"), None, None),
    "no rhythm context": ([], (), blank(features=(RHYTHM, 0), beats=(WITHIN, 10)), None),
    "no raw wave": ([], (), blank(patches=(slice(None), 0)), None),
    "no words": ([], ("pretrain",), blank(tokens=(None, UNKNOWN)), None),  # without words nothing is restored
    "half the words": ([], (), None, (6, 10, 7, 12)),
    "a quarter of the words": ([], (), None, (3, 5, 4, 6)),
    "no beat features": ([], (), blank(beats=(slice(None), 0)), None),
    "another seed": (["seed=1"], (), None, None),
    "a third seed": (["seed=2"], (), None, None),
    "hide a fifth": (["data.hide=0.2"], (), None, None),
}


def manifest(folder):
    """Write the division, and return the file."""
    path = folder / "ds1.csv"
    rows = ["id,file,subject,split"]
    for split, names in (("train", TRAIN), ("validation", JUDGED), ("test", ASIDE)):
        rows += [f"{name},{DATA / 'mitdb' / name},{name},{split}" for name in names]
    path.write_text("\n".join(rows) + "\n")
    return path


def run(folder, name, arm=None, labelled=TRAIN, more=()):
    """Train one arm, and print what it gives."""
    overrides, left_out, change, sizes = ARMS[arm or name]
    began = time.process_time()
    plain, fitted = SentencePreprocessor.inputs, vocabulary.fit_vocabulary.__kwdefaults__
    own = folder / name.replace(" ", "_")
    shutil.rmtree(own, ignore_errors=True)
    prepared = folder / "chosen" / "store"  # what the chosen arm prepared serves those that read the same
    if prepared.is_dir() and not (own / "store").exists():
        shutil.copytree(prepared, own / "store")
    split = [f"run={own}", f"data.manifest={manifest(folder)}", "data.split={by: split}"]
    config = registry.load("ecgbert_mitbih", [*split, "data.copies=false", *overrides, *more])
    stages = tuple(
        stage.model_copy(update={"epochs": SHORT[stage.name] * round(len(TRAIN) / len(labelled))})
        for stage in config.stages
        if stage.name not in left_out
    )
    config = config.model_copy(update={"stages": stages})
    if change:
        SentencePreprocessor.inputs = lambda *of: change(plain(*of))
    if sizes:
        vocabulary.fit_vocabulary.__kwdefaults__ = {**fitted, "sizes": sizes}
    ready = fit(prepare(config))
    if len(labelled) < len(TRAIN):
        parts = tuple(part for part in ready.split.parts["train"] if part.id in labelled)
        split = replace(ready.split, parts={**ready.split.parts, "train": parts})
        ready = replace(ready, split=split, preprocessor=replace(ready.preprocessor, fitted_on=()))
    prepared = time.process_time() - began
    _, result = by_stages(ready, resume=False)
    found = answered(ready, "validation", undecided(ready.target), forward(result.model, "logits"), "ecgbert")
    show(name, found, "ecgbert", f"{prepared:.0f} + {time.process_time() - began - prepared:.0f} s")
    stored.write(found, own / stored.VALIDATION)
    beside = folder / "chosen" / stored.VALIDATION
    if beside.is_file() and name != "chosen":
        differ(found, stored.read(beside))
    SentencePreprocessor.inputs, vocabulary.fit_vocabulary.__kwdefaults__ = plain, fitted


def show(name, found, model, more=""):
    """Print a line: F1 of N, S and V and their mean."""
    at = interval(found, NSV(AAMI), model)
    print(f"{name:30s}", *(f"{k} {i.value:.1f} [{i.low:.1f}, {i.high:.1f}]" for k, i in at.items()), more, flush=True)


def differ(mine, its):
    """Print how far two sets of answers to the same recordings are apart."""
    apart = between(mine, its, NSV(AAMI))
    print("difference", *(f"{k} {i.value:+.1f} [{i.low:+.1f}, {i.high:+.1f}]" for k, i in apart.items()), flush=True)


def trees():
    """Print what the boosted trees give, learnt from the same people."""
    began = time.process_time()
    fitted = boosting.fit_trees([seen(DATA / "mitdb" / n)[0] for n in TRAIN], AAMI, seeds=(0, 1))
    found = []
    for judged in JUDGED:
        heart, features, missed = seen(DATA / "mitdb" / judged, TWO)
        span = np.stack([heart.rpeaks, heart.rpeaks + 1], axis=1)
        answer = {"trees": fitted(features).argmax(axis=1)}
        found.append(Answered(judged, judged, "beat", heart.fs, span, heart.label, answer, missed))
    show("trees", found, "trees", f"{time.process_time() - began:.0f} s")


def few(folder):
    """Learn from the labels of fewer people; words and steps are fitted on all of them, who need no labels for it."""
    run(folder, "for few", "chosen")
    init = [f"stages[1].init={folder / 'for_few' / 'checkpoints' / 'best-pretrain.safetensors'}"]
    for size in FEW:
        labelled = [TRAIN[i] for i in np.random.default_rng(0).permutation(len(TRAIN))[:size]]
        run(folder, f"{size} people", "no pretraining", labelled)
        run(folder, f"{size} people pretrained", "no pretraining", labelled, init)


def network(own):
    """Return the preprocessor of a trained arm, and what answers a prepared recording."""
    kept = load(own / "checkpoints" / "best-all.safetensors")
    about = Bundle.model_validate(kept.state["about"])
    preprocessor = make_preprocessor(parse_spec(about.spec), about.state)
    model = models.build(about.about.model.name, **about.about.model.options)
    model.load_state_dict(kept.part("model"))
    run = forward(model, "logits")
    return preprocessor, lambda prepared: answer(preprocessor, Classes(labels=AAMI), prepared, run).probability


def annotated(run):
    """Print F1 of a finished run on its test recordings, beats where they are annotated."""
    preprocessor, say = network(run)
    found = []
    for name in DS2:
        record = read(DATA / "mitdb" / name)
        beats = reference_beats(record.annotations["atr"], AAMI_CLASSES)
        at = np.rint(beats.sample * (preprocessor.spec.fs / record.fs)).astype(np.int64)
        SentencePreprocessor._beats = lambda *_of, at=at: at
        prepared = preprocessor.prepare([record])
        span, none = preprocessor.units(prepared), np.zeros(0, np.int64)
        answers = {"ecgbert": say(prepared).argmax(axis=1)}
        found.append(Answered(name, name, "beat", record.fs, span, beats.label, answers, none))
    for left_out in ("", "232", "202"):
        show(f"without {left_out}" if left_out else "annotated", [of for of in found if of.id != left_out], "ecgbert")


def against(run, other):
    """Print F1 of two finished runs on their test recordings, and how far they are apart."""
    found = [stored.read_run(folder)[0] for folder in (run, other)]
    for left_out in ("", "232", "202"):
        mine, its = ([of for of in answers if of.id != left_out] for answers in found)
        for folder, answers in ((run, mine), (other, its)):
            show(
                f"{folder.name} without {left_out}" if left_out else folder.name,
                answers,
                next(iter(answers[0].answers)),
            )
        differ(mine, its)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    if sys.argv[2:3] == ["against"]:
        raise SystemExit(against(Path(sys.argv[1]), Path(sys.argv[3])))
    if sys.argv[2:] == ["annotated"]:
        raise SystemExit(annotated(Path(sys.argv[1])))
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("BIOTL_DATA", str(DATA))
    for name in sys.argv[2:] or [*ARMS, "trees"]:
        {"trees": trees, "few": lambda: few(folder)}.get(name, lambda: run(folder, name))()  # noqa: B023
