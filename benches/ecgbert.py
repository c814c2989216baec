"""What each part of ECGBERT's design buys, in shortened runs inside DS1; DS2 is not read.

    OMP_NUM_THREADS=1 python benches/ecgbert.py FOLDER [ARM ...]

One fixed division of DS1: six people are learnt from, and the five recordings that `ecgbert_mitbih` chooses by are
judged. Each arm is that configuration with one thing changed, one epoch of pretraining, one of the head and two of
all of it. F1 of N, S and V and their mean, end to end, in the epoch that was best on the very recordings that are
judged: figures are kind, to all arms alike. The run folders are left in FOLDER.
"""

import csv
import os
import sys
import time
from pathlib import Path

import numpy as np

from biotl.datasets import vocabulary
from biotl.datasets.beat_features import FEATURES as DESCRIBED
from biotl.datasets.features import FEATURES
from biotl.datasets.rhythm import RHYTHM_FEATURES
from biotl.datasets.sentences import SentencePreprocessor
from biotl.datasets.vocabulary import UNKNOWN
from biotl.recipes import registry
from biotl.recipes.decide import undecided
from biotl.recipes.forward import forward
from biotl.recipes.prep import fit, prepare
from biotl.recipes.run import answered, by_stages
from biotl.scoring.classes import score

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))
TRAIN = ("106", "118", "119", "207", "208", "209")
JUDGED = ("114", "116", "122", "220", "223")
ASIDE = ("230",)  # a split holds a test part: it is prepared, and not answered
SHORT = {"pretrain": 1, "head": 1, "all": 2}
BEATS = "data.spec.describe=beats"
RHYTHM = [k for k, name in enumerate(FEATURES) if name.startswith("rr_")]
RHYTHM += [len(FEATURES) + k for k, name in enumerate(DESCRIBED) if name in RHYTHM_FEATURES]


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
    "as shipped": ([], (), None, None),
    "beat features": ([BEATS], (), None, None),
    "no pretraining": ([BEATS], ("pretrain",), None, None),
    "no stages": ([BEATS], ("pretrain", "head"), None, None),
    "no rhythm context": ([BEATS], (), blank(features=(RHYTHM, 0)), None),
    "no raw wave": ([BEATS], (), blank(patches=(slice(None), 0)), None),
    "no words": ([BEATS], ("pretrain",), blank(tokens=(None, UNKNOWN)), None),  # without words nothing is restored
    "few words": ([BEATS], (), None, (3, 5, 4, 6)),
    "delineated segments": ([BEATS, "data.spec.segmentation=delineated"], (), None, None),
    "plain loss": ([BEATS, *(f"stages[{k}].loss.weight=[1,1,1,1,1]" for k in (1, 2))], (), None, None),
    "hide a fifth": ([BEATS, "data.hide=0.2"], (), None, None),
}


def manifest(folder):
    """Write the division, and return the file."""
    path = folder / "ds1.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "file", "subject", "split"])
        for split, names in (("train", TRAIN), ("validation", JUDGED), ("test", ASIDE)):
            table.writerows([name, DATA / "mitdb" / name, name, split] for name in names)
    return path


def run(folder, name):
    """Train one arm, and print what it gives."""
    overrides, left_out, change, sizes = ARMS[name]
    began = time.process_time()
    plain, fitted = SentencePreprocessor.inputs, vocabulary.fit_vocabulary.__kwdefaults__
    config = registry.load(
        "ecgbert_mitbih",
        [
            f"run={folder / name.replace(' ', '_')}",
            f"data.manifest={manifest(folder)}",
            "data.split={by: split}",
            *overrides,
        ],
    )
    stages = tuple(
        stage.model_copy(update={"epochs": SHORT[stage.name]}) for stage in config.stages if stage.name not in left_out
    )
    config = config.model_copy(update={"stages": stages})
    if change:
        SentencePreprocessor.inputs = lambda *of: change(plain(*of))
    if sizes:
        vocabulary.fit_vocabulary.__kwdefaults__ = {**fitted, "sizes": sizes}
    ready = fit(prepare(config))
    _, result = by_stages(ready, resume=False)
    model = forward(result.model, "logits")
    found = answered(ready, "validation", undecided(ready.target), model, "ecgbert")
    truth = np.concatenate([of.truth for of in found])
    answer = np.concatenate([of.answers["ecgbert"] for of in found])
    missed = np.concatenate([of.missed for of in found])
    f1 = 100 * np.nan_to_num(score(truth, answer, missed, ready.target.labels).f1[:3])
    spent = time.process_time() - began
    print(f"{name:20s} N {f1[0]:.1f} S {f1[1]:.1f} V {f1[2]:.1f} mean {f1.mean():.1f}, {spent:.0f} s", flush=True)
    SentencePreprocessor.inputs, vocabulary.fit_vocabulary.__kwdefaults__ = plain, fitted


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or ARMS:
        run(folder, name)
