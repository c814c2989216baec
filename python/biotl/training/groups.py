"""Which parameters train: the model declares named groups, a stage selects them, all the rest is frozen."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from biotl.config import nearest
from biotl.errors import ConfigError
from biotl.models.inflation import blocks
from biotl.training.stages import Stage

Member = nn.Module | nn.Parameter
PATTERN = re.compile(r"^([^\[\]]+)(?:\[(?:(-?\d+)|(-?\d+)?(:)(-?\d+)?)\])?$")
CHANNELS = re.compile(r"^channels\[([^\[\]]+)\]$")


def select(model: nn.Module, pattern: str) -> list[Member]:
    """Return the modules and parameters that a pattern names.

    A pattern is ``all``, a group that ``model.groups()`` declares, or a dotted path to a module or parameter, each with
    an index or slice where it has members: ``blocks[-2:]``; or ``channels[ACC_X, ACC_Y]``, the tensors that hold a
    block for each channel, of which these channels' blocks train.

    Raises
    ------
    ConfigError
        If the pattern matches nothing, or nothing that can train.
    """
    groups = declared(model)
    if CHANNELS.match(pattern):
        held = dict(model.named_parameters())
        return [held[name] for name in _of_channels(model, pattern)]
    match = PATTERN.match(pattern)
    if not match:
        raise ConfigError(f"trains: {pattern!r} is no pattern such as head, blocks[-2:] or all")
    name, place, first, colon, last = match.groups()
    indexed = place is not None or colon is not None
    if name == "all":
        members: list[Member] = [model]
    elif name in groups:
        members = list(groups[name])
    else:
        try:
            members = _by_path(model, name)
        except AttributeError:
            known = [*groups, *(child for child, _ in model.named_children()), "all"]
            raise ConfigError(
                f"trains: {pattern!r} matches nothing in the model{nearest(name, dict.fromkeys(known))}"
            ) from None
        one = members[0]
        if indexed and isinstance(one, nn.Parameter):
            members = []  # its rows do not train one by one
        elif indexed and isinstance(one, nn.Module) and isinstance(one, Iterable):
            members = [*one.children()] or [*one.parameters()]
    if indexed:
        start, stop = (int(text) if text else None for text in (first, last))
        try:
            members = members[start:stop] if colon else [members[int(place)]]
        except IndexError:
            members = []
    if not any(True for _ in parameters(members)):
        raise ConfigError(f"trains: {pattern!r} matches nothing that can train ({len(members)} members)")
    return members


def _of_channels(model: nn.Module, pattern: str) -> dict[str, torch.Tensor]:
    """Return where the channels that a pattern names lie in each tensor with a block for each: bool, of its shape."""
    channels: tuple[str, ...] = tuple(getattr(model, "channels", ()))
    named = CHANNELS.match(pattern)
    wanted = [name.strip() for name in named[1].split(",")] if named else []
    if strange := [name for name in wanted if name not in channels]:
        raise ConfigError(f"trains: {pattern!r}: the model has no channel {strange[0]}{nearest(strange[0], channels)}")
    by_channel: dict[str, int] = dict(getattr(model, "by_channel", {})) if wanted else {}
    masks = {n: torch.zeros_like(p, dtype=torch.bool) for n, p in model.named_parameters() if n in by_channel}
    for name, mask in masks.items():
        by = blocks(mask, by_channel[name], len(channels))
        if by is not None:  # a view of the mask
            by[[channels.index(channel) for channel in wanted]] = True
    return masks


def declared(model: nn.Module) -> dict[str, list[Member]]:
    """Return the groups that a model declares, from the input to the output; a list of modules is its members."""
    groups = model.groups() if hasattr(model, "groups") else {}  # type: ignore[operator]
    return {
        name: [part for member in members for part in (member if isinstance(member, nn.ModuleList) else [member])]
        for name, members in groups.items()
    }


def without_group(model: nn.Module) -> list[str]:
    """Return the dropouts that no declared group holds, and that no group a stage trains can therefore turn on."""
    groups = [member for members in declared(model).values() for member in members]
    held = {id(module) for member in groups if isinstance(member, nn.Module) for module in member.modules()}
    drops = [path for path, module in model.named_modules() if isinstance(module, _DropoutNd) and module.p > 0]
    return [path for path in drops if held and id(model.get_submodule(path)) not in held]


def _by_path(model: nn.Module, path: str) -> list[Member]:
    parent, _, leaf = path.rpartition(".")
    found = getattr(model.get_submodule(parent), leaf)
    if not isinstance(found, nn.Module | nn.Parameter):
        raise AttributeError(path)
    return [found]


def parameters(members: Iterable[Member]) -> Iterable[nn.Parameter]:
    """Yield the parameters of modules and parameters."""
    for member in members:
        yield from member.parameters() if isinstance(member, nn.Module) else [member]


@dataclass(frozen=True)
class Trained:
    """What a stage trains: parameters by name and by pattern, the rate of each, the modules in training mode."""

    parameters: dict[str, nn.Parameter]
    rates: dict[str, float]
    active: list[nn.Module]
    members: dict[str, list[nn.Parameter]]
    only: dict[str, torch.Tensor] = field(default_factory=dict)  # where a tensor trains that does not train whole

    def train(self, model: nn.Module) -> None:
        """Put what trains in training mode and everything else in evaluation mode: no dropout, no moving statistics."""
        model.eval()
        for module in self.active:
            module.training = True

    def may_move(self, model: nn.Module) -> set[str]:
        """Return the names of what may change: parameters that train, and statistics of modules in training mode."""
        active = {id(module) for module in self.active}
        buffers = {
            f"{path}.{name}".lstrip(".")
            for path, module in model.named_modules()
            if id(module) in active
            for name, _ in module.named_buffers(recurse=False)
        }
        trained = {id(parameter) for parameter in self.parameters.values()}
        everything = model.named_parameters(remove_duplicate=False)  # tied weights have several names
        return buffers | {name for name, parameter in everything if id(parameter) in trained}

    def counts(self, model: nn.Module) -> dict[str, Any]:
        """Return how many numbers train, of how many, and how many of each pattern."""
        of = {id(p): int(self.only[n].sum()) if n in self.only else p.numel() for n, p in self.parameters.items()}
        return {
            "trains": sum(of.values()),
            "of": sum(parameter.numel() for parameter in model.parameters()),
            "groups": {pattern: sum(of[id(p)] for p in members) for pattern, members in self.members.items()},
        }

    def optimizer_groups(self) -> list[dict[str, object]]:
        """Return one group of parameters for each rate, in the order of the model."""
        by_rate: dict[float, list[nn.Parameter]] = {}
        for name, parameter in self.parameters.items():
            by_rate.setdefault(self.rates[name], []).append(parameter)
        return [{"params": group, "lr": rate, "base": rate} for rate, group in by_rate.items()]


def apply(model: nn.Module, stage: Stage) -> Trained:
    """Freeze everything except what the stage trains, and return that."""
    chosen = {pattern: select(model, pattern) for pattern in stage.trains}
    wanted = {id(parameter) for members in chosen.values() for parameter in parameters(members)}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in wanted)
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    inside = {
        id(module)
        for members in chosen.values()
        for member in members
        if isinstance(member, nn.Module)
        for module in member.modules()
    }
    active = [m for m in model.modules() if id(m) in inside or any(p.requires_grad for p in m.parameters())]
    by_pattern = {pattern: list({id(p): p for p in parameters(found)}.values()) for pattern, found in chosen.items()}
    whole = {id(p) for pattern, found in by_pattern.items() if not CHANNELS.match(pattern) for p in found}
    only: dict[str, torch.Tensor] = {}
    for name, mask in (item for pattern in chosen for item in _of_channels(model, pattern).items()):
        if id(trained[name]) not in whole:
            only[name] = only.get(name, mask) | mask
    return Trained(trained, _rates(model, stage, trained), active, by_pattern, only)


def _rates(model: nn.Module, stage: Stage, trained: dict[str, nn.Parameter]) -> dict[str, float]:
    by_pattern = stage.lr if isinstance(stage.lr, dict) else {"all": stage.lr}
    rate: dict[int, float] = {}
    for pattern, value in by_pattern.items():
        ids = {id(parameter) for parameter in parameters(select(model, pattern))}
        if not ids & {id(parameter) for parameter in trained.values()}:
            raise ConfigError(f"stage {stage.name}: lr names {pattern!r}, which the stage does not train")
        for key in ids:
            rate.setdefault(key, value)
    depth = _depths(model) if stage.layer_decay < 1 else {}
    top = max(depth.values(), default=0)
    rates = {}
    for name, parameter in trained.items():
        if id(parameter) not in rate:
            raise ConfigError(f"stage {stage.name}: {name} trains, and no pattern of lr gives its rate")
        rates[name] = rate[id(parameter)] * stage.layer_decay ** (top - depth.get(id(parameter), top))
    return rates


def _depths(model: nn.Module) -> dict[int, int]:
    """Return the layer of each parameter, from the input up: a module of a group is one, its loose parameters one."""
    if not declared(model):
        raise ConfigError(f"layer_decay: {type(model).__name__} declares no groups() to tell its layers by")
    depths: dict[int, int] = {}
    layer = 0
    for members in declared(model).values():
        loose = [member for member in members if isinstance(member, nn.Parameter)]
        bundles: list[list[Any]] = [[member] for member in members if isinstance(member, nn.Module)]
        for bundle in [*bundles, loose]:
            new = [parameter for parameter in parameters(bundle) if id(parameter) not in depths]
            depths |= dict.fromkeys(map(id, new), layer)
            layer += bool(new)
    return depths


def snapshot(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return deep copies of all weights and statistics, on their device."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
