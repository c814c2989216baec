"""The report of a run: what its kind of task shows, and of which data, by which settings and from where."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from biotl import __version__
from biotl.datasets.kinds import make_preprocessor
from biotl.deploy.bundle import Bundle
from biotl.deploy.decision import Classes, Decision
from biotl.recipes.prep import prepare
from biotl.recipes.recipe import Ready
from biotl.recipes.registry import load
from biotl.recipes.words import facts, words
from biotl.records import Record
from biotl.report import classes, html, model_card, pretraining, regression, robustness
from biotl.report.content import Pairs, Report, Section, Text
from biotl.report.strips import Trace
from biotl.report.training import training
from biotl.report.tripod import tripod
from biotl.scoring import stored
from biotl.scoring.answers import Answered
from biotl.scoring.conformal import Conformal, fit

FACTS = "The facts"


def finetuned(
    ready: Ready, tree: Mapping[str, Any], answered: Sequence[Answered], history: Any, bundle: Bundle
) -> None:
    """Write ``report.html`` and ``model_card.md`` of a run that was judged on test recordings."""
    if ready.target.kind == "class":
        shown = classes.sections(answered, tree, read=Reader(ready), abstains=_rule(ready, bundle))
    else:
        shown = regression.sections(answered, tree)
    tried = [robustness.section(of) for of in robustness.read(Path(ready.config.run))]
    _write(ready, tree, [*shown, *tried, training(history)], bundle)


def again(run: Path) -> None:
    """Write the report of a finished run anew, with what was tried on it since."""
    answered, tree = stored.read_run(run)
    config = load(run / "config.resolved.yaml", [f"run={run}"])
    log, made = run / "metrics.jsonl", run / "bundle.json"
    history = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.is_file() else []
    ready = prepare(config)
    bundle = Bundle.from_json(made.read_text(encoding="utf-8"), str(made))
    fitted = replace(ready, preprocessor=make_preprocessor(ready.store.spec, bundle.state))
    finetuned(fitted, tree, answered, history, bundle)


def _rule(ready: Ready, bundle: Bundle) -> Conformal | None:
    """Return when to abstain, of the recordings that the decision was chosen on and at its temperature."""
    held = Path(ready.config.run) / stored.VALIDATION
    if not held.is_file() or not isinstance(bundle.decision, Classes):
        return None
    power = 1 / bundle.decision.calibration
    found = []
    for of in stored.read(held):
        if of.probability is not None:
            raised = of.probability.astype(np.float64) ** power
            found.append(replace(of, probability=raised / raised.sum(axis=1, keepdims=True)))
    return fit(found)


def pretrained(ready: Ready, tree: Mapping[str, Any] | None, history: Any, bundle: Bundle) -> None:
    """Write the report of a run that was judged by a probe on validation recordings, if by anything."""
    _write(ready, None, pretraining.sections(history, probe=tree), bundle)


def _write(ready: Ready, tree: Mapping[str, Any] | None, shown: Sequence[Section], bundle: Bundle) -> None:
    config, said = ready.config, words(ready.recipe, ready.config, ready.split, ready.target)
    folder = Path(config.run)
    data = {**said.data, **{name: _count(ready, name) for name in ready.split.parts}}
    data["refused"] = "; ".join(map(str, ready.refused)) or "none"
    trees = next((step["trees"] for step in bundle.about.lineage if "trees" in step), None)
    stages = "; ".join(f"{stage.name}: {', '.join(stage.trains)}" for stage in config.stages)
    settings = {
        "model": f"{config.model.name}, "
        + (f"{trees:,} trees" if trees else f"{bundle.about.parameters:,} parameters"),
        "stages": stages or "none: fitted at once",
        "seed": str(config.seed),
        "decision": _decided(bundle.decision),
    }
    lineage = {
        "preprocessing": f"sha256 {ready.preprocessor.spec.digest()}",
        "data": f"sha256 {ready.store.digest}, {bundle.about.data.count} training recordings",
        "split": f"sha256 {ready.split.digest}, split.json beside this file",
        "weights": _weights(bundle.about.lineage),
        "configuration": "config.resolved.yaml beside this file; machine and versions in env.json",
    }
    sections = [
        *([Section(FACTS, (Pairs(facts(ready, tree)),))] if tree else []),
        *shown,
        Section("Data", (Pairs(data),)),
        Section("Settings", (Pairs(settings),)),
        Section("Where it comes from", (Pairs(lineage),)),
        Section("What this does not show", (Text(tuple(said.limits)),)),
    ]
    sections.append(tripod(sections))
    made_by = f"biotl {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    report = Report(said.title, said.question, sections)
    html.write(report, folder / "report.html", made_by=made_by)
    model_card.write(report, folder / "model_card.md", made_by=made_by)


def _weights(lineage: Sequence[Mapping[str, Any]]) -> str:
    """Return what the weights began as: another run's where a stage says so, and else nothing."""
    stages = [step for step in lineage if "init" in step]
    if not stages:
        return "fitted at once, from nothing"
    brought = [f"{step['stage']} from {step['init']}" for step in stages if step["init"] not in ("best", "last")]
    return "; ".join(brought) or "drawn at random, then each stage from the one before"


def _decided(decision: Decision) -> str:
    """Return in words how raw output becomes an answer."""
    if not isinstance(decision, Classes):
        return json.dumps(decision.model_dump(mode="json"))
    if len(set(decision.thresholds)) == 1:
        chosen = "the most probable class"
    else:
        each = zip(decision.labels, decision.thresholds, strict=True)
        shares = ", ".join(f"{label} {least:.2g}" for label, least in each)
        chosen = f"the class whose probability is the largest multiple of its threshold ({shares})"
    return f"{chosen}, logits divided by {decision.calibration:.3g} before they become probabilities"


def _count(ready: Ready, name: str) -> str:
    parts = ready.parts(name)
    people = len({ready.entries[part.id].subject or part.id for part in parts})
    units = sum(len(ready.preprocessor.units(ready.store[part.id])) for part in parts)
    return f"{len(parts)} recordings of {people} subjects, {units:,} {ready.preprocessor.unit}s"


class Reader:
    """Gives stretches of the raw lead of a few test recordings, each file read once."""

    def __init__(self, ready: Ready) -> None:
        self.ready = ready
        self.records = cache(self._records)

    def _records(self, name: str) -> list[Record]:
        return self.ready.entries[name].read(())

    def __call__(self, name: str, start_s: float, stop_s: float) -> Trace | None:
        """See `biotl.report.strips.Read`."""
        lead = next(iter(self.ready.store.about(name).get("leads", {}).values()), None)
        for record in self.records(name):
            if lead in record.channels:
                index = record.channels.index(lead)
                cut = slice(round(start_s * record.fs), round(stop_s * record.fs))
                return Trace(lead, record.units[index], record.fs, np.asarray(record.signal[index][cut]))
        return None
