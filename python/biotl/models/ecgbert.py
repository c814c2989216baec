"""ECGBERT: a transformer over the sentence of an ECG; the form that public weights have is `foreign_ecgbert`."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from biotl.datasets.features import EDGES, PATCH_EDGES
from biotl.datasets.levels import LEVELS
from biotl.datasets.vocabulary import MASK, SPECIAL, TOKENS
from biotl.errors import ConfigError
from biotl.models.heads import BeatHead, TokenHead

TOKEN_AXES = {0: "batch", 1: "tokens"}


class ECGBert(nn.Module):
    """The improved form: every token carries its segment's own samples and its beat's timing.

    Where it differs from `DocumentedECGBert`: the wave embedding reads the samples of the segment instead of a series
    of segment means; timing, size and likeness to the recording's dominant beat come with the token; padding is hidden
    and tokens are seen; layers are pre-norm; a masked token hides its samples too, so that it cannot be copied; the
    beat head is not linear, and reads the beat's QRS token.

    Parameters
    ----------
    classes : int
        Width of the beat head; 1 for a binary model with one logit.
    dim, layers, heads, hidden : int
        Width, depth, attention heads, width of the feed-forward layers.
    segment_length : int
        Samples of a patch, as in the `SentenceSpec`.
    dropout : float
        On attention, feed-forward layers and embeddings.
    attention_dropout : float, optional
        On attention instead; 0 takes a third of the time of any other.
    described : int
        Features of each beat within its recording, read by a network of their own whose answer is added to that of the
        beat head, and with its QRS token; 0 where the `SentenceSpec` describes none.
    """

    inputs: tuple[str, ...] = ("tokens", "wave", "patches", "features", "mask")
    output = "logits"
    axes = dict.fromkeys((*inputs, "logits", "embedding"), TOKEN_AXES)

    def __init__(
        self,
        classes: int = 5,
        dim: int = 64,
        layers: int = 3,
        heads: int = 4,
        hidden: int = 128,
        segment_length: int = 32,
        dropout: float = 0.1,
        described: int = 0,
        attention_dropout: float | None = None,
    ) -> None:
        super().__init__()
        sizes = {"dim": dim, "layers": layers, "heads": heads, "hidden": hidden, "segment_length": segment_length}
        for name, size in sizes.items():
            if not isinstance(size, int) or size < 1:
                raise ConfigError(f"model.{name}: got {size!r}, wanted a whole number from 1")
        attend = dropout if attention_dropout is None else attention_dropout
        for name, rate in {"dropout": dropout, "attention_dropout": attend}.items():
            if not isinstance(rate, int | float) or not 0 <= rate < 1:
                raise ConfigError(f"model.{name}: got {rate!r}, wanted a number from 0 to below 1")
        if described:
            self.inputs = (*self.inputs, "beats", "place")
            self.axes = {**self.axes, "beats": {0: "batch"}, "place": TOKEN_AXES}
        if dim % heads:
            raise ConfigError(f"model.heads: got {heads}, wanted a divisor of dim {dim}")
        self.token_embedding = nn.Embedding(TOKENS, dim)
        self.wave_embedding = nn.Embedding(SPECIAL + 1, dim)
        self.patch_embedding = PatchEmbedding(segment_length, dim)
        self.feature_embedding = FeatureEmbedding(dim)
        self.neighbours = Neighbours(dim, dropout)
        self.encoder = nn.ModuleList(EncoderLayer(dim, heads, hidden, dropout, attend) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self.mlm = TokenHead(dim)
        self.head = BeatHead(dim, classes, dropout)
        # last, so that the weights of a model without it are drawn as ever
        self.beat_embedding = DescribedEmbedding(described, dim) if described else None
        self.beat_head = BeatHead(dim, classes, dropout) if described else None

    def forward(
        self,
        tokens: Tensor,
        wave: Tensor,
        patches: Tensor,
        features: Tensor,
        mask: Tensor,
        beats: Tensor | None = None,
        place: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Read sentences.

        Parameters
        ----------
        tokens, wave : Tensor of int64, shape (batch, length)
            Token ids, and wave types with 4 for CLS, SEP, MASK and PAD.
        patches : Tensor of float32, shape (batch, length, 2, segment_length)
            The samples of each segment.
        features : Tensor of float32, shape (batch, length, 13)
            `biotl.datasets.features.FEATURES` of each segment.
        mask : Tensor of bool, shape (batch, length)
            True at tokens, False at padding.
        beats : Tensor of float32, shape (batch, beats, described), optional
            What each beat is within its recording, as levels.
        place : Tensor of int64, shape (batch, length), optional
            Row of ``beats`` that a QRS token is of, -1 elsewhere.

        Returns
        -------
        dict of str to Tensor
            ``logits`` (batch, length, classes) and ``embedding`` (batch, length, dim), to be read at QRS tokens;
            ``mlm_logits`` (batch, length, 75).
        """
        seen = (tokens != MASK).unsqueeze(-1)
        content = self.patch_embedding(patches, wave) + self.feature_embedding(features)
        within = None
        if self.beat_embedding is not None and beats is not None and place is not None:
            within = self.beat_embedding(beats)
            content = content + _at(within, place)
        x = self.token_embedding(tokens) + self.wave_embedding(wave) + torch.where(seen, content, 0.0)
        x = self.dropout(x + sinusoid(tokens.shape[1], x.shape[2], x.device))
        x = self.neighbours(x, mask)
        hidden_keys = torch.zeros(mask.shape, dtype=x.dtype, device=x.device).masked_fill(~mask, -1e4)
        for layer in self.encoder:
            x = layer(x, hidden_keys[:, None, None, :])
        x = self.norm(x)
        logits = self.head(x)
        if self.beat_head is not None and within is not None and place is not None:
            logits = logits + _at(self.beat_head(within), place)
        return {"logits": logits, "mlm_logits": self.mlm(x), "embedding": x}

    def groups(self) -> dict[str, list[nn.Module]]:
        """Return what a stage can train by name: ``embedding``, ``encoder``, ``mlm``, ``head``."""
        embedding: list[nn.Module] = [
            self.token_embedding,
            self.wave_embedding,
            self.patch_embedding,
            self.feature_embedding,
            self.dropout,
            *([self.beat_embedding] if self.beat_embedding is not None else []),
        ]
        return {
            "embedding": embedding,
            "encoder": [self.neighbours, self.encoder, self.norm],
            "mlm": [self.mlm],
            "head": [self.head, *([self.beat_head] if self.beat_head is not None else [])],
        }


