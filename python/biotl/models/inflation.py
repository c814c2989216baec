"""Tensors that hold a block for each channel: brought to other channels by name, never by place."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Init = Literal["zero", "mean", "noise"]
NOISE = 0.1
"""Of ``noise``: share of its random start that a new channel keeps."""


def blocks(tensor: Tensor, axis: int, channels: int) -> Tensor | None:
    """Return a tensor with the channels as its first axis; None where they do not divide it."""
    if tensor.ndim <= axis or tensor.shape[axis] % channels:
        return None
    shape = (*tensor.shape[:axis], channels, -1, *tensor.shape[axis + 1 :])
    return tensor.reshape(shape).movedim(axis, 0)


def inflate(
    theirs: Tensor,
    own: Tensor,
    axis: int,
    source: Sequence[str],
    target: Sequence[str],
    *,
    init: Init = "zero",
) -> Tensor | None:
    """Return a tensor for the target's channels; those that the source has are copied by name.

    Parameters
    ----------
    theirs : Tensor
        With a block along `axis` for each channel of `source`, in that order.
    own : Tensor
        The same for `target`, as it was drawn.
    axis : int
        Where the channels lie.
    source, target : sequence of str
        Channel names.
    init : {"zero", "mean", "noise"}
        Where new channels start: at nothing, so that the model answers as before, whatever they hold; at the mean of
        the source's channels; at a tenth of their random start.

    Returns
    -------
    Tensor or None
        None where no channel is shared or the shapes do not fit.

    Examples
    --------
    >>> inflate(torch.tensor([[1.0, 2.0]]), torch.ones(1, 3), 1, ["PPG", "ECG"], ["ACC", "ECG", "PPG"]).tolist()
    [[0.0, 2.0, 1.0]]
    """
    there, here = blocks(theirs, axis, len(source)), blocks(own, axis, len(target))
    if there is None or here is None or there.shape[1:] != here.shape[1:] or not set(source) & set(target):
        return None
    new = {"zero": torch.zeros_like(here), "mean": there.mean(0).expand_as(here), "noise": NOISE * here}[init].clone()
    for k, name in enumerate(target):
        if name in source:
            new[k] = there[list(source).index(name)]
    return new.movedim(0, axis).flatten(axis, axis + 1).contiguous()
