"""IBM's TinyTimeMixer (Ekambaram et al. 2024) as a backbone: its names and shapes, its weights from a user's file."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn.functional import gelu

from biotl.errors import ConfigError, RecordError
from biotl.models.patch_encoder import WINDOW_AXES

PREFIXES = ("model.", "backbone.")
"""What granite-tsfm's classes put before the names of the encoder: of a forecaster it is the backbone."""
OTHER = {"freq_mod": "resolution prefixes", "self_attn": "self-attention", "channel_feature_mixer": "channel mixing"}
"""Parts of a name that tell of a kind of encoder that is not built here."""


class Gate(nn.Module):
    """Weights each feature by a softmax over all of them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn_layer = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (..., width)."""
        return x * self.attn_layer(x).softmax(-1)  # type: ignore[no-any-return]


class Norm(nn.Module):
    """Layer normalisation, one name deeper as in the files."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (..., dim)."""
        return self.norm(x)  # type: ignore[no-any-return]


class Perceptron(nn.Module):
    """Two layers."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, expansion * width), nn.Linear(expansion * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (..., width)."""
        return self.fc2(gelu(self.fc1(x)))  # type: ignore[no-any-return]


class Mixer(nn.Module):
    """Mixes over patches, or over the features of each."""

    def __init__(self, dim: int, width: int, expansion: int, *, gated: bool, patches: bool) -> None:
        super().__init__()
        self.norm, self.mlp, self.patches = Norm(dim), Perceptron(width, expansion), patches
        self.gating_block = Gate(width) if gated else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (..., patches, dim)."""
        y = self.norm(x)
        y = y.transpose(-1, -2) if self.patches else y
        y = self.gating_block(self.mlp(y))
        return x + (y.transpose(-1, -2) if self.patches else y)  # type: ignore[no-any-return]


class Layer(nn.Module):
    """Mixes over patches, then over features."""

    def __init__(self, patches: int, dim: int, expansion: int, *, gated: bool) -> None:
        super().__init__()
        self.patch_mixer = Mixer(dim, patches, expansion, gated=gated, patches=True)
        self.feature_mixer = Mixer(dim, dim, expansion, gated=gated, patches=False)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (..., patches, dim)."""
        return self.feature_mixer(self.patch_mixer(x))  # type: ignore[no-any-return]


