"""A spiking network over windows: leaky integrate-and-fire layers, scanned as one operation each."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from biotl.errors import ConfigError

AXES = {0: "batch"}
GOLDEN = 0.6180339887498949
"""Phases of neighbouring inputs this far apart, modulo 1, are spread as evenly as can be."""


class Membrane(torch.autograd.Function):
    """Spikes of leaky integrate-and-fire cells over all time steps at once.

    The membrane is ``v[t] = beta v[t-1] + x[t] - threshold s[t-1]`` and the spike ``s[t] = v[t] > threshold``, as in
    snnTorch's `Leaky` with its default reset (subtracted, one step late, without a gradient of its own). The gradient
    of a spike is that of a fast sigmoid, ``1 / (1 + slope |v - threshold|)**2`` (Zenke and Ganguli 2018). One node of
    the graph stands for all steps, where a loop in autograd keeps several a step.
    """

    @staticmethod
    def forward(ctx: Any, current: Tensor, beta: float, threshold: float, slope: float) -> Tensor:
        """Return the spikes of ``current``, shape (batch, steps, cells)."""
        spikes, membrane = scan(current, beta, threshold)
        ctx.save_for_backward(membrane)
        ctx.numbers = beta, threshold, slope
        return spikes

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """Go back through the steps."""
        (membrane,) = ctx.saved_tensors
        beta, threshold, slope = ctx.numbers
        local = grad / (1 + slope * (membrane - threshold).abs()) ** 2
        for t in range(local.shape[1] - 2, -1, -1):
            local[:, t] += beta * local[:, t + 1]
        return local, None, None, None


def scan(current: Tensor, beta: float, threshold: float) -> tuple[Tensor, Tensor]:
    """Return spikes and membranes of currents, each of shape (batch, steps, cells)."""
    v = torch.zeros_like(current[:, 0])
    spike = v
    spikes, membranes = [], []
    for x in current.unbind(1):
        v = beta * v + x - spike * threshold
        spike = (v > threshold).to(v.dtype)
        spikes.append(spike)
        membranes.append(v)
    return torch.stack(spikes, 1), torch.stack(membranes, 1)


class Spiking(nn.Module):
    """Three layers of spiking cells over a window: by default the documented 673,410 parameters.

    Parameters
    ----------
    channels : sequence of str
        Names of the channels; their samples are inputs one beside the other.
    length : int
        Samples of a window.
    hidden : sequence of int
        Cells of the layers below the last.
    outputs : int
        Classes.
    steps : int
        Time steps; the whole window is shown at each.
    encoding : {"current", "rate"}
        The window, from 0 to 1, as a constant current, whose first product is computed once; or as spikes of which each
        sample gives ``gain / 100`` times its height a step: at random in training, evenly spread in evaluation, so that
        the same window gets the same answer.
    gain : float
        Of either encoding: a current of ``gain / 100`` has the mean of those spikes.
    beta, threshold, slope : float
        Leak a step, threshold and steepness of the surrogate gradient.
    dropout : float
        Of spikes between layers.
    temperature : float
        Logits are spike counts over it: counts of 0 to 100 saturate any loss.

    Examples
    --------
    >>> sum(p.numel() for p in Spiking().parameters())
    673410
    """

    inputs = ("signal",)
    output = "logits"
    axes: ClassVar[dict[str, dict[int, str]]] = dict.fromkeys((*inputs, "logits", "embedding"), AXES)
    by_channel: ClassVar[dict[str, int]] = {"layers.0.weight": 1}

    def __init__(
        self,
        channels: Sequence[str] = ("ECG",),
        length: int = 2500,
        hidden: Sequence[int] = (256, 128),
        outputs: int = 2,
        *,
        steps: int = 100,
        encoding: Literal["current", "rate"] = "current",
        gain: float = 10.0,
        beta: float = 0.9,
        threshold: float = 1.0,
        slope: float = 25.0,
        dropout: float = 0.5,
        temperature: float = 10.0,
    ) -> None:
        super().__init__()
        if encoding not in {"current", "rate"}:
            raise ConfigError(f"model.encoding: got {encoding!r}, wanted current or rate")
        if steps < 1 or temperature <= 0 or not 0 <= beta <= 1:
            raise ConfigError(
                f"model: got steps {steps}, temperature {temperature}, beta {beta}, wanted steps from 1, a temperature "
                "above 0, a beta from 0 to 1"
            )
        self.channels, self.steps, self.encoding, self.rate = tuple(channels), steps, encoding, gain / 100
        self.beta, self.threshold, self.slope, self.temperature = beta, threshold, slope, temperature
        sizes = [len(self.channels) * length, *hidden, outputs]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.dropout = nn.Dropout(dropout)

    def groups(self) -> dict[str, list[nn.Module]]:
        """Return what a stage can train by name: ``layer1`` to ``layer3``; the dropout is on where the last trains."""
        named: dict[str, list[nn.Module]] = {f"layer{k}": [layer] for k, layer in enumerate(self.layers, 1)}
        named[f"layer{len(self.layers)}"].append(self.dropout)
        return named

    def forward(self, signal: Tensor) -> dict[str, Tensor]:
        """Read windows.

        Parameters
        ----------
        signal : Tensor of float32, shape (batch, channels, length)
            In any unit: each window is brought to 0 to 1.

        Returns
        -------
        dict of str to Tensor
            ``logits`` (batch, outputs), spikes of the last layer over `temperature`; ``embedding`` (batch, cells), the
            share of steps in which each cell below it spikes; ``spikes`` (batch,), how many there were in all.
        """
        # a threshold turns a rounding error into a spike: in evaluation sums are of double precision, so that torch and
        # onnxruntime, which add in another order, spike alike
        wide = signal.dtype if self.training else torch.float64
        x = signal.flatten(1).to(wide)
        low, high = x.amin(1, keepdim=True), x.amax(1, keepdim=True)
        x = (x - low) / (high - low).clamp_min(1e-12)
        first, *rest = self.layers
        if self.encoding == "current":
            current = linear(first, self.rate * x).unsqueeze(1).expand(-1, self.steps, -1)
        else:
            current = linear(first, self.encoded(x))
        spikes = self.fire(current)
        total = spikes.sum((1, 2))
        for layer in rest:
            below = spikes
            spikes = self.fire(linear(layer, self.dropout(below)))
            total = total + spikes.sum((1, 2))
        counts = spikes.sum(1) / self.temperature
        return {
            "logits": counts.to(signal.dtype),
            "embedding": below.mean(1).to(signal.dtype),
            "spikes": total.to(signal.dtype),
        }

    def onnx(self) -> Any:
        """Return the network as it evaluates, as an ONNX model of `inputs` and `output`.

        Its steps are one Scan a layer; traced, they would be unrolled into thousands of operators.
        """
        from biotl.models.spiking_graph import graph

        return graph(self)

    def encoded(self, x: Tensor) -> Tensor:
        """Return the spikes of inputs (batch, inputs) from 0 to 1, shape (batch, steps, inputs)."""
        p = (self.rate * x).unsqueeze(1)
        if self.training:
            return (torch.rand(len(x), self.steps, x.shape[1], dtype=x.dtype, device=x.device) < p).to(x.dtype)
        phase = torch.arange(x.shape[1], dtype=x.dtype, device=x.device) * GOLDEN % 1
        at = torch.arange(self.steps + 1, dtype=x.dtype, device=x.device).unsqueeze(1)
        # a spike wherever the sum of the rate, from a phase of the input's own, passes a whole number
        return torch.diff(torch.floor(at * p + phase), dim=1)

    def fire(self, current: Tensor) -> Tensor:
        """Return the spikes of currents, shape (batch, steps, cells)."""
        if torch.is_grad_enabled() and not torch.compiler.is_exporting():
            return Membrane.apply(current, self.beta, self.threshold, self.slope)  # type: ignore[no-any-return]
        return scan(current, self.beta, self.threshold)[0]


def linear(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply a linear layer in the precision of `x`."""
    weight, bias = layer.parameters()
    return nn.functional.linear(x, weight.to(x.dtype), bias.to(x.dtype))
