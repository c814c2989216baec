"""Choose, train and measure the boosted trees that tell beats apart, on MIT-BIH and off it, one thread.

    OMP_NUM_THREADS=1 python benches/beats.py folds [NAME ...]
    OMP_NUM_THREADS=1 python benches/beats.py test [RUN]
    OMP_NUM_THREADS=1 python benches/beats.py causal
    OMP_NUM_THREADS=1 python benches/beats.py few RUN

``folds`` leaves patients of DS1 out, six groups, end to end by biotl's own detector: F1 of each class over all of them
and as the mean over patients; F1 under *prevalence stress* (held-out recordings put together anew so that S or V are 5,
30, 60 and 80 % of the beats); false S in record 201, which fibrillates for half an hour, and false S and V in CPSC 2021
(three patients in fibrillation) and in the normal hearts of QTDB. With NAMEs, only those kinds of copies are learnt
from (`biotl.training.beat_rows.KINDS`). It reads no recording of DS2.

``test`` trains on DS1 without 201, who is 202 of DS2, or takes the trees of a finished RUN, and reads DS2: one look, or
part of that run's. ``causal`` leaves the first two
groups of DS1 out and judges every twentieth of their beats from the 300 beats before it and the one after it, waves
measured on no more than what was heard by then; the R peaks are those of the whole recording, which `RPeakStream` finds
to within a few beats. ``few`` learns from 1 to all of the patients of DS1 that a fold leaves, judges the fold, and adds
the curve to the report of the run folder RUN.
"""

import os
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np

from biotl.datasets.beat_copies import with_prevalence
from biotl.datasets.beat_features import FEATURES, beat_features
from biotl.datasets.beat_measures import BeatMeasures, measure_beats
from biotl.datasets.beat_tables import BeatPreprocessor
from biotl.datasets.beats import AAMI, AAMI_CLASSES, CLASSES, label_beats, reference_beats
from biotl.datasets.de_chazal import DS1, DS2
from biotl.datasets.spec_kinds import BeatSpec
from biotl.deploy.decision import Classes
from biotl.models.trees import Trees
from biotl.recipes.beats import RECIPE
from biotl.recipes.report import again
from biotl.recipes.stress import lines
from biotl.recipes.trees import STAGE
from biotl.records import read
from biotl.report.robustness import Panels, keep
from biotl.scoring.answers import Answered
from biotl.scoring.bootstrap import interval, paired
from biotl.scoring.classes import ClassCounts, score
from biotl.training import beat_rows, boosting
from biotl.training.checkpoint import SUFFIX, load

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))
FOLDS = (
    ("209", "101", "119", "106"),
    ("201", "220", "109", "205"),
    ("207", "112", "203", "122"),
    ("118", "215", "108", "230"),
    ("223", "114", "115"),
    ("124", "116", "208"),
)
PAST, EDGE, EVERY = 300, 20, 20
FEW = (1, 2, 5, 10, 99)
SHARES = (0.05, 0.3, 0.6, 0.8)
TWO = BeatPreprocessor(BeatSpec())
DECISION = Classes(labels=AAMI, prevalence=RECIPE.prevalence)
ONE = BeatPreprocessor(BeatSpec(channels=BeatSpec().channels[:1]))


def told(trees, table):
    """Return the class of each beat of a recording."""
    return DECISION.read(trees(table)).value


def seen(path, preprocessor=TWO, classes=AAMI_CLASSES):
    """Return a recording as a heart to learn from, its features, and the classes of the beats that were missed."""
    record = read(path)
    prepared = preprocessor.prepare([record])
    arrays = prepared.arrays
    reference = reference_beats(record.annotations["atr"], classes)
    beats = label_beats(reference, preprocessor.units(prepared)[:, 0], record.fs)
    heart = beat_rows.Heart(record.name, arrays["signal"], preprocessor.spec.fs, arrays["rpeaks"], beats.label)
    return heart, arrays["features"], beats.missed


class NSV(ClassCounts):
    """F1 of N, S and V, and their mean."""

    def figures(self, sums):
        """Read them from sums, in per cent."""
        each = {c: super(NSV, self).figures(sums)[f"f1.{c}"] for c in "NSV"}
        return each | {"macro": np.mean(list(each.values()), axis=0)}


def f1(truth, answer, missed=()):
    """Return F1 of N, S and V in per cent."""
    return 100 * np.nan_to_num(score(truth, answer, np.array(missed, np.int64), AAMI).f1[:3])


def stressed(heart, of):
    """Yield the features and classes of a recording put together anew at each share of a class."""
    beats = measure_beats(heart.x, heart.rpeaks, heart.fs)
    for share in SHARES:
        rng = np.random.default_rng([of, round(100 * share), *heart.subject.encode()])
        made, label = with_prevalence(beats, heart.label, of, share, 500, rng)
        yield share, beat_features(made), label


