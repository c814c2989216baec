"""Weights of one model in another: by name, channels by their own names, and a report of what came and what not."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from biotl.errors import ConfigError
from biotl.models.inflation import Init, inflate

KINDS = ("matched", "inflated", "reshaped", "missing", "mismatched", "extra")


@dataclass(frozen=True)
class Transfer:
    """What became of every tensor of a checkpoint and of a model.

    Parameters
    ----------
    matched : tuple of str
        Copied as they are, up to the order of rows.
    inflated : tuple of str
        Copied into a larger tensor: its channels by name, or its first rows; the rest starts as `init` says, or as it
        was drawn.
    reshaped : tuple of str
        Copied with the same numbers in another shape, as their layout says, or because the shapes differ in ones only.
    missing : tuple of str
        In the model only: as they were drawn.
    mismatched : tuple of str
        In both, in shapes that do not fit: as they were drawn.
    extra : tuple of str
        In the checkpoint only: not used.
    share : float
        Share of the model's parameters that came from the checkpoint, channels aside that it does not have.
    notes : tuple of str
        What a user must know of the weights, such as which channels are new.
    """

    matched: tuple[str, ...]
    inflated: tuple[str, ...]
    reshaped: tuple[str, ...]
    missing: tuple[str, ...]
    mismatched: tuple[str, ...]
    extra: tuple[str, ...]
    share: float
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        counts = ", ".join(f"{kind} {len(getattr(self, kind))}" for kind in KINDS)
        said = "".join(f"; {note}" for note in self.notes)
        return f"{counts}: {100 * self.share:.1f} % of the parameters{said}"

    def table(self) -> str:
        """Return a line of CSV for each tensor of the model and of the checkpoint: its name, and what became of it.

        Examples
        --------
        >>> print(Transfer(("a",), ("b",), (), ("head",), (), (), 0.9).table(), end="")
        tensor,transfer
        a,matched
        b,inflated
        head,missing
        """
        rows = [f"{name},{kind}\n" for kind in KINDS for name in getattr(self, kind)]
        return "".join(["tensor,transfer\n", *rows])

    @property
    def came(self) -> tuple[str, ...]:
        """Every tensor that holds numbers of the checkpoint."""
        return self.matched + self.inflated + self.reshaped


def transfer(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    *,
    strict: bool = True,
    minimum: float = 0.9,
    reshaped: Sequence[str] = (),
    channels: Sequence[str] = (),
    init: Init = "zero",
    needed: Collection[str] = (),
) -> Transfer:
    """Copy tensors into a model by name.

    A model of several channels names them in ``channels``, and in ``by_channel`` the tensors that hold a block for
    each, with the axis of the channels; they are brought over by name (`biotl.models.inflation`). Of the rest, a tensor
    whose shape differs in ones only, or that is named in `reshaped`, is reshaped; one with fewer rows fills the first
    rows; any other of another shape is left out, and reported.

    Parameters
    ----------
    model : nn.Module
        Changed in place.
    tensors : mapping of str to Tensor
        Under the names of the model.
    strict : bool
        Refuse anything but matched and reshaped tensors, and channels brought over by name.
    minimum : float
        Least share of the model's parameters that must come; checked without ``strict`` too.
    reshaped : sequence of str
        See `biotl.models.foreign.Layout`.
    channels : sequence of str
        The channels of the checkpoint, in order; by default those of the model.
    init : {"zero", "mean", "noise"}
        Where channels start that the checkpoint does not have.
    needed : collection of str
        Tensors that have to come at any share, such as those that are to stay frozen.

    Raises
    ------
    ConfigError
        Naming the first tensor at fault, or the share that came; or if a needed tensor or the model's input layer (its
        first group, and every tensor of ``by_channel``) would stay as it was drawn, which makes all above it worthless.
        The model is then unchanged.
    """
    state = model.state_dict()
    target: tuple[str, ...] = tuple(getattr(model, "channels", ()))
    by_channel: Mapping[str, int] = getattr(model, "by_channel", {}) if target else {}
    source = tuple(channels) or target
    new: dict[str, Tensor] = {}
    kinds: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for name, own in state.items():
        kind = "missing"
        if name in tensors and name in by_channel and source != target:
            grown = inflate(tensors[name], own, by_channel[name], source, target, init=init)
            kind = "mismatched" if grown is None else "inflated"
            new |= {} if grown is None else {name: grown}
        elif name in tensors:
            kind = _fit(tensors[name], own, named=name in reshaped)
            if kind not in {"missing", "mismatched"}:
                theirs = tensors[name]
                new[name] = torch.cat([theirs, own[len(theirs) :]]) if kind == "inflated" else theirs.reshape(own.shape)
        kinds[kind].append(name)
    kinds["extra"] += [name for name in tensors if name not in state]
    parameters = {name: p.numel() for name, p in model.named_parameters()}
    for name in set(kinds["inflated"]) & set(by_channel) & set(parameters):  # new channels could not come
        parameters[name] = parameters[name] * len(set(source) & set(target)) // len(target)
    came = sum(min(tensors[name].numel(), n) for name, n in parameters.items() if name in new)
    share = came / sum(parameters.values())
    for kind in ("mismatched", "missing", "extra", "inflated"):
        found = [name for name in kinds[kind] if kind != "inflated" or name not in by_channel]
        if strict and found:
            got, wanted = _shape(tensors, found[0]), _shape(state, found[0])
            raise ConfigError(
                f"transfer: {found[0]}: got {got}, wanted {wanted} ({len(found)} {kind}); a minimum share below 1 "
                "takes the rest"
            )
    if share < minimum or not share:
        wanted = f"{100 * minimum:.1f} % at least" if minimum else "some"
        raise ConfigError(f"transfer: got {100 * share:.1f} % of the parameters, wanted {wanted}")
    for name in (*kinds["missing"], *kinds["mismatched"]):
        if name in by_channel or name in input_layer(model):
            got, wanted = _shape(tensors, name), _shape(state, name)
            raise ConfigError(f"transfer: {name}: got {got}, wanted {wanted}: a random input layer is never taken")
        if name in needed:
            got, wanted = _shape(tensors, name), _shape(state, name)
            raise ConfigError(f"transfer: {name}: got {got}, wanted {wanted}: it would stay frozen as it was drawn")
    model.load_state_dict({**state, **new})
    notes: tuple[str, ...] = ()
    if source != target and by_channel:
        words = {
            "copied": [name for name in target if name in source],
            f"new ({init})": [name for name in target if name not in source],
            "dropped": [name for name in source if name not in target],
        }
        notes = ("channels: " + ", ".join(f"{' '.join(names)} {what}" for what, names in words.items() if names),)
    return Transfer(**{kind: tuple(names) for kind, names in kinds.items()}, share=share, notes=notes)


def input_layer(model: nn.Module) -> set[str]:
    """Return the names of the parameters of a model's first group."""
    groups: Mapping[str, Sequence[Any]] = getattr(model, "groups", dict)()
    members = next(iter(groups.values()), ())
    held = {id(p) for member in members for p in (member.parameters() if isinstance(member, nn.Module) else [member])}
    return {name for name, p in model.named_parameters() if id(p) in held}


def _shape(tensors: Mapping[str, Tensor], name: str) -> object:
    return tuple(tensors[name].shape) if name in tensors else "nothing"


def _fit(tensor: Tensor, own: Tensor, *, named: bool) -> str:
    if tensor.shape == own.shape:
        return "matched"
    ones = [n for n in tensor.shape if n > 1] == [n for n in own.shape if n > 1]
    if tensor.numel() == own.numel() and (ones or named):
        return "reshaped"
    rows = tensor.ndim == own.ndim > 0 and tensor.shape[1:] == own.shape[1:] and len(tensor) < len(own)
    return "inflated" if rows else "mismatched"
