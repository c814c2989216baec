"""Patch encoders over windows of several channels: one of the documented size, and a small one."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from biotl.errors import ConfigError

WINDOW_AXES = {0: "batch"}


class SwiGLU(nn.Module):
    """Gated feed-forward layer (Shazeer 2020)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.gate, self.up, self.down = nn.Linear(dim, hidden), nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., dim) to (..., dim)."""
        return self.down(silu(self.gate(x)) * self.up(x))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Pre-norm attention without biases, and a gated feed-forward layer."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.feedforward, self.dropout = SwiGLU(dim, hidden), nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, patches, dim) to the same shape."""
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = scaled_dot_product_attention(q, k, v, dropout_p=self.rate if self.training else 0.0)
        x = x + self.out(attended.transpose(1, 2).flatten(-2))
        return x + self.dropout(self.feedforward(self.norm2(x)))  # type: ignore[no-any-return]


class PatchEncoder(nn.Module):
    """A transformer over patches of all channels; by default of the documented 2,456,832 parameters.

    Each patch of all channels is one token, so that channels are read together. What is not measured, or hidden for
    pretraining, is 0 inside; which patches those are has no token of its own.

    Parameters
    ----------
    channels : sequence of str
        Names of the channels, in order.
    length, patch : int
        Samples of a window, and of a patch, which divides it.
    outputs : int
        Width of the head; 0 for none, and the embedding is what is exported.
    reconstruct : bool
        With a decoder from each token to the samples of its patch, for masked pretraining.
    maps, steps, values, rates : int
        With heads for dense targets (`biotl.datasets.dense`): `maps` rows of `steps` values over the window, those of a
        patch read from its token; `values` numbers and logits of `rates` heart rates, read from the embedding. 0 for
        none.
    dim, layers, heads, hidden : int
        Width, depth, attention heads, width of the feed-forward layers.
    dropout : float
        In the blocks and before the head.

    Examples
    --------
    >>> sum(p.numel() for p in PatchEncoder().parameters())
    2456832
    """

    inputs = ("signal", "measured")
    axes: ClassVar[dict[str, dict[int, str]]] = dict.fromkeys((*inputs, "logits", "embedding"), WINDOW_AXES)
    by_channel: ClassVar[dict[str, int]] = {"patch_embed.weight": 1, "decoder.weight": 0, "decoder.bias": 0}

    def __init__(
        self,
        channels: Sequence[str] = ("PPG", "ECG"),
        length: int = 1250,
        patch: int = 125,
        outputs: int = 0,
        *,
        reconstruct: bool = False,
        maps: int = 0,
        steps: int = 0,
        values: int = 0,
        rates: int = 0,
        dim: int = 192,
        layers: int = 5,
        heads: int = 6,
        hidden: int = 576,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check(length, patch, dim, heads, steps)
        self.channels, self.patch = tuple(channels), patch
        width = len(self.channels) * patch
        self.patch_embed = self.embedder(width, dim)
        self.positions = nn.Parameter(0.02 * torch.randn(length // patch, dim))
        self.blocks = nn.ModuleList(Block(dim, heads, hidden, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.dropout = nn.Dropout(dropout) if outputs else nn.Identity()
        self.decoder = nn.Linear(dim, width) if reconstruct else None
        self.maps = nn.Linear(dim, maps * steps * patch // length) if maps else None
        self.rows, self.split = maps, (values, rates)
        self.summary = nn.Linear(dim, values + rates) if values + rates else None
        self.head = nn.Linear(dim, outputs) if outputs else None

    def embedder(self, width: int, dim: int) -> nn.Module:
        """Return what makes a token of a patch of all channels."""
        return nn.Linear(width, dim)

    def tokens(self, signal: Tensor) -> Tensor:
        """Map (batch, channels, length) to (batch, patches, dim)."""
        patches = signal.reshape(*signal.shape[:2], -1, self.patch).transpose(1, 2).flatten(2)
        return self.patch_embed(patches)  # type: ignore[no-any-return]

    @property
    def output(self) -> str:
        """What is exported."""
        return "logits" if self.head is not None else "embedding"

    def groups(self) -> dict[str, list[Any]]:
        """Return what a stage can train by name: ``patch_embed``, ``blocks``, ``decoder``, ``dense``, ``head``."""
        groups: dict[str, list[Any]] = {"patch_embed": [self.patch_embed, self.positions], "blocks": list(self.blocks)}
        if self.decoder is not None:
            groups["decoder"] = [self.decoder]
        if dense := [head for head in (self.maps, self.summary) if head is not None]:
            groups["dense"] = dense
        if self.head is not None:
            groups["head"] = [self.dropout, self.head]
        return groups

    def forward(self, signal: Tensor, measured: Tensor) -> dict[str, Tensor]:
        """Read windows.

        Parameters
        ----------
        signal : Tensor of float32, shape (batch, channels, length)
            What it holds where `measured` is False is not read.
        measured : Tensor of bool, shape (batch, channels, length)
            False where nothing was measured, or where it is hidden.

        Returns
        -------
        dict of str to Tensor
            ``embedding`` (batch, dim), the mean over ``tokens`` (batch, patches, dim); ``logits`` (batch, outputs) with
            a head; ``reconstruction`` (batch, channels, length) with a decoder; ``maps`` (batch, maps, patches * steps)
            as logits, ``values`` (batch, values) and ``rate`` (batch, rates) as logits with those heads.
        """
        x = self.tokens(torch.where(measured, signal, 0.0)) + self.positions
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        out = {"embedding": x.mean(1), "tokens": x}
        if self.decoder is not None:
            patches = self.decoder(x).reshape(*x.shape[:2], len(self.channels), self.patch)
            out["reconstruction"] = patches.transpose(1, 2).flatten(2)
        if self.maps is not None:
            out["maps"] = self.maps(x).unflatten(-1, (self.rows, -1)).transpose(1, 2).flatten(2)
        if self.summary is not None:
            out["values"], out["rate"] = self.summary(out["embedding"]).split(self.split, dim=1)
        if self.head is not None:
            out["logits"] = self.head(self.dropout(out["embedding"]))
        return out


class SmallPatchEncoder(PatchEncoder):
    """The same with a convolutional stem and patches of 0.4 s at 125 Hz: 0.21 million parameters, for little data.

    The stem sees the shape of a wave wherever it lies in a patch, which a linear map has to learn place by place. A
    token is read from its patch and the two beside it, 1.2 s: with one beat and the next before it, a heart rate or an
    early beat is learnt in a minute; from 0.4 s alone it was not (`configs/ssl_dense.yaml`).

    Examples
    --------
    >>> sum(p.numel() for p in SmallPatchEncoder().parameters())
    209088
    """

    by_channel: ClassVar[dict[str, int]] = {"patch_embed.0.weight": 1, "decoder.weight": 0, "decoder.bias": 0}

    def __init__(
        self,
        channels: Sequence[str] = ("PPG", "ECG"),
        length: int = 1250,
        patch: int = 50,
        outputs: int = 0,
        *,
        reconstruct: bool = False,
        maps: int = 0,
        steps: int = 0,
        values: int = 0,
        rates: int = 0,
        dim: int = 64,
        layers: int = 2,
        heads: int = 4,
        hidden: int = 128,
        dropout: float = 0.1,
    ) -> None:
        if patch % 5:
            raise ConfigError(f"model.patch: got {patch}, wanted a multiple of 5, the step of the stem")
        super().__init__(
            channels, length, patch, outputs,
            reconstruct=reconstruct, maps=maps, steps=steps, values=values, rates=rates,
            dim=dim, layers=layers, heads=heads, hidden=hidden, dropout=dropout,
        )  # fmt: skip

    def embedder(self, width: int, dim: int) -> nn.Module:
        """Return the stem: 11 samples every 5, then those of a patch and its neighbours."""
        channels, steps = width // self.patch, self.patch // 5
        return nn.Sequential(
            nn.Conv1d(channels, 64, 11, stride=5, padding=5),
            nn.GELU(),
            nn.Conv1d(64, dim, 3 * steps, stride=steps, padding=steps),
        )

    def tokens(self, signal: Tensor) -> Tensor:
        """Map (batch, channels, length) to (batch, patches, dim)."""
        return self.patch_embed(signal).transpose(1, 2)  # type: ignore[no-any-return]


def check(length: int, patch: int, dim: int, heads: int, steps: int) -> None:
    """Refuse a window or maps that do not divide into patches, and a width that does not divide into heads."""
    if patch < 1 or length < patch or length % patch:
        raise ConfigError(f"model.patch: got {patch}, wanted a divisor of the {length} samples of a window")
    if heads < 1 or dim % heads:
        raise ConfigError(f"model.heads: got {heads}, wanted a divisor of dim {dim}")
    if steps * patch % length:
        raise ConfigError(f"model.patch: got {patch}, wanted patches that {steps} steps of a map divide into")
