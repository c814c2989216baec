"""ECGBERT and the boosted trees where S or V is most of the beats, and where a heart fibrillates; DS2 is not read.

    OMP_NUM_THREADS=1 python benches/ecgbert_stress.py FOLDER ARM ...
    OMP_NUM_THREADS=1 python benches/ecgbert_stress.py FOLDER together ARM

The network that an arm of `benches/ecgbert.py` left in FOLDER, or ``trees``, answers recordings of the people judged
put together anew so that S or V are 5, 30, 60 and 80 % of the beats (`copies.with_share`), record 201 and CPSC 2021,
which fibrillate, and the normal hearts of QTDB: F1 of that class, mean over people, and beats called S and V in 1,000
that are N; by the most probable class, by the trees' step for a class that is common (`deploy.prevalence`), and by
thresholds that were searched on the other people judged. ``together`` takes the mean of the probabilities of an arm and
of the trees, as these were left.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from beats import DATA, DECISION, NSV, SHARES, TWO, f1, seen
from ecgbert import JUDGED, TRAIN, network, show

from biotl.datasets.beats import AAMI, AAMI_CLASSES, match, reference_beats
from biotl.datasets.copies import with_share
from biotl.datasets.gaps import bridge
from biotl.deploy.decision import decide
from biotl.recipes.decide import thresholds
from biotl.records import read
from biotl.scoring import stored
from biotl.scoring.answers import Answered
from biotl.scoring.bootstrap import paired
from biotl.training import boosting


def hearts():
    """Yield what a stress test answers: a name, a recording, the samples of its beats and their classes."""
    for name in JUDGED:
        record = read(DATA / "mitdb" / name)
        beats = reference_beats(record.annotations["atr"], AAMI_CLASSES)
        x = np.stack([bridge(lead) for lead in record.signal])
        yield name, record, beats.sample, beats.label
        for of, least in ((1, 8), (2, 20)):
            for share in SHARES if (beats.label == of).sum() >= least else ():
                rng = np.random.default_rng([of, round(100 * share), *name.encode()])
                made, peaks, label = with_share(x, beats.sample, record.fs, beats.label, of, share, 600, rng)
                yield f"{name} {AAMI[of]} {share:.0%}", replace(record, signal=made, annotations={}), peaks, label
    outside = [path for folder in ("cpsc2021", "qtdb_more") for path in sorted((DATA / folder).glob("*.hea"))]
    for path in (DATA / "mitdb" / "201.hea", *outside):
        record = read(path.with_suffix(""))
        beats = reference_beats(record.annotations["atr"], AAMI_CLASSES)
        yield f"{path.parent.name} {path.stem}", record, beats.sample, beats.label


def stress(folder, name):
    """Answer what is stressed by one arm, keep it, and print what it gives."""
    own = folder / name.replace(" ", "_")
    own.mkdir(exist_ok=True)
    if name == "trees":
        fitted = boosting.fit_trees([seen(DATA / "mitdb" / n)[0] for n in TRAIN], AAMI, seeds=(0, 1))
        preprocessor, say = TWO, lambda prepared: boosting.probabilities(fitted(prepared.arrays["features"]))
    else:
        preprocessor, say = network(own)
    names, found = set(preprocessor.spec.channels[0].aliases), []
    for id_, record, peaks, label in hearts():
        known = names & set(record.channels)
        prepared = preprocessor.prepare([record], choose=None if known else record.channels[0])
        span, probability = preprocessor.units(prepared), say(prepared)
        pairs = match(peaks, span[:, 0], round(0.15 * record.fs))
        truth = np.where(pairs >= 0, np.append(label, -1)[pairs], -1)
        missed = np.delete(label, pairs[pairs >= 0])
        at = {"most probable": probability.argmax(axis=1)}
        found.append(Answered(id_, id_, "beat", record.fs, span, truth, at, missed[missed >= 0], probability))
    stored.write(found, own / "stress.npz")
    tell(name, found)
    raised = []
    for of in found:
        logit = np.log(np.maximum(of.probability, 1e-12))
        raised.append(replace(of, answers={"raised": DECISION.read(logit).value}))
    tell(f"{name}, where it is common raised", raised)
    natural = [of for of in found if of.id in JUDGED]
    others = {
        who: thresholds([of for of in natural if of.id != who], AAMI) for who in {of.id.split()[0] for of in found}
    }
    searched = []
    for of in found:
        at = np.array(others[of.id.split()[0]], np.float32)
        searched.append(replace(of, answers={"searched": decide(of.probability, at)}))
    tell(f"{name}, thresholds searched", searched)


def tell(title, found):
    """Print a set of answers to what `hearts` yields."""
    natural = [of for of in found if of.id in JUDGED]
    show(title, natural, next(iter(found[0].answers)))
    each = {of.id: f1(of.truth, next(iter(of.answers.values())), of.missed) for of in found}
    for k, of in enumerate("SV", 1):
        shares = {}
        for id_, value in each.items():
            if f" {of} " in id_:
                shares.setdefault(id_.split()[2], []).append(value[k])
        means = [np.mean(values) for values in shares.values()]
        print(
            f"  {of} under stress {np.mean(means):.1f}:", *(f"{s} {m:.1f}" for s, m in zip(shares, means, strict=True))
        )
    for name in ("mitdb 201", "cpsc2021", "qtdb_more"):
        usual = [next(iter(of.answers.values()))[of.truth == 0] for of in found if of.id.startswith(name)]
        n = np.concatenate(usual)
        print(f"  {name}: of 1,000 N {1000 * np.mean(n == 1):.0f} called S, {1000 * np.mean(n == 2):.0f} V", flush=True)


def together(folder, name):
    """Print what the mean of an arm's and the trees' probabilities gives."""
    found = []
    both = [stored.read(folder / of.replace(" ", "_") / "stress.npz") for of in (name, "trees")]
    for own, trees in zip(*both, strict=True):
        near = match(trees.span[:, 0], own.span[:, 0], round(0.05 * own.fs))
        its = np.where((near >= 0)[:, None], trees.probability[near], own.probability)
        answers = {"mean": (own.probability + its).argmax(axis=1), "trees": its.argmax(axis=1)}
        found.append(replace(own, answers={**answers, "ecgbert": own.probability.argmax(axis=1)}))
    tell(f"{name} and trees", found)
    natural = [of for of in found if of.id in JUDGED]
    for other in ("ecgbert", "trees"):
        apart = paired(natural, NSV(AAMI), "mean", other)
        print("mean less", other, *(f"{k} {i.value:+.1f} [{i.low:+.1f}, {i.high:+.1f}]" for k, i in apart.items()))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("BIOTL_DATA", str(DATA))
    if sys.argv[2] == "together":
        raise SystemExit(together(folder, sys.argv[3]))
    for name in sys.argv[2:]:
        stress(folder, name)
