"""Heart rate by the response of a body to effort: fitted at once, exported and judged as any other recipe."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import model_validator

from biotl.config import Named
from biotl.recipes import steps
from biotl.recipes.units import truths
from biotl.training.stages import Stage

if TYPE_CHECKING:
    from biotl.recipes.recipe import Ready
    from biotl.training.data import Task, View
    from biotl.training.trainer import Result

STAGE = "response"
"""What the one fit is called where a run's files name a stage."""


class ResponseConfig(steps.StepConfig):
    """A run of this recipe. The response is fitted at once: there are no stages."""

    model: Named = Named(name="heart_rate_response")
    stages: tuple[Stage, ...] = ()

    @model_validator(mode="after")
    def _columns_are_there(self) -> "ResponseConfig":
        from biotl.models.response_table import NEEDS

        spec = self.data.spec
        if lacks := [name for name in NEEDS if name not in spec.derived]:
            raise ValueError(f"data.spec.derived: lacks {', '.join(lacks)}, which the response reads")
        if spec.scaled or not spec.users:
            raise ValueError("data.spec: the response reads W/kg and who somebody is: scaled: false, users: true")
        return self


def learn(ready: "Ready", *, resume: bool) -> "tuple[Task, Result]":  # noqa: ARG001  (a fit of seconds starts over)
    """Fit the response on the training recordings, and leave it as a stage would."""
    import torch

    from biotl.models.boosted_trees import BoostedTrees
    from biotl.models.registry import build
    from biotl.recipes.decide import undecided
    from biotl.recipes.run import bundle
    from biotl.training.checkpoint import SUFFIX, Checkpoint, save
    from biotl.training.data import Task
    from biotl.training.distributed import World
    from biotl.training.logging import RunLog
    from biotl.training.response import NOISE, Workout, fit_response
    from biotl.training.trainer import Result

    config, spec, folder = ready.config, ready.config.data.spec, Path(ready.config.run)
    held = []
    for part in ready.parts("train"):
        prepared = ready.store[part.id]
        start, stop = (round(share * len(prepared.arrays["signal"])) for share in (part.start, part.stop))
        # the response runs through from the start; what lies after the part is not learnt from, nor read
        columns = dict(zip(spec.names, np.nan_to_num(prepared.arrays["signal"][:stop].T), strict=False))
        rate = truths(ready.store.targets(part.id))[:stop].astype(np.float64)
        rate[:start] = np.nan
        held.append(Workout(columns, rate, prepared.about["subject"]))
    users = list(ready.preprocessor.state["users"])
    fitted = fit_response(held, users, 1 / spec.fs, seed=config.seed)
    trees = fitted.trees
    options: dict[str, Any] = {"channels": list(spec.names), "step_s": 1 / spec.fs}
    options |= {"users": len(users)}
    if trees is not None:
        options |= {"trees": len(trees.root), "nodes": len(trees.feature)}
    if spec.lagged is not None:
        options |= {"before": spec.lagged.name, "lag": spec.lagged.steps(spec.fs)}
    named = Named.model_validate({"name": config.model.name, **options, **config.model.args})
    model = build(named.name, **named.args)
    tensors = {"table": fitted.table, "noise": NOISE}
    with torch.no_grad():
        for name, values in tensors.items():
            getattr(model, name).copy_(torch.as_tensor(values))
        if trees is not None:
            model.trees = BoostedTrees.of(trees)
    about = bundle(ready, named, model, undecided(ready.target)).model_dump(mode="json")
    best = {"users": len(users), "workouts": len(held)}
    lineage = [{"stage": STAGE, **best}]
    path = folder / "checkpoints" / f"best-{STAGE}{SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    save(path, Checkpoint(state, {"about": about, "lineage": lineage}))
    task = Task(model, {}, about)
    RunLog(config, task, World.join(), [])  # leaves config.resolved.yaml and env.json, as stages do
    return task, Result(model, {STAGE: best}, [], folder)


def views(ready: "Ready") -> "dict[str, View]":  # noqa: ARG001
    """Return nothing: no stage reads samples."""
    return {}


def model(ready: "Ready", views: Any) -> Named:  # noqa: ARG001
    """Return the name alone: the fit says how large the trees are."""
    return Named(name=ready.config.model.name)


RECIPE = replace(steps.RECIPE, config=ResponseConfig, views=views, model=model, learn=learn)