def _at(rows: Tensor, place: Tensor) -> Tensor:
    """Return the row of each token, shape (batch, length, width), 0 where its place is -1."""
    index = place.clamp_min(0).unsqueeze(-1).expand(-1, -1, rows.shape[-1])
    return rows.gather(1, index) * (place >= 0).unsqueeze(-1)


class Steps(nn.Module):
    """Piecewise linear encoding (Gorishniy et al. 2022): how far a number is through each of some steps.

    A step that tells beats apart can then count as much as it must, and a value far out counts no more than one beyond
    the last step: how far out tells patients apart.
    """

    low: Tensor
    width: Tensor

    def __init__(self, edges: NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("low", torch.from_numpy(edges[..., :-1].copy()))
        self.register_buffer("width", torch.from_numpy(np.diff(edges)))

    def forward(self, x: Tensor, low: Tensor, width: Tensor) -> Tensor:
        """Encode ``x`` of shape (...) as (..., steps) by edges that broadcast to it."""
        return ((x.unsqueeze(-1) - low) / width).clamp(0, 1)


class PatchEmbedding(nn.Module):
    """A segment's samples, shape (batch, length, 2, samples), every second of them, to vectors (batch, length, dim)."""

    def __init__(self, samples: int, dim: int) -> None:
        super().__init__()
        # CLS, SEP, MASK and PAD have no samples: they borrow the steps of BG, and their zeros
        self.steps = Steps(np.concatenate([PATCH_EDGES, PATCH_EDGES[-1:]]))
        inputs = 2 * ((samples + 1) // 2) * (PATCH_EDGES.shape[2] - 1)
        self.net = nn.Sequential(nn.Linear(inputs, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, patches: Tensor, wave: Tensor) -> Tensor:
        """Embed patches of wave types 0-4."""
        low, width = self.steps.low[wave].unsqueeze(-2), self.steps.width[wave].unsqueeze(-2)
        return self.net(self.steps(patches[..., ::2], low, width).flatten(-3))  # type: ignore[no-any-return]


class FeatureEmbedding(nn.Module):
    """Features (..., 13) to a vector (..., dim)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.steps = Steps(EDGES)
        self.net = nn.Sequential(nn.Linear(self.steps.low.numel(), dim), nn.GELU(), nn.Linear(dim, dim))

    def forward(self, features: Tensor) -> Tensor:
        """Embed features."""
        return self.net(self.steps(features, self.steps.low, self.steps.width).flatten(-2))  # type: ignore[no-any-return]


class DescribedEmbedding(nn.Module):
    """What a beat is within its recording, as levels (..., count), to a vector (..., dim)."""

    def __init__(self, count: int, dim: int) -> None:
        super().__init__()
        self.steps = Steps(np.tile(np.arange(LEVELS + 1, dtype=np.float32), (count, 1)))
        self.net = nn.Sequential(
            nn.Linear(count * LEVELS, 2 * dim), nn.GELU(), nn.Dropout(0.2), nn.Linear(2 * dim, dim)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Embed features."""
        return self.net(self.steps(features, self.steps.low, self.steps.width).flatten(-2))  # type: ignore[no-any-return]


class Neighbours(nn.Module):
    """Mix each token with the four on either side, which are the rest of its beat and the waves next to it."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.mix = nn.Conv1d(dim, dim, 9, padding=4)
        self.out = nn.Sequential(nn.GELU(), nn.Dropout(dropout), nn.Linear(dim, dim))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Mix (batch, length, dim); padding counts as nothing."""
        near = (self.norm(x) * mask.unsqueeze(-1)).transpose(1, 2)
        return x + self.out(self.mix(near).transpose(1, 2))  # type: ignore[no-any-return]


class EncoderLayer(nn.Module):
    """Pre-norm transformer layer."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float, attend: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, attend
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.feedforward = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Attend within sentences; ``bias`` (batch, 1, 1, length) hides padding."""
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        rate = self.rate if self.training else 0.0
        attended = scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype), dropout_p=rate)
        x = x + self.out(attended.transpose(1, 2).flatten(-2))
        return x + self.feedforward(self.norm2(x))  # type: ignore[no-any-return]


def sinusoid(length: int, dim: int, device: torch.device | None = None) -> Tensor:
    """Return the positions of Vaswani et al. 2017, shape (length, dim)."""
    position = torch.arange(length, dtype=torch.float32, device=device).unsqueeze(1)
    rate = torch.exp(torch.arange(0, dim, 2, dtype=torch.float32, device=device) * (-math.log(1e4) / dim))
    return torch.stack([torch.sin(position * rate), torch.cos(position * rate)], dim=-1).flatten(1)
