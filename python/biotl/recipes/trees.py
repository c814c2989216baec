"""How a recipe learns trees: one fit in place of stages, and answers of people that the fit had not seen."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from biotl.config import Named
from biotl.datasets.splits import Part
from biotl.scoring import stored
from biotl.scoring.answers import Answered

if TYPE_CHECKING:
    from biotl.deploy.decision import Decision
    from biotl.recipes.recipe import Ready
    from biotl.training.beat_rows import Heart
    from biotl.training.boosting import Lessons
    from biotl.training.data import Task
    from biotl.training.trainer import Result

STAGE = "trees"
"""What the one fit is called where a run's files name a stage."""
FOLDS = 6
"""Groups of training subjects, each answered by trees that were fitted on the other groups."""
MODELS = 2
"""Of the ensemble, in those fits: one of each make (`biotl.training.beat_rows.MAKES`)."""


def learn(ready: "Ready", *, resume: bool) -> "tuple[Task, Result]":  # noqa: ARG001  (a fit of minutes starts over)
    """Fit the trees on the training recordings, and leave them as a stage would.

    Where no validation recordings are held out, what models that were fitted without a subject answer of him stands in
    for them: ``validation.npz``.
    """
    from biotl.models.boosted_trees import BoostedTrees
    from biotl.recipes.decide import undecided
    from biotl.recipes.run import bundle
    from biotl.training.boosting import Lessons
    from biotl.training.checkpoint import SUFFIX, Checkpoint, save
    from biotl.training.data import Task
    from biotl.training.distributed import World
    from biotl.training.logging import RunLog
    from biotl.training.trainer import Result

    config, folder = ready.config, Path(ready.config.run)
    parts = ready.parts("train")
    seeds = [config.seed + k for k in range(config.seeds)]
    lessons = Lessons.of([_heart(ready, part) for part in parts], ready.target.labels, seeds=seeds)
    trees = lessons.fit()
    decision = undecided(ready.target, ready.recipe.prevalence)
    held = list(_unseen(ready, lessons, decision))
    if held:
        stored.write(held, folder / stored.VALIDATION)
    model = BoostedTrees.of(trees)
    named = Named(name=config.model.name, **model.options())
    about = bundle(ready, named, model, decision).model_dump(mode="json")
    best = {"trees": len(trees.root), "seeds": seeds}
    lineage = [{"stage": STAGE, **best}]
    path = folder / "checkpoints" / f"best-{STAGE}{SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    save(path, Checkpoint(tensors, {"about": about, "lineage": lineage}))
    task = Task(model, {}, about)
    RunLog(config, task, World.join(), [])  # leaves config.resolved.yaml and env.json, as stages do
    return task, Result(model, {STAGE: best}, [], folder)


def _heart(ready: "Ready", part: Part) -> "Heart":
    """Return a training recording, or the stretch of it that is learnt from."""
    from biotl.training.beat_rows import Heart

    whole = ready.store[part.id]
    start, stop = (round(share * whole.samples) for share in (part.start, part.stop))
    peak = ready.preprocessor.units(whole)[:, 0]
    label = ready.store.targets(part.id)["labels"][(peak >= start) & (peak < stop)]
    of = (whole if part.stop - part.start == 1 else ready.preprocessor.stretch(whole, start, stop)).arrays
    subject = ready.split.subjects[part.id] or part.id
    return Heart(subject, of["signal"], ready.config.data.spec.fs, of["rpeaks"], label)


def _unseen(ready: "Ready", lessons: "Lessons", decision: "Decision") -> Iterator[Answered]:
    """Answer the training recordings of each group of subjects by trees that were fitted without them."""
    from biotl.recipes.units import reference, within

    if ready.parts("validation") or len({heart.subject for heart in lessons.hearts}) < FOLDS:
        return
    for group in lessons.groups(FOLDS):
        if len(lessons.learnt(group)) < 2:
            continue
        trees = lessons.fit(group, models=MODELS)
        for part in ready.parts("train"):
            if (ready.split.subjects[part.id] or part.id) in group:
                prepared = ready.store[part.id]
                inside = within(part, ready.preprocessor.units(prepared), prepared.samples)
                told = decision.read(trees(prepared.arrays["features"][inside]))
                found = {ready.config.model.name: told.value}
                yield replace(reference(ready, part), answers=found, probability=told.probability)
