"""What can be seen to be wrong with a run before it is run: each check answers with an error, a warning, or nothing."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from biotl.datasets.splits import LATER
from biotl.errors import BiotlError
from biotl.training import guards
from biotl.training.checkpoint import inherit
from biotl.training.data import Batches, Task, View
from biotl.training.evaluate import counts, measure, outputs, predict, update
from biotl.training.groups import apply, without_group
from biotl.training.losses import LOSSES
from biotl.training.metrics import METRICS
from biotl.training.stages import Config, Stage

_LISTED = 10  # classes by name: of hundreds nobody reads a line each

SAMPLES = 20_000
"""How many samples of a data set are looked at for their contents."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: ``error`` stops a run, ``warning`` does not."""

    level: str
    check: str
    message: str


def examine(config: Config, task: Task) -> list[Finding]:
    """Check a run without training: its data views, then every stage on one batch; weights are left as they were.

    Parameters
    ----------
    config : Config
        The run.
    task : Task
        What its recipe makes of it.

    Returns
    -------
    list of Finding
        Empty if nothing is wrong.
    """
    found = list(model_findings(task.model))
    looked_at: set[str] = set()
    state = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
    for stage in config.stages:
        try:
            if stage.view in task.views and stage.view not in looked_at:
                looked_at.add(stage.view)
                found += view_findings(stage, task)
            found += _stage(stage, task, config.seed)
        except BiotlError as error:
            found.append(Finding("error", "stage", f"stage {stage.name}: {error}"))
        finally:
            task.model.zero_grad(set_to_none=True)
            task.model.load_state_dict(state)
    return found


def model_findings(model: nn.Module) -> Iterator[Finding]:
    """Yield what a model's groups leave out."""
    for path in without_group(model):
        message = f"{path} is in no group of the model, so that it stays off unless a stage trains all"
        yield Finding("warning", "dropout", f"{message}: name it in groups()")


def view_findings(stage: Stage, task: Task, stop: Callable[[], Any] = lambda: False) -> Iterator[Finding]:
    """Yield what is wrong with the two splits of a stage's view: by what they say, and by their contents.

    `stop` is asked between samples; once it says yes, the rest is not looked at.
    """
    yield from _said(stage.view, task.views[stage.view], task.about)
    yield from _same_recording(stage, task.model, task.views[stage.view], stop)


def _said(name: str, view: View, about: Mapping[str, Any]) -> Iterator[Finding]:
    subjects = [set(map(str, getattr(side, "subjects", ()))) for side in (view.train, view.validation)]
    # a split by time has everybody in both splits, and claims no more than that
    same_people = about.get("about", {}).get("claim") == LATER
    if (both := sorted(subjects[0] & subjects[1])) and not same_people:
        yield Finding("error", "subjects", f"view {name}: in both splits: {', '.join(both[:5])} ({len(both)} subjects)")
    fitted = {str(subject) for side in (view.train, view.validation) for subject in getattr(side, "fitted_on", ())}
    # of a stretch too short for a sample the normaliser may have seen what no sample holds
    if leaked := sorted(fitted - subjects[0]) if subjects[0] and not same_people else []:
        message = f"view {name}: the normaliser saw {', '.join(leaked[:5])}, which is not among the training subjects"
        yield Finding("error", "normaliser", message)
    labels = about.get("labels") or about.get("decision", {}).get("labels", ())
    for side, data in (("training", view.train), ("validation", view.validation)):
        if not len(data):
            yield Finding("error", "samples", f"view {name}: {side} has no sample")
        given = getattr(data, "labels", None)
        if given is not None:
            flat = np.concatenate([np.zeros(0, np.int64), *(np.ravel(part) for part in given)])
            examples = np.bincount(flat[flat >= 0], minlength=len(labels))
            none = [labels[index] if index < len(labels) else index for index in np.flatnonzero(examples == 0)]
            for label in none[:_LISTED]:
                yield Finding("warning", "classes", f"view {name}: class {label} has no example in {side}")
            if more := none[_LISTED:]:
                yield Finding("warning", "classes", f"view {name}: {len(more)} more classes have no example in {side}")


