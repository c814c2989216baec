"""A small convolutional network for windows of any number of channels: a class, or a value."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu


class Block(nn.Module):
    """A residual pair of convolutions that halves the length; normed over channels, so that one window is enough."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(1, width), nn.GroupNorm(1, width)
        self.conv1 = nn.Conv1d(width, width, kernel, padding=kernel // 2)
        self.conv2 = nn.Conv1d(width, width, kernel, padding=kernel // 2)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, width, length) to (batch, width, length / 2)."""
        y = self.conv2(self.drop(gelu(self.norm2(self.conv1(gelu(self.norm1(x)))))))
        return nn.functional.avg_pool1d(x + y, 2, ceil_mode=True)


class WindowNet(nn.Module):
    """Convolutions over a window, its mean and largest activation, and a linear head.

    Parameters
    ----------
    channels : sequence of str
        Names of the channels, in order.
    outputs : int
        Classes; 1 for two classes by one logit, or for a value.
    width, blocks, kernel : int
        Channels inside, residual blocks, samples of each convolution.
    dropout : float
        In the blocks and before the head.
    offset, scale : float
        A value is ``offset + scale * output``: mean and standard deviation of the training values, so that the network
        learns numbers near 1 whatever the unit.
    """

    inputs = ("signal",)
    output = "logits"
    axes: ClassVar[dict[str, dict[int, str]]] = {name: {0: "batch"} for name in ("signal", "logits", "embedding")}
    by_channel: ClassVar[dict[str, int]] = {"stem.weight": 1}

    def __init__(
        self,
        channels: Sequence[str] = ("signal",),
        outputs: int = 2,
        *,
        width: int = 32,
        blocks: int = 4,
        kernel: int = 7,
        dropout: float = 0.1,
        offset: float = 0.0,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.channels, self.offset, self.scale = tuple(channels), offset, scale
        self.stem = nn.Conv1d(len(self.channels), width, kernel, stride=2, padding=kernel // 2)
        self.blocks = nn.ModuleList(Block(width, kernel, dropout) for _ in range(blocks))
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * width, outputs))

    @property
    def dim(self) -> int:
        """Width of the embedding."""
        return 2 * self.stem.out_channels

    def groups(self) -> dict[str, list[nn.Module]]:
        """Return what a stage can train by name: ``stem``, ``blocks``, ``head``."""
        return {"stem": [self.stem], "blocks": list(self.blocks), "head": [self.head]}

    def forward(self, signal: Tensor) -> dict[str, Tensor]:
        """Map (batch, channels, samples) to ``logits`` (batch, outputs) and ``embedding`` (batch, 2 * width)."""
        x = self.stem(signal)
        for block in self.blocks:
            x = block(x)
        embedding = nn.functional.relu(nn.functional.group_norm(x, 1))
        embedding = torch.cat([embedding.mean(-1), embedding.amax(-1)], -1)
        out = self.offset + self.scale * self.head(embedding)
        return {"logits": out, "prediction": out[:, 0], "embedding": embedding}
