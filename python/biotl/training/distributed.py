"""Data parallel training under torchrun: every process takes its share of each batch, and the gradients are summed.

The sum is one all-reduce of one flat buffer instead of `DistributedDataParallel`: the model stays unwrapped (its names,
groups and checkpoints are the same in any number of processes), a process may have no samples left in the last batch,
and a masked loss is the mean over the whole batch, not the mean of the processes' means.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.modules.batchnorm import _BatchNorm

from biotl.errors import TrainingError


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

    def mean_statistics(self, model: nn.Module) -> None:
        """Average the running statistics that train, which each process gathered from its own samples."""
        if self.size > 1:
            for module in model.modules():
                if isinstance(module, _BatchNorm) and module.training:
                    for statistic in (module.running_mean, module.running_var):
                        if statistic is not None:
                            self.sum(statistic.div_(self.size))
