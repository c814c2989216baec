"""What the trainer refuses: each guard has stood between somebody and a wasted or a wrong run."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from biotl.config import nearest
from biotl.errors import ConfigError, TrainingError
from biotl.training.checkpoint import digest
from biotl.training.data import Batch
from biotl.training.distributed import World
from biotl.training.evaluate import outputs
from biotl.training.groups import Trained, apply
from biotl.training.losses import LOSSES
from biotl.training.metrics import METRICS
from biotl.training.stages import Stage

LARGEST_LR = 10.0
"""Adam moves every weight by about its rate in each update: no network starts with weights of that size."""


def learning_rates(stage: Stage, trained: Trained, per_epoch: int) -> None:
    """Refuse a learning rate that is huge, or 0 at the first update: what is not to train belongs out of ``trains``."""
    for name, base in trained.rates.items():
        if base > LARGEST_LR:
            raise TrainingError(f"stage {stage.name}: the learning rate of {name} is {base:g}; at most {LARGEST_LR:g}")
        if stage.schedule.rate(base, 0, per_epoch, stage.epochs) <= 0:
            raise TrainingError(
                f"stage {stage.name}: the learning rate of {name} is 0; leave it out of trains to freeze it"
            )


def fingerprints(model: nn.Module) -> dict[str, str]:
    """Return a short sha256 of every parameter and buffer."""
    return {name: digest({"": tensor})[:16] for name, tensor in model.state_dict().items()}


def names(stages: Iterable[Stage], model: nn.Module, views: Iterable[str]) -> None:
    """Refuse a view, group, loss or metric of any stage that does not exist, before the first one trains."""
    for stage in stages:
        if stage.view not in views:
            raise ConfigError(f"stage {stage.name}: no view is called {stage.view!r}{nearest(stage.view, views)}")
        apply(model, stage)
        for term in stage.loss:
            LOSSES.build(term)
        for named in stage.metrics:
            METRICS.build(named)


def depends(stage: Stage, loss: Tensor) -> None:
    """Refuse a loss that no parameter of the stage has a part in."""
    if not loss.requires_grad:
        raise TrainingError(f"stage {stage.name}: the loss does not depend on {', '.join(stage.trains)}")


class Gradients:
    """Watches until every group that should train has had a gradient that is not 0."""

    def __init__(self, stage: Stage, trained: Trained) -> None:
        self.stage, self.waiting, self.seen = stage, dict(trained.members), 0

    def state(self) -> dict[str, Any]:
        """Return what to resume from: a run that goes on asks no more of a group than one that was not interrupted."""
        return {"waiting": list(self.waiting), "seen": self.seen}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what `state` returned."""
        self.waiting = {pattern: self.waiting[pattern] for pattern in state["waiting"]}
        self.seen = state["seen"]

    def look(self) -> None:
        """Look at the gradients of one update, before it is taken."""
        for pattern, parameters in list(self.waiting.items()):
            grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
            if not grads:
                raise TrainingError(
                    f"stage {self.stage.name}: the loss does not depend on {pattern}: it has no gradient"
                )
            # not at once: below a head that starts at 0 the first gradient is 0
            if any(bool(grad.any()) for grad in grads):
                del self.waiting[pattern]
        self.seen += 1

    def close(self) -> None:
        """Refuse a group whose gradient was 0 in every update of the epoch."""
        if self.waiting and self.seen:
            raise TrainingError(f"stage {self.stage.name}: the gradient of {', '.join(self.waiting)} was 0 all epoch")


def update_loss(stage: Stage, sums: Sequence[float], counts: Sequence[float], where: str, *, first: bool) -> None:
    """Refuse a loss that is not finite, and a stage whose first loss is exactly 0."""
    for term, total in zip(stage.loss, sums, strict=True):
        if not math.isfinite(total):
            raise TrainingError(f"stage {stage.name}: {term.name} is {total} in {where}")
    if first and any(counts) and not any(sums):
        raise TrainingError(f"stage {stage.name}: the loss is exactly 0 in {where}: nothing to learn, or it saturates")


def stage_trained(stage: Stage, model: nn.Module, trained: Trained, before: Mapping[str, str]) -> None:
    """Refuse a stage that changed nothing of a group it trains, or anything of what it freezes."""
    after = fingerprints(model)
    moved = {name for name, mark in after.items() if before[name] != mark}
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for pattern, parameters in trained.members.items():
        if not moved & {names[id(parameter)] for parameter in parameters}:
            raise TrainingError(f"stage {stage.name} changed nothing of {pattern}")
    if drifted := sorted(moved - trained.may_move(model)):
        raise TrainingError(f"stage {stage.name}: frozen, and yet changed: {', '.join(drifted)}")


