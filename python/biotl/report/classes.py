"""The report of decided classes, of beats, windows or steps."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from biotl.report import figures
from biotl.report.beside import (
    ENOUGH,
    Results,
    carried,
    difference_interval,
    estimate,
    figure_interval,
    headline,
    models,
    number,
    subjects,
    told,
    weakest,
)
from biotl.report.content import Card, Estimate, Figure, Section, Table, Text
from biotl.report.strips import ERRORS, RIGHT, RULE, Read, strips
from biotl.scoring import ec57
from biotl.scoring.answers import Answered
from biotl.scoring.bootstrap import interval
from biotl.scoring.calibration import known, reliability
from biotl.scoring.classes import ClassScore
from biotl.scoring.conformal import Conformal, Sets
from biotl.scoring.ranking import precision_recall

UNITS = {"beat": "beats", "window": "windows", "step": "steps"}


def sections(
    answered: Sequence[Answered], results: Results, *, read: Read | None = None, abstains: Conformal | None = None
) -> list[Section]:
    """Return what a test of classes shows.

    Parameters
    ----------
    answered : sequence of Answered
        The test recordings.
    results : mapping
        Their `biotl.scoring.results.results`.
    read : callable, optional
        Gives the stretches that are shown, see `biotl.report.strips.Read`; without it none is.
    abstains : Conformal, optional
        When the model abstains, chosen on validation subjects; shown is what that gives on the test subjects.
    """
    labels, own = tuple(results["task"]["labels"]), next(iter(results["models"]))
    score = ClassScore(labels, np.array(results["confusion"][own]))
    shown = list(strips(answered, labels, read)) if read else []
    rule = Text((RULE.format(errors=ERRORS, right=RIGHT),), "soft")
    each = [f"f1.{label}" for label, held in zip(labels, score.held, strict=True) if held]
    return [
        headline(results, _weakest(results, score)),
        Section(
            "Beside the baselines",
            (models(results, ("macro_f1", "accuracy", "balanced_accuracy", "mcc")), *_forest(results, score)),
        ),
        Section("Class by class", _by_class(answered, results, score)),
        Section("Beats as ANSI/AAMI EC57 counts them", _ec57(answered, results)),
        Section("Ranking and calibration", _ranking(answered, results, score)),
        Section("If it may abstain", _abstention(answered, results, abstains)),
        carried(results),
        Section(
            "Where it errs",
            (Text((_counted(results),), "soft"), _confusion(results, score)) if score.confusion.any() else (),
        ),
        Section("Examples, errors first", (rule, *shown) if shown else ()),
        subjects(results, ("macro_f1", "accuracy", *each)),
    ]


def _weakest(results: Results, score: ClassScore) -> list[Card]:
    own, label = next(iter(results["models"])), weakest(results)
    if label is None:
        return []
    found = estimate(results, own, f"f1.{label}")
    assert found is not None
    unit = UNITS[results["task"]["unit"]]
    few = [f"{c} has {n}" for c, n in zip(score.labels, score.held, strict=True) if 0 < n < ENOUGH]
    notes = [f"95 % interval {found.interval}"] if found.interval else []
    notes.append(f"{score.held[score.labels.index(label)]:,} {unit} in the reference")
    notes += [f"{', '.join(few)}: too few to judge"] if few else []
    return [Card(f"{found.value} %", f"F1 of {label}, the weakest class", "; ".join(notes))]


def _forest(results: Results, score: ClassScore) -> tuple[Figure, ...]:
    unit = UNITS[results["task"]["unit"]]
    lines = {
        f"{label}\n{n:,} {unit}": f"f1.{label}" for label, n in zip(score.labels, score.held, strict=True) if n
    } | {"macro-F1": "macro_f1"}
    groups = {
        line: {name: figure_interval(results, name, key) for name in results["models"]} for line, key in lines.items()
    }
    caption = "Points are figures, bars their 95 % intervals over subjects."
    own = Figure(partial(figures.forest, groups, "F1 (%)", top=102), "F1 by class and model", caption)
    if not results["differences"]:
        return (own,)
    apart = {
        line: {name: difference_interval(results, name, key) for name in results["differences"]}
        for line, key in lines.items()
    }
    model = next(iter(results["models"]))
    axis = f"{model} less the other, F1 (points)"
    words = f"Right of 0, {model} is better; a bar over 0 shows no difference."
    return (own, Figure(partial(figures.forest, apart, axis, colors=1), "Differences in F1 by class and model", words))


def _by_class(answered: Sequence[Answered], results: Results, score: ClassScore) -> tuple[Table | Text, ...]:
    own, unit = next(iter(results["models"])), UNITS[results["task"]["unit"]]
    rows = []
    for k, label in enumerate(score.labels):
        if not score.held[k] and not score.answered[k]:
            continue
        bearers = {of.person for of in answered if (of.truth == k).any() or (of.missed == k).any()}
        row: dict[str, Any] = {"class": label, unit: int(score.held[k]), "subjects": len(bearers)}
        named = {"se": "sensitivity %", "ppv": "PPV %", "f1": "F1 %", "sp": "specificity %", "mcc": "MCC"}
        row |= {words: estimate(results, own, f"{key}.{label}") for key, words in named.items()}
        row["false alarms"] = int(score.false_alarms[k])
        row["an hour"] = number(results["models"][own][f"false_alarms.{label}"], "per hour")
        rows.append(row)
    *notes, last = score.unheld()
    if last.startswith("False alarms"):
        return (Text((last,), "warning"), Table(rows, " ".join([f"Of {own}.", *notes])))
    return (Table(rows, " ".join([f"Of {own}.", *notes, last])),)


def _ranking(answered: Sequence[Answered], results: Results, score: ClassScore) -> tuple[Table | Figure | Text, ...]:
    own = next(iter(results["models"]))
    if "brier" not in results["models"][own]:
        return ()
    truth, probability = known(answered)
    met = [k for k, n in enumerate(score.held) if n]
    rows = [
        {"class": score.labels[k]}
        | {
            words: estimate(results, own, f"{key}.{score.labels[k]}")
            for key, words in (
                ("auroc", "AUROC"),
                ("auprc", "average precision"),
                ("slope", "slope"),
                ("intercept", "intercept"),
            )
        }
        for k in met
    ]
    whole = ", ".join(
        f"{words} {estimate(results, own, key)}"
        for key, words in (("brier", "Brier score"), ("ece", "calibration error"))
    )
    note = (
        "Average precision: area under the curve of PPV over sensitivity. Slope 1 and intercept 0 are right; a slope "
        "below 1 is too sure, an intercept above 0 says too little. Of the probabilities before thresholds, on "
        f"{UNITS[results['task']['unit']]} that the reference has."
    )
    curves = {score.labels[k]: precision_recall(truth == k, probability[:, k]) for k in met}
    said = {score.labels[k]: reliability(truth == k, probability[:, k]) for k in met}
    return (
        Text((f"{own}: {whole}.",)),
        Table(rows, note),
        Figure(partial(figures.precision_recall, curves), "PPV over sensitivity at any threshold, by class"),
        Figure(partial(figures.calibration, said), "Share that came true over probability said, by class"),
    )


def _ec57(answered: Sequence[Answered], results: Results) -> tuple[Table, ...]:
    if not ec57.fits(results["task"]):
        return ()
    rows = [
        {"of": row["record"]} | {key: None if row[key] is None else Estimate(f"{row[key]:.2f}") for key in ec57.SHARES}
        for row in ec57.table(answered, results["task"]["labels"], next(iter(results["models"])))[-2:]
    ]
    note = "Per cent; Q any beat, V ventricular, S supraventricular; gross: all beats together, average: of recordings."
    return (Table(rows, f"{note} Of whole recordings, no learning period left out; each recording in ec57.csv."),)


def _abstention(answered: Sequence[Answered], results: Results, rule: Conformal | None) -> tuple[Text | Table, ...]:
    if rule is None:
        return ()
    own, drawn = next(iter(results["models"])), results["bootstrap"]
    found = interval(answered, Sets(rule), own, n=drawn["draws"], seed=drawn["seed"])
    rows = [{"figure": of.name, "%": told(found[key], of.unit)} for key, of in Sets.legend.items()]
    line = (
        f"It answers where the set of classes that is to hold the right one in {100 * rule.coverage:.0f} % of the "
        f"{UNITS[results['task']['unit']]} of new subjects is a single class; the rule was chosen on {rule.subjects} "
        "validation subjects."
    )
    # the margin is over subjects: with fewer than nine no rule that holds for 90 % of the next one answers anything
    few = "So few cannot vouch for another subject: it never answers." if found["answered"].value == 0 else ""
    return (Text((f"{line} {few}".strip(),), "soft"), Table(rows))


def _counted(results: Results) -> str:
    many = UNITS[results["task"]["unit"]].capitalize()
    return f"{many}, reference by answer. What is missed, and what is found where there is nothing, count as errors."


def _confusion(results: Results, score: ClassScore) -> Figure:
    draw = partial(figures.confusion_matrix, score.confusion, score.labels, results["task"]["unit"])
    return Figure(draw, "Confusion matrix", "Shaded by the share of each reference class; red is wrong.")