def folds(names):
    """Print what leaving patients out gives."""
    kinds = {name: beat_rows.KINDS[name] for name in names or beat_rows.KINDS}
    hearts = {name: seen(DATA / "mitdb" / name) for name in DS1}
    outside = {
        folder: [seen(path.with_suffix("")) for path in sorted((DATA / folder).glob("*.hea"))]
        for folder in ("cpsc2021", "qtdb_more")
    }
    natural, stress, false = [], {}, {folder: np.zeros(3) for folder in outside}
    lessons = boosting.Lessons.of([hearts[n][0] for n in DS1], AAMI, seeds=(0, 1), kinds=kinds)
    for fold in FOLDS:
        trees = lessons.fit(fold)
        for name in fold:
            heart, features, missed = hearts[name]
            natural.append((name, heart.label, told(trees, features), missed))
            for of, least in ((1, 8), (2, 20)):
                if (heart.label == of).sum() >= least and name != "201":
                    for share, table, label in stressed(heart, of):
                        stress.setdefault((of, share), []).append(f1(label, told(trees, table))[of])
        for folder, found in outside.items():
            for heart, features, _ in found:
                answer = told(trees, features)[heart.label == 0]
                false[folder] += [len(answer), (answer == 1).sum(), (answer == 2).sum()]
    rest = [of for of in natural if of[0] != "201"]
    total = f1(*(np.concatenate([of[k] for of in rest]) for k in (1, 2, 3)))
    print("without 201: F1 of N, S, V, macro", *np.round([*total, total.mean()], 1))
    for of, least in ((1, 8), (2, 20)):
        each = {name: f1(a, b, c)[of] for name, a, b, c in rest if (a == of).sum() >= least}
        print(f"{AAMI[of]} by patient: mean {np.mean(list(each.values())):.1f}", {k: round(v) for k, v in each.items()})
        print(f"{AAMI[of]} under stress", {share: round(float(np.mean(stress[of, share])), 1) for share in SHARES})
    for name, truth, answer, _ in natural:
        if name == "201":
            print(f"201: false S in 1,000 N {1000 * np.mean(answer[truth == 0] == 1):.1f}")
    for folder, (n, s, v) in false.items():
        print(f"{folder}: false S and V in 1,000 N {1000 * s / n:.1f} {1000 * v / n:.1f}")


def few(run):
    """Print and keep what fewer patients to learn from give."""
    hearts = {name: seen(DATA / "mitdb" / name) for name in DS1}
    lessons = boosting.Lessons.of([hearts[name][0] for name in DS1], AAMI, seeds=(0,))
    levels = curve(lessons, hearts)
    for level, told in levels.items():
        print(f"{level:16s}", *(f"{k} {i.value:.1f} [{i.low:.1f}, {i.high:.1f}]" for k, i in told.items()), flush=True)
    notes = (
        "Leave-patients-out folds of DS1, six groups, record 201 not judged: of the patients that a fold leaves, so "
        "many were drawn, more including fewer, and learnt from with all copies. One model instead of four.",
    )
    keep(run, Panels("With fewer patients to learn from", "F1", "%", notes, {"patients learnt from": levels}))
    again(run)


def curve(lessons, hearts):
    """Return F1 by how many patients were learnt from."""
    levels = {}
    for size in FEW:
        found = []
        for k, fold in enumerate(FOLDS):
            rest = [name for name in DS1 if name not in fold]
            chosen = [rest[i] for i in np.random.default_rng(k).permutation(len(rest))[:size]]
            without = set(DS1) - set(chosen)
            # one class teaches nothing: every beat is then the usual one
            trees = lessons.fit(without) if len(lessons.learnt(without)) > 1 else None
            for name in fold:
                heart, features, missed = hearts[name]
                answer = told(trees, features) if trees else np.zeros(len(features), np.int64)
                span = np.stack([heart.rpeaks, heart.rpeaks + 1], axis=1)
                found.append(Answered(name, name, "beat", heart.fs, span, heart.label, {"trees": answer}, missed))
        shown = f"all ({len(DS1) - 5} or so)" if size > len(DS1) else f"{size}"
        levels[shown] = lines([of for of in found if of.id != "201"], AAMI)
    return levels


def answered(name, preprocessor, trees, *, annotated=False, classes=AAMI_CLASSES):
    """Answer a recording of DS2."""
    heart, features, missed = seen(DATA / "mitdb" / name, preprocessor, classes)
    rpeaks, label = heart.rpeaks, heart.label
    if annotated:
        beats = reference_beats(read(DATA / "mitdb" / name).annotations["atr"])
        rpeaks, label, missed = beats.sample, beats.label, np.zeros(0, np.int64)
        features = beat_features(measure_beats(heart.x, rpeaks, heart.fs))
    made = DECISION.read(trees(features))
    span = np.stack([rpeaks, rpeaks + 1], axis=1)
    return Answered(name, name, "beat", heart.fs, span, label, {"trees": made.value}, missed, made.probability)


def show(title, found, model="trees"):
    """Print a line a set of recordings: F1 of N, S and V and their mean, with intervals over subjects."""
    at = interval(found, NSV(AAMI), model)
    print(f"{title:28s}", *(f"{k} {i.value:.1f} [{i.low:.1f}, {i.high:.1f}]" for k, i in at.items()), flush=True)