def _stage(stage: Stage, task: Task, seed: int) -> Iterator[Finding]:
    if stage.view not in task.views:
        yield Finding("error", "view", f"stage {stage.name}: no view is called {stage.view!r}")
        return
    model, view = task.model, task.views[stage.view]
    if not len(view.train) or not len(view.validation):
        return
    if stage.inherits:
        yield from _caught("transfer", lambda: inherit(model, stage))
    trained = apply(model, stage)
    per_epoch = -(-len(view.train) // stage.batch_size)
    yield from _caught("learning rate", lambda: guards.learning_rates(stage, trained, per_epoch))
    for name, check in probes(stage, model, view, seed):
        yield from _caught(name, check)
    batch = Batches(view.train, [np.arange(min(stage.batch_size, len(view.train)))], (seed,))[0] or {}
    trained.train(model)
    out = outputs(model, batch)
    losses = [LOSSES.build(term) for term in stage.loss]
    terms, ns = measure(stage, losses, out, batch), counts(stage, losses, batch)
    values = [term.detach().item() for term in terms]
    yield from _caught("loss", lambda: guards.update_loss(stage, values, ns, "batch 0", first=True))

    def look() -> None:
        loss = torch.stack(terms).sum()
        guards.depends(stage, loss)
        loss.backward()  # type: ignore[no-untyped-call]
        guards.Gradients(stage, trained).look()

    yield from _caught("gradient", look)


def probes(stage: Stage, model: nn.Module, view: View, seed: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield checks of one batch of the validation that raise what is wrong: what a stage would find an epoch later."""
    runs = []
    for number in (0, 1):
        torch.manual_seed(number)
        runs.append(next(predict(model, view.validation, batch_size=stage.batch_size, seed=seed)))
    (batch, out), (same, again) = runs
    yield "target", lambda: guards.target_in_features(stage, model, batch)
    yield "validation", lambda: guards.validation_repeats(stage, out | batch, again | same)

    def select() -> None:
        figures = {"loss": 0.0} | {f"loss.{term.name}": 0.0 for term in stage.loss}
        metrics = [METRICS.build(named) for named in stage.metrics]
        update(stage, metrics, out, batch)
        for metric in metrics:
            figures |= metric.compute()
        stage.score(figures)

    yield "selection", select


def _caught(check: str, guard: Callable[[], Any]) -> Iterator[Finding]:
    try:
        guard()
    except BiotlError as error:
        yield Finding("error", check, str(error))


def _same_recording(stage: Stage, model: nn.Module, view: View, stop: Callable[[], Any]) -> Iterator[Finding]:
    """Hash what goes into the model in both splits: one recording under two names is found by its contents."""
    sides: list[dict[bytes, int]] = []
    if getattr(view.train, "endless", False):  # made as it is read: nothing was recorded twice
        return
    for data in (view.train, view.validation):
        sides.append({})
        for index in range(min(len(data), SAMPLES)):
            if stop():
                return
            sample = data[index]
            arrays = [np.ascontiguousarray(sample[name]) for name in model.inputs if name in sample]  # type: ignore[union-attr]
            # a short or constant input may well be the same in two recordings
            content = [a.tobytes() for a in arrays if a.size > 8 and a.dtype.kind == "f" and a.std() > 0]
            if content:
                sides[-1][hashlib.sha256(b"".join(content)).digest()] = index
    if both := sides[0].keys() & sides[1].keys():
        mark = min(both, key=sides[0].__getitem__)
        message = f"sample {sides[0][mark]} of training is sample {sides[1][mark]} of validation, under another name"
        yield Finding("error", "recording", f"view {stage.view}: {message} ({len(both)} such samples)")
