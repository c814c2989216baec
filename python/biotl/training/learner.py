"""One update of a stage, readable from top to bottom: losses, gradients, a step of the optimiser, averaged weights."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from biotl.training import guards, optimizers
from biotl.training.checkpoint import Checkpoint
from biotl.training.data import Batch, move
from biotl.training.distributed import World
from biotl.training.evaluate import counts, measure, outputs
from biotl.training.groups import apply, snapshot
from biotl.training.losses import LOSSES
from biotl.training.stages import Stage


class Learner:
    """What a stage trains, and all that its updates carry from one to the next.

    Parameters
    ----------
    stage : Stage
        What trains and how.
    model : nn.Module
        Everything that the stage does not train is frozen here.
    forward : callable
        The model, or what it was compiled to.
    per_epoch : int
        Updates in an epoch.
    amp : torch.dtype or None
        The type of mixed precision.
    world : World
        The processes that share each update.
    """

    def __init__(
        self,
        stage: Stage,
        model: nn.Module,
        forward: Callable[..., dict[str, Tensor]],
        per_epoch: int,
        *,
        amp: torch.dtype | None,
        world: World,
    ) -> None:
        self.stage, self.model, self.forward, self.per_epoch, self.amp, self.world = (
            stage, model, forward, per_epoch, amp, world
        )  # fmt: skip
        self.device = next(model.parameters()).device
        self.losses = [LOSSES.build(term) for term in stage.loss]
        self.trained = apply(model, stage)
        self.optimizer = optimizers.make(stage, self.trained)
        parameters = self.trained.parameters
        # what stands still of a tensor that trains in part: decay and momentum move what has no gradient too
        self.still = {name: parameters[name].detach().clone() for name in self.trained.only}
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=amp == torch.float16)
        self.ema = snapshot(model) if stage.ema else {}
        self.gradients = guards.Gradients(stage, self.trained)
        self.lr = 0.0  # of the last update, for the group nearest the output

    def restore(self, checkpoint: Checkpoint) -> None:
        """Put back what a checkpoint holds of `tensors` and `state`."""
        optimizers.restore(self.optimizer, checkpoint.part("optimizer"))
        self.scaler.load_state_dict(checkpoint.state["scaler"])
        self.gradients.restore(checkpoint.state["gradients"])
        self.ema = {name: tensor.to(self.device) for name, tensor in checkpoint.part("ema").items()}

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return the tensors to resume from, by part and name."""
        return {"optimizer": optimizers.tensors(self.optimizer), "ema": self.ema}

    def state(self) -> dict[str, Any]:
        """Return the rest to resume from, as JSON."""
        return {"scaler": self.scaler.state_dict(), "gradients": self.gradients.state()}

    def update(self, parts: Sequence[Batch], done: int, scale: float, *, stop: bool) -> tuple[Tensor, bool]:
        """Take one step of the optimiser on the parts of one batch.

        Parameters
        ----------
        parts : sequence of Batch
            What this process has of the batch.
        done : int
            Updates of the stage before this one.
        scale : float
            What a plateau has left of the learning rates.
        stop : bool
            Whether this process was asked to stop.

        Returns
        -------
        Tensor, bool
            The sum of each loss, then its count, over all processes; whether any of them was asked to stop.
        """
        stage, world = self.stage, self.world
        ns = [counts(stage, self.losses, part) for part in parts]
        # what each loss is the mean over, in all parts and processes; at the end, how many processes are to stop
        ours = [sum(column) for column in zip(*ns, strict=True)] or [0.0] * len(self.losses)
        *totals, stopping = world.sum_numbers([*ours, float(stop)], self.device)
        sums = torch.zeros(len(self.losses), dtype=torch.float64, device=self.device)
        for loaded, n in zip(parts, ns, strict=True):
            part = move(loaded, self.device)
            with torch.autocast(self.device.type, dtype=self.amp, enabled=self.amp is not None):
                out = outputs(self.model, part, self.forward)
                terms = measure(stage, self.losses, out, part)
            shares = [spec.times * k / max(total, 1e-12) for spec, k, total in zip(stage.loss, n, totals, strict=True)]
            loss = torch.stack([term * share for term, share in zip(terms, shares, strict=True)]).sum()
            guards.depends(stage, loss)
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            sums += torch.stack([term.detach().double() * k for term, k in zip(terms, n, strict=True)])
        world.sum_gradients(self.trained.parameters.values())
        for name, moves in self.trained.only.items():
            if (grad := self.trained.parameters[name].grad) is not None:
                grad.mul_(moves)
        if self.gradients.waiting:
            self.gradients.look()
        for group in self.optimizer.param_groups:
            group["lr"] = stage.schedule.rate(group["base"], done, self.per_epoch, stage.epochs, scale)
        self.lr = self.optimizer.param_groups[-1]["lr"]
        self.scaler.unscale_(self.optimizer)  # clip true gradients, not scaled ones
        if stage.clip_norm:
            clip_grad_norm_(self.trained.parameters.values(), stage.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        with torch.no_grad():
            for name, still in self.still.items():
                parameter = self.trained.parameters[name]
                parameter.copy_(torch.where(self.trained.only[name], parameter, still))
        self.optimizer.zero_grad(set_to_none=True)
        if stage.ema:
            self._average(stage.ema)
        return torch.cat([world.sum(sums), sums.new_tensor(totals)]), bool(stopping)

    def _average(self, decay: float) -> None:
        for name, tensor in self.model.state_dict().items():
            if tensor.is_floating_point():
                self.ema[name].lerp_(tensor, 1 - decay)
            else:
                self.ema[name].copy_(tensor)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the averaged weights into the model for a while, if the stage averages."""
        trained = snapshot(self.model) if self.ema else {}
        self.model.load_state_dict(self.ema or self.model.state_dict())
        yield
        self.model.load_state_dict(trained or self.model.state_dict())
