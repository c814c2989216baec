"""Data parallel training under torchrun: every process takes its share of each batch, and the gradients are summed.

This is data parallelism as `DistributedDataParallel` does it, but by one all-reduce of one flat buffer after the last
accumulated part. That class takes the mean of the processes' gradients, where a masked loss needs the mean over the
steps of the whole batch; it hangs where a process has no sample left in the last batch; it regroups its buckets after
the first update that it sees, so that three processes that resume add in another order than those that went on; and its
wrapper would have to be made anew for the parameters of each stage. What it would save is the time of the all-reduce,
which it hides behind the backward pass: it matters for models a hundred times larger than those here.

Batch norm sees the whole batch (`World.whole_batch_norm`), on CPUs too, for which `SyncBatchNorm` is not made. Dropout
draws other random numbers in each process: with it the loss curve is as good as that of one process, not the same.

torchrun takes ``--run`` for its own, so its arguments end with ``--``:
``torchrun --nproc-per-node=2 -m -- biotl finetune CONFIG --run FOLDER``.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.modules.batchnorm import _BatchNorm

from biotl.errors import ConfigError, TrainingError


@dataclass(frozen=True)
class World:
    """The processes of a run; alone, every method does nothing."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @classmethod
    def join(cls) -> "World":
        """Join the group that torchrun's environment describes; without one, be alone."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        if not dist.is_initialized():
            if torch.cuda.is_available():
                torch.cuda.set_device(local_rank)
            dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        return cls(dist.get_rank(), size, local_rank)

    def device(self, wanted: str) -> torch.device:
        """Return the device of this process; ``auto`` is its GPU where there is one.

        Raises
        ------
        ConfigError
            If there is no such device here.
        """
        name = ("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted
        try:
            device = torch.device("cuda", self.local_rank) if name == "cuda" else torch.device(name)
            torch.zeros(1, device=device).item()
        except (AssertionError, NotImplementedError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"engine.device: got {wanted!r}, wanted cpu, auto or what is here: {reason}") from error
        return device

    @property
    def main(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Let the main process through before the others, who then find the files that it made."""
        if not self.main:
            self.share(None)
        yield
        if self.main:
            self.share(None)

    def leave(self) -> None:
        """End every process but the main one: what follows training is done once."""
        if self.size > 1:
            dist.barrier()
            dist.destroy_process_group()
            os.environ["WORLD_SIZE"] = "1"
        if not self.main:
            raise SystemExit(0)

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over all processes, in place."""
        if self.size > 1:
            try:
                dist.all_reduce(tensor)
            except RuntimeError as error:
                raise TrainingError(
                    f"process {self.rank} lost another process of the run; go on with --resume"
                ) from error
        return tensor

    def sum_numbers(self, numbers: list[float], device: torch.device) -> list[float]:
        """Return the sums of numbers over all processes."""
        if self.size == 1:
            return numbers
        return list(self.sum(torch.tensor(numbers, dtype=torch.float64, device=device)).tolist())

    def share(self, value: Any) -> Any:
        """Return the main process's value, a tree of JSON, on every process."""
        if self.size > 1:
            box = [value]
            try:
                dist.broadcast_object_list(box)
            except RuntimeError as error:
                raise TrainingError(
                    f"process {self.rank} lost another process of the run; go on with --resume"
                ) from error
            return box[0]
        return value

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum the gradients; a parameter without one on every process keeps none, and the optimiser leaves it alone."""
        if self.size == 1:
            return
        parameters = list(parameters)
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        present = torch.tensor([float(p.grad is not None) for p in parameters], device=grads[0].device)
        flat = self.sum(torch.cat([*(grad.reshape(-1).float() for grad in grads), present]))
        sizes = [grad.numel() for grad in grads]
        *parts, counts = flat.split([*sizes, len(sizes)])  # type: ignore[no-untyped-call]
        for parameter, part, n in zip(parameters, parts, counts.tolist(), strict=True):
            parameter.grad = part.view_as(parameter).to(parameter.dtype) if n else None

    @contextmanager
    def whole_batch_norm(self, model: nn.Module) -> Iterator[None]:
        """Let batch norm that trains take its statistics over the samples of all processes, as one process would."""
        norms = [module for module in model.modules() if isinstance(module, _BatchNorm)] if self.size > 1 else []
        for module in norms:
            module.forward = partial(self._normalize, module)  # type: ignore[method-assign]
        try:
            yield
        finally:
            for module in norms:
                del module.forward  # that of the class stands again

    def _normalize(self, module: _BatchNorm, x: Tensor) -> Tensor:
        if not module.training:
            return type(module).forward(module, x)
        axes, shape = [0, *range(2, x.ndim)], (1, -1, *(1,) * (x.ndim - 2))
        wide = x.float()
        n = self.sum(torch.tensor(float(wide.numel() // wide.shape[1]), device=x.device))
        mean = _Sum.apply(wide.sum(axes), self) / n
        centred = wide - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(axes), self) / n
        if module.running_mean is not None and module.running_var is not None:
            module.num_batches_tracked.add_(1)  # type: ignore[union-attr]
            rate = 1 / float(module.num_batches_tracked) if module.momentum is None else module.momentum  # type: ignore[arg-type]
            module.running_mean.lerp_(mean.detach(), rate)
            module.running_var.lerp_(variance.detach() * n / (n - 1), rate)
        scaled = centred * (variance.view(shape) + module.eps).rsqrt()
        if module.affine:
            scaled = scaled * module.weight.view(shape) + module.bias.view(shape)
        return torch.as_tensor(scaled, dtype=x.dtype)


class _Sum(torch.autograd.Function):
    """The sum over all processes; each has a share in what depends on it, so the gradients are summed as well."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, world: World) -> Tensor:
        ctx.world = world
        return world.sum(x.clone())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.world.sum(grad.clone()), None
