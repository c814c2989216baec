"""Weights that others made: the public ECGBERT checkpoint, by name, with a report of what came and what did not."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from biotl.datasets.vocabulary import TOKENS, UNKNOWN
from biotl.errors import ConfigError, RecordError
from biotl.models.ecgbert import DocumentedECGBert

ROWS = (*range(4, 4 + UNKNOWN), TOKENS - 1, 1, 2, 3, 0)
"""Row of the public checkpoint for each of our ids, which end in unknown, CLS, SEP, MASK, PAD."""

UNTRAINED = (
    "the attention of this checkpoint was never trained: in_proj and out_proj are bit-identical in all layers, as they "
    "were drawn (its padding mask hid every token); pretrain it, or draw it anew with --reinit-attention"
)


KINDS = ("matched", "inflated", "reshaped", "missing", "extra")


@dataclass(frozen=True)
class Transfer:
    """What became of every tensor of a checkpoint and of a model.

    Parameters
    ----------
    matched : tuple of str
        Copied as they are, up to the order of rows.
    inflated : tuple of str
        Copied into a larger tensor, whose other rows stay as they were drawn.
    reshaped : tuple of str
        Copied with the same numbers in another shape.
    missing : tuple of str
        In the model only: as they were drawn.
    extra : tuple of str
        In the checkpoint only: not used.
    share : float
        Share of the model's parameters that came from the checkpoint.
    notes : tuple of str
        What a user must know of the weights.
    """

    matched: tuple[str, ...]
    inflated: tuple[str, ...]
    reshaped: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    share: float
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        counts = ", ".join(f"{kind} {len(getattr(self, kind))}" for kind in KINDS)
        return f"{counts}: {100 * self.share:.1f} % of the parameters"


def read_tensors(*paths: Path | str) -> dict[str, Tensor]:
    """Read foreign checkpoints without running anything in them, and join them.

    Parameters
    ----------
    *paths : Path or str
        One file, or the pair of ``emb_...`` and ``bert_...`` files.

    Returns
    -------
    dict of str to Tensor
        Names as they would be in one public ECGBERT: without ``module.``, layers under ``transformer.``.

    Raises
    ------
    RecordError
        If a file is no checkpoint of plain tensors, or two files hold one name.
    """
    joined: dict[str, Tensor] = {}
    for path in paths:
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise RecordError(str(path), "checkpoint", "no file", "a PyTorch checkpoint") from None
        except Exception as error:  # torch answers a hostile or broken file with many kinds
            got = (str(error).splitlines() or [type(error).__name__])[0]
            hint = "it was loaded with weights_only=True, which runs no code from the file"
            raise RecordError(str(path), "checkpoint", got, "a file of plain tensors", hint) from None
        for name in ("state_dict", "model_state_dict"):
            content = content.get(name, content) if isinstance(content, Mapping) else content
        if not isinstance(content, Mapping) or not all(isinstance(v, Tensor) for v in content.values()):
            raise RecordError(str(path), "checkpoint", type(content).__name__, "a mapping of names to tensors")
        for key, tensor in content.items():
            name = key.removeprefix("module.")
            name = f"transformer.{name}" if name.startswith("layers.") else name
            if name in joined and not torch.equal(joined[name], tensor):
                raise RecordError(str(path), name, "another tensor than in the file before", "one tensor a name")
            joined[name] = tensor
    return joined


def transfer(model: nn.Module, tensors: Mapping[str, Tensor], *, strict: bool = True, minimum: float = 0.9) -> Transfer:
    """Copy tensors into a model by name.

    A tensor of as many numbers is reshaped; one with fewer rows fills the first rows.

    Parameters
    ----------
    model : nn.Module
        Changed in place.
    tensors : mapping of str to Tensor
        Such as `read_tensors` returns.
    strict : bool
        Refuse anything but matched tensors.
    minimum : float
        Least share of the model's parameters that must come; checked without ``strict`` too.

    Raises
    ------
    ConfigError
        Naming the first tensor at fault, or the share that came; the model is then unchanged.
    """
    state = model.state_dict()
    new: dict[str, Tensor] = {}
    kinds: dict[str, list[str]] = {kind: [] for kind in KINDS}
    came = 0
    parameters = {name for name, _ in model.named_parameters()}
    for name, own in state.items():
        kind = _fit(tensors[name], own) if name in tensors else "missing"
        kinds[kind].append(name)
        if kind == "missing":
            continue
        theirs = tensors[name]
        new[name] = torch.cat([theirs, own[len(theirs) :]]) if kind == "inflated" else theirs.reshape(own.shape)
        came += tensors[name].numel() if name in parameters else 0
    kinds["extra"] += [name for name in tensors if name not in new]
    share = came / sum(p.numel() for p in model.parameters())
    for kind in ("missing", "extra", "inflated", "reshaped"):
        if strict and kinds[kind]:
            name = kinds[kind][0]
            got = tuple(tensors[name].shape) if name in tensors else "nothing"
            wanted = tuple(state[name].shape) if name in state else "nothing"
            raise ConfigError(
                f"transfer: {name}: got {got}, wanted {wanted} ({len(kinds[kind])} {kind}); strict=False takes the rest"
            )
    if share < minimum:
        raise ConfigError(f"transfer: got {100 * share:.1f} % of the parameters, wanted {100 * minimum:.1f} % at least")
    model.load_state_dict({**state, **new})
    matched, inflated, reshaped, missing, extra = (tuple(kinds[kind]) for kind in KINDS)
    return Transfer(matched, inflated, reshaped, missing, extra, share)


def _fit(tensor: Tensor, own: Tensor) -> str:
    if tensor.shape == own.shape:
        return "matched"
    if tensor.numel() == own.numel():
        return "reshaped"
    rows = tensor.ndim == own.ndim > 0 and tensor.shape[1:] == own.shape[1:] and len(tensor) < len(own)
    return "inflated" if rows else "missing"


def import_ecgbert(
    *paths: Path | str,
    classes: int = 0,
    strict: bool = True,
    minimum: float = 0.9,
    reinit_attention: bool = False,
    seed: int = 0,
) -> tuple[DocumentedECGBert, Transfer]:
    """Bring in the public ECGBERT checkpoint.

    Its rows are brought into our order of ids (its waves start at 4, its specials come first); the doubled token term,
    which the weights were made with, is in the model.

    Parameters
    ----------
    *paths : Path or str
        The one file, or the ``emb_...`` and ``bert_...`` pair.
    classes : int
        Width of a new head, drawn at random; 0 for none.
    strict, minimum
        See `transfer`; a new head is never asked of the checkpoint.
    reinit_attention : bool
        Draw the attention of each layer anew (Xavier), each layer its own.
    seed : int
        Of what is drawn.

    Returns
    -------
    DocumentedECGBert, Transfer
        In evaluation mode; the report's notes say what is known of the weights.

    Warns
    -----
    UserWarning
        If attention was never trained.
    """
    tensors = read_tensors(*paths)
    order = torch.tensor(ROWS)
    for name in ("token_embedding.weight", "fc.weight", "fc.bias"):
        if name in tensors and len(tensors[name]) == TOKENS:
            tensors[name] = tensors[name][order]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = DocumentedECGBert()
        report = transfer(model, tensors, strict=strict, minimum=minimum)
        notes: list[str] = []
        if attention_is_untrained(tensors):
            notes.append("attention drawn anew" if reinit_attention else UNTRAINED)
        if reinit_attention:
            _reinit_attention(model)
        if classes:
            model.add_head(classes)
    if UNTRAINED in notes:
        warnings.warn(UNTRAINED, stacklevel=2)
    return model.eval(), replace(report, notes=tuple(notes))


def attention_is_untrained(tensors: Mapping[str, Tensor]) -> bool:
    """Say whether all layers hold the same attention bits, which training never leaves."""
    for part in ("in_proj_weight", "in_proj_bias", "out_proj.weight"):
        layers = [t for name, t in tensors.items() if name.endswith(f"self_attn.{part}")]
        if len(layers) < 2 or not all(torch.equal(layers[0], other) for other in layers[1:]):
            return False
    return True


def _reinit_attention(model: DocumentedECGBert) -> None:
    for layer in model.transformer.layers:
        nn.init.xavier_uniform_(layer.self_attn.in_proj_weight)
        nn.init.xavier_uniform_(layer.self_attn.out_proj.weight)
        nn.init.zeros_(layer.self_attn.in_proj_bias)
        nn.init.zeros_(layer.self_attn.out_proj.bias)