def learn():
    """Fit on DS1 without 201."""
    began = time.process_time()
    hearts = [seen(DATA / "mitdb" / name)[0] for name in DS1 if name != "201"]
    trees = boosting.fit_trees(hearts, AAMI)
    print(f"training, recordings read: {time.process_time() - began:.0f} s of processor time, {len(trees.root)} trees")
    return trees


def of_run(run):
    """Return the trees of a finished run."""
    tensors = load(run / "checkpoints" / f"best-{STAGE}{SUFFIX}").tensors
    arrays = {name.removeprefix("model."): tensor.numpy() for name, tensor in tensors.items()}
    return Trees(**arrays, columns=len(FEATURES))


def test(run):
    """Print what DS2 gives: every call is a look."""
    trees = of_run(run) if run else learn()
    began = time.process_time()
    two = [answered(name, TWO, trees) for name in DS2]
    spent = time.process_time() - began
    hours = sum(of.span[-1, 1] / of.fs for of in two) / 3600
    print(f"from file to classes: {spent / hours:.2f} s of processor time an hour of two leads")
    one = [answered(name, ONE, trees) for name in DS2]
    print("F1 on DS2, end to end unless said otherwise")
    show("two leads", two)
    show("one lead", one)
    show("two leads, annotated beats", [answered(name, TWO, trees, annotated=True) for name in DS2])
    for name in ("232", "202"):
        show(f"two leads, without {name}", [of for of in two if of.id != name])
    show("two leads, e j n as S", [answered(name, TWO, trees, classes=CLASSES["ec57"]) for name in DS2])
    print("every twentieth beat, with the 300 before it and the one after it")
    show_hindsight([with_hindsight(name, *seen(DATA / "mitdb" / name)[:2], trees) for name in DS2])
    print("by record: F1 of N, S, V; S called N, S, V; N called S, V; V called N, S")
    for of in two:
        c = score(of.truth, of.answers["trees"], of.missed, AAMI).confusion
        print(of.id, *np.round(f1(of.truth, of.answers["trees"], of.missed)), c[1, :3], c[0, 1:3], c[2, :2])


def ahead(heart):
    """Return which beats were chosen, and the features of all that is known of each: `PAST` beats before, one after."""
    whole = measure_beats(heart.x, heart.rpeaks, heart.fs)
    chosen = np.arange(EDGE, len(heart.rpeaks) - 1, EVERY)
    rows = []
    for i in chosen:
        # the last two beats are measured on what has been heard: up to the end of the next one's own complex
        first, last = int(heart.rpeaks[i - EDGE]), int(heart.rpeaks[i + 1] + 0.2 * heart.fs)
        heard = measure_beats(heart.x[:, first:last], heart.rpeaks[i - EDGE + 1 : i + 2] - first, heart.fs)
        before, now = whole.rows(np.arange(max(0, i - PAST), i)), heard.rows(np.arange(EDGE - 1, EDGE + 1))
        joined = {f.name: np.concatenate([getattr(before, f.name), getattr(now, f.name)]) for f in fields(now)}
        known = BeatMeasures(**joined)
        rows.append(beat_features(known.rows(np.arange(len(known)))))
    return chosen, rows


def with_hindsight(name, heart, features, trees):
    """Answer some beats of a recording twice: with all of the recording, and with one beat ahead."""
    chosen, tables = ahead(heart)
    raw = trees(np.concatenate(tables))
    parts = np.split(raw, np.cumsum([len(table) for table in tables])[:-1])
    span = np.stack([heart.rpeaks[chosen], heart.rpeaks[chosen] + 1], axis=1)
    causal = np.array([DECISION.read(part).value[-2] for part in parts])
    answers = {"trees": told(trees, features)[chosen], "causal": causal}
    return Answered(name, name, "beat", heart.fs, span, heart.label[chosen], answers)


def show_hindsight(found):
    """Print what one beat ahead gives, what the whole recording gives of the same beats, and the difference."""
    show("these beats, whole recording", found)
    show("one beat ahead", found, "causal")
    for k, i in paired(found, NSV(AAMI), "causal", "trees").items():
        print(f"difference of {k}: {i.value:+.1f} [{i.low:+.1f}, {i.high:+.1f}]")


def causal():
    """Print what hindsight is worth to patients of DS1 who were left out."""
    hearts = {name: seen(DATA / "mitdb" / name)[:2] for name in DS1}
    out = (*FOLDS[0], *FOLDS[1])
    trees = boosting.fit_trees([hearts[n][0] for n in DS1 if n not in out], AAMI, seeds=(0, 1))
    show_hindsight([with_hindsight(name, *hearts[name], trees) for name in out if name != "201"])


if __name__ == "__main__":
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    if mode == "folds":
        folds(sys.argv[2:])
    elif mode == "test":
        test(Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    elif mode == "causal":
        causal()
    elif mode == "few" and len(sys.argv) == 3:
        few(Path(sys.argv[2]))
    else:
        raise SystemExit(__doc__)
