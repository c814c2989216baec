"""A model of torch as a function of NumPy arrays, which is what answers take."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from biotl.deploy.answer import Forward
from biotl.training.evaluate import outputs


def forward(model: nn.Module, output: str) -> Forward:
    """Return a function from NumPy inputs to one NumPy output of a model, in evaluation mode."""
    device = next(model.parameters()).device
    model.eval()

    def run(inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        batch = {name: torch.as_tensor(value).to(device) for name, value in inputs.items()}
        with torch.inference_mode():
            found: NDArray[Any] = outputs(model, batch)[output].float().cpu().numpy()
        return found

    return run
