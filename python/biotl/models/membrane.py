"""Leaky integrate-and-fire cells over all time steps as one operation, forward and back."""

from typing import Any

import torch
from torch import Tensor


class Membrane(torch.autograd.Function):
    """Spikes of leaky integrate-and-fire cells over all time steps at once.

    The membrane is ``v[t] = beta v[t-1] + x[t] - threshold s[t-1]`` and the spike ``s[t] = v[t] > threshold``, as in
    snnTorch's `Leaky` with its default reset (subtracted, one step late, without a gradient of its own). The gradient
    of a spike is that of a fast sigmoid, ``1 / (1 + slope |v - threshold|)**2`` (Zenke and Ganguli 2018). One node of
    the graph stands for all steps, where a loop in autograd keeps several a step.
    """

    @staticmethod
    def forward(ctx: Any, current: Tensor, steps: int, beta: float, threshold: float, slope: float) -> Tensor:
        """Return the spikes of ``current``, see `scan`."""
        spikes, membrane = scan(current, steps, beta, threshold)
        ctx.save_for_backward(membrane)
        ctx.numbers = beta, threshold, slope, len(current)
        return spikes

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        """Go back through the steps."""
        (membrane,) = ctx.saved_tensors
        beta, threshold, slope, given = ctx.numbers
        local = grad / (membrane - threshold).abs_().mul_(slope).add_(1).square_()
        for t in range(len(local) - 2, -1, -1):
            local[t].add_(local[t + 1], alpha=beta)
        return local if given == len(local) else local.sum(0, keepdim=True), None, None, None, None


def scan(current: Tensor, steps: int, beta: float, threshold: float) -> tuple[Tensor, Tensor]:
    """Return spikes and membranes, each of shape (steps, batch, cells).

    Parameters
    ----------
    current : Tensor, shape (steps, batch, cells) or (1, batch, cells)
        What comes in at each step, or the same at all of them.
    steps : int
        How many.
    beta, threshold : float
        Leak a step, and where a cell fires.
    """
    shape = (steps, *current.shape[1:])
    spikes, v = current.new_empty(shape), current.new_empty(shape)
    # written in place, time first: a step is one run of memory, and nothing is allocated
    v[0] = current[0]
    torch.gt(v[0], threshold, out=spikes[0])
    for t in range(1, steps):
        torch.mul(v[t - 1], beta, out=v[t])
        v[t].add_(current[t if len(current) > 1 else 0]).sub_(spikes[t - 1], alpha=threshold)
        torch.gt(v[t], threshold, out=spikes[t])
    return spikes, v
