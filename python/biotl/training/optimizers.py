"""The optimiser of a stage, and its state as tensors by name."""

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from biotl.training.groups import Trained
from biotl.training.stages import Stage


def make(stage: Stage, trained: Trained) -> Optimizer:
    """Make the optimiser of a stage, with one group of parameters for each learning rate."""
    spec = stage.optimizer
    groups = trained.optimizer_groups()
    if spec.name == "sgd":
        return SGD(groups, momentum=spec.momentum, weight_decay=spec.weight_decay)
    maker = AdamW if spec.name == "adamw" else Adam
    return maker(groups, betas=spec.betas, weight_decay=spec.weight_decay)


def tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the state as tensors named ``parameter.key``."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{key}": torch.as_tensor(value)
        for index, values in state.items()
        for key, value in values.items()
        if value is not None
    }


def restore(optimizer: Optimizer, saved: dict[str, Tensor]) -> None:
    """Put back what `tensors` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in saved.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
