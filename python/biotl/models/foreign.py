"""Weights that others made: each layout a small table of names, one way in, and a report of what came and what not."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from biotl.datasets.vocabulary import TOKENS, UNKNOWN
from biotl.errors import RecordError
from biotl.models.foreign_ecgbert import DocumentedECGBert
from biotl.models.transfer import Transfer, transfer


@dataclass(frozen=True)
class Layout:
    """How another program names and orders what a model of ours has.

    Parameters
    ----------
    sections : mapping of str to str
        Mappings within the file that hold tensors, and what their names begin with in our model; a file without any of
        them is taken as a whole.
    prefixes : mapping of str to str
        Beginnings of names, in this order, and what takes their place.
    rows : mapping of str to tuple of int
        Of each of our tensors whose rows are in another order: which of their rows each of ours is.
    reshaped : tuple of str
        Our names of tensors that have the same numbers in another shape.
    """

    sections: Mapping[str, str] = field(default_factory=lambda: {"state_dict": "", "model_state_dict": ""})
    prefixes: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    reshaped: tuple[str, ...] = ()

    def names(self, content: Mapping[str, object]) -> dict[str, object]:
        """Return what a file holds under our names."""
        found: dict[str, object] = {}
        sections = {key: start for key, start in self.sections.items() if isinstance(content.get(key), Mapping)}
        for key, start in sections.items() or [("", "")]:
            section = content[key] if key else content
            for theirs, value in section.items():  # type: ignore[attr-defined]
                name = str(theirs)
                for old, new in self.prefixes.items():
                    name = new + name.removeprefix(old) if name.startswith(old) else name
                found[start + name] = value
        return found


ROWS = (*range(4, 4 + UNKNOWN), TOKENS - 1, 1, 2, 3, 0)
"""Row of the public checkpoint for each of our ids, which end in unknown, CLS, SEP, MASK, PAD."""
ECGBERT = Layout(
    prefixes={"module.": "", "layers.": "transformer.layers."},
    rows=dict.fromkeys(("token_embedding.weight", "fc.weight", "fc.bias"), ROWS),
)
"""The public ECGBERT checkpoint, one file or a pair of ``emb_...`` and ``bert_...``."""

UNTRAINED = (
    "the attention of this checkpoint was never trained: in_proj and out_proj are bit-identical in all layers, as they "
    "were drawn (its padding mask hid every token); pretrain it, or draw it anew with --reinit-attention"
)


def read_tensors(*paths: Path | str, layout: Layout = ECGBERT) -> dict[str, Tensor]:
    """Read foreign checkpoints without running anything in them, and join them.

    Parameters
    ----------
    *paths : Path or str
        One file, or several that hold a model together.
    layout : Layout
        How it names and orders its tensors.

    Returns
    -------
    dict of str to Tensor
        Under the names, and in the order of rows, of our model.

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
            # torch's own words go on about how to run the code in it
            code = "Unsupported" in str(error) or "weights_only" in str(error).casefold()
            got = "code to run beside tensors" if code else "something else, or a part of a file"
            hint = "save its state_dict alone; nothing in the file was run"
            raise RecordError(str(path), "checkpoint", got, "a file of plain tensors", hint) from None
        named = layout.names(content) if isinstance(content, Mapping) else {}
        if not named or not all(isinstance(value, Tensor) for value in named.values()):
            raise RecordError(str(path), "checkpoint", type(content).__name__, "a mapping of names to tensors")
        for name, tensor in named.items():
            if name in joined and not torch.equal(joined[name], tensor):  # type: ignore[arg-type]
                raise RecordError(str(path), name, "another tensor than in the file before", "one tensor a name")
            joined[name] = tensor  # type: ignore[assignment]
    for name, order in layout.rows.items():
        if name in joined and joined[name].ndim and len(joined[name]) == len(order):
            joined[name] = joined[name][torch.tensor(order)]
    return joined


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
    tensors = read_tensors(*paths, layout=ECGBERT)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = DocumentedECGBert()
        report = transfer(model, tensors, strict=strict, minimum=minimum, reshaped=ECGBERT.reshaped)
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
