"""What a finished run leaves: figures, predictions, model file, report and model card."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from biotl.deploy.answer import Forward, batches
from biotl.deploy.bundle import Bundle
from biotl.deploy.decision import Decision, Vector
from biotl.deploy.export import export, export_checkpoint
from biotl.errors import BiotlError, ConfigError
from biotl.recipes import figures, report
from biotl.recipes.recipe import Ready
from biotl.records.atomic import write_text
from biotl.scoring import ec57, stored
from biotl.scoring.answers import Answered
from biotl.scoring.results import results
from biotl.training.checkpoint import SUFFIX, load
from biotl.training.data import Task
from biotl.training.trainer import Result

BUNDLE = "bundle.json"


@dataclass(frozen=True)
class Published:
    """The files of a run, its figures as rows, what was answered, and what was refused."""

    folder: Path
    model: Path
    stages: list[dict[str, Any]]
    scores: list[dict[str, Any]]
    answered: list[Answered]
    refused: list[BiotlError]

    @property
    def files(self) -> list[dict[str, str]]:
        """One row a file: what it is, and where."""
        names = {"report": "report.html", "model": self.model.name, "card": "model_card.md", "figures": "results.json"}
        there = {file: self.folder / name for file, name in names.items() if (self.folder / name).is_file()}
        return [{"file": file, "path": str(path)} for file, path in there.items()]


def finetuned(ready: Ready, work: Task, result: Result, decision: Decision, answered: Sequence[Answered]) -> Published:
    """Score the test recordings beside the baselines, once, and write everything that a finished run leaves."""
    folder, config = Path(ready.config.run), ready.config
    answered = figures.beside(ready, answered)
    tree = results(
        answered,
        figures.asked_of(decision),
        recipe=config.recipe,
        split=figures.stated(ready.split),
        looks=figures.look(folder),
        refused=[str(error) for error in ready.refused],
        seed=config.seed,
        decision=decision.model_dump(mode="json"),
    )
    write_text(folder / "results.json", json.dumps(tree, indent=1))
    figures.predictions(folder / "predictions.csv", answered, figures.asked_of(decision).labels)
    stored.write(answered, folder / stored.ANSWERS)
    if ec57.fits(tree["task"]):
        ec57.write(ec57.table(answered, tree["task"]["labels"], config.model.name), folder / "ec57.csv")
    headline = tree["task"]["headline"]
    own = {headline: tree["models"][config.model.name][headline], "claim": ready.split.claim}
    made = finished(folder, work, list(result.best)[-1], decision, own)
    checkpoint = folder / "checkpoints" / f"best-{list(result.best)[-1]}{SUFFIX}"
    export_checkpoint(checkpoint, folder / "model.onnx", bundle=made, example=example(ready))
    report.finetuned(ready, tree, answered, result.history, made)
    return Published(folder, folder / "model.onnx", [], figures.rows(tree), list(answered), ready.refused)


def pretrained(ready: Ready, work: Task, result: Result, embed: Forward, probed: Sequence[Answered]) -> Published:
    """Write the encoder as a file that gives embeddings, and what a linear probe on them is worth."""
    folder, config = Path(ready.config.run), ready.config
    scores: list[dict[str, Any]] = []
    tree = None
    if probed:
        asked = figures.asked_of(Bundle.from_json(work.about).decision)
        split = figures.stated(ready.split) | {"judged": "validation recordings: no test recording was looked at"}
        tree = results(probed, asked, recipe=config.recipe, split=split, looks=0, seed=config.seed)
        write_text(folder / "results.json", json.dumps(tree, indent=1))
        scores = figures.rows(tree)
    some = example(ready)
    made = finished(folder, work, config.stages[-1].name, Vector(dim=embed(some).shape[-1]), {})
    export(result.model, folder / "encoder.onnx", bundle=made, example=some)
    report.pretrained(ready, tree, result.history, made)
    stages = [
        {"stage": stage, "epoch": row["epoch"] + 1, "loss": row["loss"], "accuracy": row.get("accuracy"),
         "checkpoint": str(folder / "checkpoints" / f"best-{stage}{SUFFIX}")}
        for stage, row in result.best.items()
    ]  # fmt: skip
    return Published(folder, folder / "encoder.onnx", stages, scores, list(probed), ready.refused)


def finished(folder: Path, work: Task, stage: str, decision: Decision, own: Mapping[str, Any]) -> Bundle:
    """Return the bundle of a finished run, and keep it in the run folder: what is exported later says the same."""
    lineage = load(folder / "checkpoints" / f"best-{stage}{SUFFIX}").state["lineage"]
    bundle = Bundle.from_json(work.about)
    about = bundle.about.model_copy(update={"figures": dict(own), "lineage": tuple(lineage)})
    made = bundle.model_copy(update={"decision": decision, "about": about})
    write_text(folder / BUNDLE, made.to_json())
    return made


def example(ready: Ready, most: int = 4) -> dict[str, NDArray[Any]]:
    """Return a few real inputs, to trace and to check an exported model with."""
    for part in (*ready.parts("validation"), *ready.parts("train")):
        for batch in batches(ready.preprocessor, ready.store[part.id], most):
            return batch
    raise ConfigError("export: no recording has anything to answer, so that nothing can be checked")