def validation_repeats(stage: Stage, first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    """Refuse a validation that gives two answers to the same question: the best epoch would be the luckiest."""
    for name, tensor in first.items():
        other = second[name]
        if tensor.shape != other.shape or not torch.allclose(
            tensor.double(), other.double(), rtol=1e-4, atol=1e-6, equal_nan=True
        ):
            raise TrainingError(
                f"stage {stage.name}: validation is random between calls ({name} of the first batch differs); draw "
                "random numbers in the data set's draw(index, rng), and none in the model in evaluation mode"
            )


def target_in_features(stage: Stage, model: nn.Module, batch: Batch) -> None:
    """Refuse an input of which a channel is the target, or the target up to scale, unless the model hides it itself."""
    losses = [LOSSES.build(term) for term in stage.loss]
    # what is hidden for one loss is hidden for the others of that target, such as a spectral one
    hidden = {getattr(loss, "target", ""): mask for loss in losses if (mask := getattr(loss, "mask", None)) in batch}
    for loss in losses:
        target = getattr(loss, "target", "")
        mask = hidden.get(target)
        if target not in batch:
            continue
        goal = batch[target].cpu().double().numpy()
        if mask in batch:  # outside it nothing is to be predicted
            goal = np.where(np.broadcast_to(batch[mask].cpu().numpy(), goal.shape), goal, np.nan)
        for name in model.inputs:  # type: ignore[union-attr]
            for channel, values in _channels(batch[str(name)].cpu().double().numpy(), goal.shape):
                valid = np.isfinite(values) & np.isfinite(goal)
                a, b = values[valid], goal[valid]
                alike = a.size >= 8 and a.std() > 0 and b.std() > 0 and abs(np.corrcoef(a, b)[0, 1]) > 0.9999
                if alike and _is_read(model, batch, str(name), getattr(loss, "output", ""), np.isfinite(goal)):
                    raise TrainingError(
                        f"stage {stage.name}: the target {target} is among the features: {name}{channel}"
                    )


def _channels(values: NDArray[np.float64], shape: tuple[int, ...]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the parts of an input that have the target's shape: all of it, or what an index along one axis leaves."""
    if values.shape == shape:
        yield "", values
    for axis in range(1, values.ndim):
        if values.shape[:axis] + values.shape[axis + 1 :] == shape:
            for index in range(values.shape[axis]):
                yield f"[{':, ' * axis}{index}]", np.take(values, [index], axis).squeeze(axis)


def _is_read(model: nn.Module, batch: Batch, name: str, output: str, scored: NDArray[np.bool_]) -> bool:
    """Say whether an output changes with what an input holds where it is scored: a model that masks inside hides it."""
    given = batch[name]
    where = torch.from_numpy(scored).to(given.device)
    for axis in range(1, given.ndim):  # the target may be one channel of this input: change all of them
        if where.shape != given.shape and given.shape[:axis] + given.shape[axis + 1 :] == where.shape:
            where = where.unsqueeze(axis).expand_as(given)
    changed = given.flip(0) + (1 if given.is_floating_point() else 0)  # ids of another sample are ids
    other = batch | {name: torch.where(where, changed, given)}
    was = model.training
    model.eval()
    with torch.no_grad():
        before, after = (outputs(model, of)[output] for of in (batch, other))
    model.train(was)
    return not torch.equal(before, after)


def same_start(world: World, marks: Iterable[str]) -> None:
    """Refuse processes that start from different weights."""
    mine = "".join(marks)
    if world.share(mine) != mine:
        raise TrainingError(
            f"process {world.rank} starts from other weights than process 0: seed before building the model"
        )


def shares(stage: Stage, trained: Trained, samples: int, world: World) -> None:
    """Refuse a batch that leaves a process nothing where batch norm trains, for which all of them must meet."""
    smallest = min(samples, stage.batch_size, samples % stage.batch_size or samples)
    norm = any(isinstance(module, _BatchNorm) for module in trained.active)
    if norm and world.size > 1 and smallest < world.size * stage.accumulate:
        raise ConfigError(
            f"stage {stage.name}: batch_size: got {stage.batch_size}, which leaves {smallest} of {samples} samples for "
            f"{world.size} processes of {stage.accumulate} parts in the last batch; batch norm wants one in each"
        )
