"""The report of answered values, of windows or steps."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from biotl.report import figures
from biotl.report.beside import Results, carried, estimate, figure_interval, headline, models, number, subjects
from biotl.report.content import Card, Figure, Section, Text
from biotl.scoring.answers import Answered

KEYS = ("mae", "rmse", "bias", "sd", "r2", "answered")


def sections(answered: Sequence[Answered], results: Results) -> list[Section]:
    """Return what a test of values shows.

    Parameters
    ----------
    answered : sequence of Answered
        The test recordings.
    results : mapping
        Their `biotl.scoring.results.results`.
    """
    own, name, unit = next(iter(results["models"])), results["task"]["name"], results["task"]["of"]
    truth = np.concatenate([of.truth for of in answered])
    answer = np.concatenate([of.answers[own] for of in answered])
    both = ~(np.isnan(truth) | np.isnan(answer))
    lines = {"mean absolute\nerror": "mae", "root mean\nsquared error": "rmse"}
    groups = {line: {of: figure_interval(results, of, key) for of in results["models"]} for line, key in lines.items()}
    drawn = [
        Figure(partial(figures.forest, groups, unit), "Errors of the models", "Bars: 95 % intervals over subjects."),
        Figure(partial(figures.scatter, truth[both], answer[both], name, unit), "Answers over the reference"),
        Figure(partial(figures.differences, truth[both], answer[both], name, unit), "Errors over the value"),
    ] if both.any() else []  # fmt: skip
    return [
        headline(results, _worst(results)),
        Section("Beside the baselines", (models(results, KEYS), *drawn[:1])),
        Section("How far off", (*_bounds(results), *drawn[1:])),
        Section("Recordings over time", _traces(answered, results)),
        carried(results),
        subjects(results, KEYS),
    ]


def _worst(results: Results) -> list[Card]:
    own = next(iter(results["models"]))
    errors = [(row["models"][own]["mae"], row["subject"]) for row in results["per_subject"]]
    known = [pair for pair in errors if pair[0] is not None]
    if len(known) < 2:
        return []
    value, subject = max(known)
    unit = results["task"]["of"]
    return [Card(f"{number(value, unit)} {unit}".strip(), f"MAE of {subject}, the worst subject")]


def _bounds(results: Results) -> tuple[Text, ...]:
    own = next(iter(results["models"]))
    coverage, width = (estimate(results, own, key) for key in ("coverage", "width"))
    if coverage is None or width is None:
        return ()
    unit = results["task"]["of"]
    return (Text((f"The stated bounds hold {coverage} % of the reference; they are {width} {unit} wide on average.",)),)


def _traces(answered: Sequence[Answered], results: Results) -> tuple[Text | Figure, ...]:
    """Show the worst, the middle and the best recording of those that have steps in time."""
    own, unit = next(iter(results["models"])), results["task"]["of"]
    steps = [of for of in answered if of.unit == "step" and (~np.isnan(of.truth - of.answers[own])).any()]
    steps.sort(key=lambda of: -float(np.nanmean(np.abs(of.truth - of.answers[own]))))
    if not steps:
        return ()
    shown = dict.fromkeys([0, len(steps) // 2, len(steps) - 1])
    words = ["the worst", "the middle one", "the best"]
    drawn = []
    for k, word in zip(shown, words, strict=False):
        of = steps[k]
        bounds = (of.low, of.high) if of.low is not None and of.high is not None else None
        error = number(float(np.nanmean(np.abs(of.truth - of.answers[own]))), unit)
        draw = partial(
            figures.trace,
            of.span[:, 0] / of.fs,
            of.truth,
            of.answers[own],
            f"{of.id}: {word}, MAE {error} {unit}",
            unit,
            bounds,
        )
        drawn.append(Figure(draw, f"Recording {of.id} over time, {word}"))
    rule = f"By mean absolute error in {unit} of a recording: the worst, the middle one and the best."
    return (Text((rule,), "soft"), *drawn)