class Level(nn.Module):
    """Layers at `factor` times as many patches, each so much narrower."""

    def __init__(self, factor: int, layers: int, patches: int, dim: int, expansion: int, *, gated: bool) -> None:
        super().__init__()
        self.factor = factor
        made = [Layer(patches * factor, dim // factor, expansion, gated=gated) for _ in range(layers)]
        self.mixer_layers = nn.ModuleList(made)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (..., patches, dim)."""
        y = x.reshape(*x.shape[:-2], x.shape[-2] * self.factor, x.shape[-1] // self.factor)
        for layer in self.mixer_layers:
            y = layer(y)
        return y.reshape(x.shape)


class TinyTimeMixer(nn.Module):
    """The encoder of a TinyTimeMixer, each channel by itself; the embedding is the mean over channels and patches.

    Its numbers of patches are part of its weights, so that a window has to be ``patches * patch`` samples: 512 for the
    published ones, 10.24 s at 50 Hz. `read_ttm` tells the sizes of a file.

    Parameters
    ----------
    channels : sequence of str
        Names of the channels; no tensor depends on how many there are.
    length, patch : int
        Samples of a window, and of a patch.
    outputs : int
        Width of the head; 0 for none, and the embedding is what is exported.
    reconstruct : bool
        With a decoder from each token to the samples of its patch.
    dim, levels, layers, expansion : int
        Width, levels of adaptive patching (0 for none), layers of each, and how far the layers widen.
    gated : bool
        With gated attention.

    Examples
    --------
    >>> sum(p.numel() for p in TinyTimeMixer().parameters())
    515584
    """

    inputs = ("signal", "measured")
    axes: ClassVar[dict[str, dict[int, str]]] = dict.fromkeys((*inputs, "logits", "embedding"), WINDOW_AXES)

    def __init__(
        self,
        channels: Sequence[str] = ("PPG", "ECG"),
        length: int = 512,
        patch: int = 64,
        outputs: int = 0,
        *,
        reconstruct: bool = False,
        dim: int = 192,
        levels: int = 3,
        layers: int = 2,
        expansion: int = 2,
        gated: bool = True,
    ) -> None:
        super().__init__()
        if length % patch or length // patch < 2:
            raise ConfigError(f"model.patch: got {patch}, wanted a divisor of the {length} samples of a window")
        if dim % 2 ** max(levels - 1, 0):
            raise ConfigError(f"model.dim: got {dim}, wanted a multiple of {2 ** (levels - 1)} for {levels} levels")
        self.channels, self.patch, patches = tuple(channels), patch, length // patch
        factors = [2**k for k in reversed(range(levels))]
        blocks = [Level(k, layers, patches, dim, expansion, gated=gated) for k in factors]
        plain = [Layer(patches, dim, expansion, gated=gated) for _ in range(layers)]
        # nested as in the files, so that names agree
        mixers = nn.ModuleDict({"mixers": nn.ModuleList(blocks or plain)})
        self.encoder = nn.ModuleDict({"patcher": nn.Linear(patch, dim), "mlp_mixer_encoder": mixers})
        self.decoder = nn.Linear(dim, patch) if reconstruct else None
        self.head = nn.Linear(dim, outputs) if outputs else None

    @property
    def output(self) -> str:
        """What is exported."""
        return "logits" if self.head is not None else "embedding"

    @property
    def mixers(self) -> list[nn.Module]:
        """The blocks, from the input to the output."""
        return [block for name, block in self.encoder.named_modules() if re.fullmatch(r".*mixers\.\d+", name)]

    def groups(self) -> dict[str, list[Any]]:
        """Return what a stage can train by name: ``patch_embed``, ``blocks``, ``decoder``, ``head``."""
        groups: dict[str, list[Any]] = {"patch_embed": [self.encoder["patcher"]], "blocks": self.mixers}
        if self.decoder is not None:
            groups["decoder"] = [self.decoder]
        if self.head is not None:
            groups["head"] = [self.head]
        return groups

    def forward(self, signal: Tensor, measured: Tensor) -> dict[str, Tensor]:
        """Read windows as `biotl.models.patch_encoder.PatchEncoder.forward`; a channel without a sample is left out."""
        x = self.encoder["patcher"](torch.where(measured, signal, 0.0).reshape(*signal.shape[:-1], -1, self.patch))
        for block in self.mixers:
            x = block(x)
        there = measured.any(-1).to(x.dtype)[:, :, None, None]
        tokens = (x * there).sum(1) / there.sum(1).clamp_min(1)
        out = {"embedding": tokens.mean(1), "tokens": tokens}
        if self.decoder is not None:
            out["reconstruction"] = self.decoder(x).flatten(2)
        if self.head is not None:
            out["logits"] = self.head(out["embedding"])
        return out


def read_ttm(path: Path | str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read the encoder of a TinyTimeMixer from granite-tsfm's safetensors file.

    Parameters
    ----------
    path : Path or str
        Such as ``model.safetensors`` of ``granite-timeseries-ttm-r1``.

    Returns
    -------
    dict, dict of str to Tensor
        Options of `TinyTimeMixer`, with the ``length`` of a window; the tensors under our names. Decoder and head,
        which forecast, are left out.

    Raises
    ------
    RecordError
        If it is no such file, or holds an encoder of a kind that is not built here.
    """
    try:
        with safe_open(path, framework="pt") as file:
            held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except (OSError, SafetensorError) as error:
        raise RecordError(str(path), "file", str(error), "a safetensors file of a TinyTimeMixer") from None
    tensors = {}
    for name, tensor in held.items():
        own = name
        for prefix in PREFIXES:
            own = own.removeprefix(prefix)
        if own.startswith("encoder."):
            tensors[own] = tensor
    for part, what in OTHER.items():
        if odd := next((name for name in tensors if part in name), None):
            raise RecordError(str(path), odd, f"an encoder with {what}", "one without", "export another variant")
    return _options(str(path), tensors), tensors


def _options(path: str, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the sizes that names and shapes tell; the last level has the plain number of patches."""
    mixers = "encoder.mlp_mixer_encoder.mixers."
    blocks = {tuple(name.removeprefix(mixers).split(".")[:3:2]) for name in tensors if name.startswith(mixers)}
    deep = any(".mixer_layers." in name for name in tensors)
    last = max((int(block) for block, _ in blocks), default=-1)
    end = f"{mixers}{last}.mixer_layers.0." if deep else f"{mixers}{last}."
    patcher, first = tensors.get("encoder.patcher.weight"), tensors.get(f"{end}patch_mixer.mlp.fc1.weight")
    if patcher is None or first is None:
        held = ", ".join(sorted(tensors)[:3]) or "no encoder"
        raise RecordError(path, "tensors", held, "encoder.patcher.weight and mixers over patches")
    (dim, patch), (hidden, patches) = patcher.shape, first.shape
    return {
        "length": patches * patch,
        "patch": patch,
        "dim": dim,
        "levels": last + 1 if deep else 0,
        "layers": len({layer for block, layer in blocks if int(block) == last}) if deep else last + 1,
        "expansion": hidden // patches,
        "gated": f"{end}patch_mixer.gating_block.attn_layer.weight" in tensors,
    }
