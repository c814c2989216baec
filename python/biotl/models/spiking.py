"""A spiking network over windows: leaky integrate-and-fire layers, scanned as one operation each."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from biotl.errors import ConfigError
from biotl.models.membrane import Membrane, scan

AXES = {0: "batch"}
GOLDEN = 0.6180339887498949
"""Phases of neighbouring inputs this far apart, modulo 1, are spread as evenly as can be."""


class WindowLayers(nn.Module):
    """The layers of a network that reads a whole window at once: the samples, and beside them measures of its beats.

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
    beats : int
        Columns of ``beats``, the measures of each window's beats that a spec with ``beats`` gives; 0 for none.
    dropout : float
        Of cells between layers.
    """

    inputs: tuple[str, ...] = ("signal",)
    output = "logits"
    axes: ClassVar[dict[str, dict[int, str]]] = dict.fromkeys(("signal", "beats", "logits", "embedding"), AXES)
    by_channel: ClassVar[dict[str, int]] = {"layers.0.weight": 1}

    def __init__(
        self,
        channels: Sequence[str] = ("ECG",),
        length: int = 2500,
        hidden: Sequence[int] = (256, 128),
        outputs: int = 2,
        *,
        beats: int = 0,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.channels = tuple(channels)
        sizes = [len(self.channels) * length, *hidden, outputs]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.beats = nn.Linear(beats, sizes[1], bias=False) if beats else None
        self.inputs = ("signal", "beats") if beats else ("signal",)
        self.dropout = nn.Dropout(dropout)

    def groups(self) -> dict[str, list[nn.Module]]:
        """Return what a stage can train by name.

        ``layer1`` to ``layer3``, of which the last has the dropout, and ``beats`` where they are read.
        """
        named: dict[str, list[nn.Module]] = {f"layer{k}": [layer] for k, layer in enumerate(self.layers, 1)}
        named[f"layer{len(self.layers)}"].append(self.dropout)
        return named if self.beats is None else {"beats": [self.beats], **named}


class Spiking(WindowLayers):
    """Three layers of spiking cells over a window: by default the documented 673,410 parameters.

    Parameters
    ----------
    channels, length, hidden, outputs, beats, dropout
        See `WindowLayers`. A cell that is dropped is silent for all steps (Lee et al. 2020): drawn anew at each, the
        loss of a spike is made good a step later.
    steps : int
        Time steps; the whole window is shown at each.
    encoding : {"current", "rate"}
        The window, from 0 to 1, as a constant current, whose first product is computed once; or as spikes of which each
        sample gives ``gain / 100`` times its height a step: at random in training, evenly spread in evaluation, so that
        the same window gets the same answer. Beats are a constant current either way.
    gain : float
        Of either encoding: a current of ``gain / 100`` has the mean of those spikes.
    beta, threshold, slope : float
        Leak a step, threshold and steepness of the surrogate gradient.
    temperature : float, optional
        Logits are spike counts over it: counts of 0 to 100 would saturate any loss. By default a quarter of the steps:
        the surest answer is then a margin of 4, or 98 %.

    Examples
    --------
    >>> sum(p.numel() for p in Spiking().parameters())
    673410
    """

    def __init__(
        self,
        channels: Sequence[str] = ("ECG",),
        length: int = 2500,
        hidden: Sequence[int] = (256, 128),
        outputs: int = 2,
        *,
        beats: int = 0,
        dropout: float = 0.5,
        steps: int = 100,
        encoding: Literal["current", "rate"] = "current",
        gain: float = 10.0,
        beta: float = 0.9,
        threshold: float = 1.0,
        slope: float = 25.0,
        temperature: float | None = None,
    ) -> None:
        super().__init__(channels, length, hidden, outputs, beats=beats, dropout=dropout)
        if encoding not in {"current", "rate"}:
            raise ConfigError(f"model.encoding: got {encoding!r}, wanted current or rate")
        temperature = steps / 4 if temperature is None else temperature
        if steps < 1 or temperature <= 0 or not 0 <= beta <= 1:
            raise ConfigError(
                f"model: got steps {steps}, temperature {temperature}, beta {beta}, wanted steps from 1, a temperature "
                "above 0, a beta from 0 to 1"
            )
        self.steps, self.encoding, self.rate = steps, encoding, gain / 100
        self.beta, self.threshold, self.slope, self.temperature = beta, threshold, slope, temperature

    def forward(self, signal: Tensor, beats: Tensor | None = None) -> dict[str, Tensor]:
        """Read windows.

        Parameters
        ----------
        signal : Tensor of float32, shape (batch, channels, length)
            In any unit: each window is brought to 0 to 1.
        beats : Tensor of float32, shape (batch, columns), optional
            Measures of the beats of each window, about 0 and of about one size.

        Returns
        -------
        dict of str to Tensor
            ``logits`` (batch, outputs), spikes of the last layer over `temperature`; ``embedding`` (batch, cells), the
            share of steps in which each cell below it spikes; ``spikes`` (batch, layers), how many each layer gave.
        """
        # a threshold turns a rounding error into a spike: in evaluation sums are of double precision, so that torch and
        # onnxruntime, which add in another order, spike alike
        wide = signal.dtype if self.training else torch.float64
        x = unit(signal.flatten(1).to(wide))
        first, *rest = self.layers
        drive = (self.rate * x).unsqueeze(0) if self.encoding == "current" else self.encoded(x)
        current = linear(first, drive)
        if self.beats is not None and beats is not None:
            current = current + nn.functional.linear(beats.to(wide), self.beats.weight.to(wide))
        below = spikes = self.fire(current)
        totals = [spikes.sum((0, 2))]
        for layer in rest:
            below = spikes
            kept = self.dropout(torch.ones_like(below[0])) if self.training else 1.0
            spikes = self.fire(linear(layer, below * kept))
            totals.append(spikes.sum((0, 2)))
        return {
            "logits": (spikes.sum(0) / self.temperature).to(signal.dtype),
            "embedding": below.mean(0).to(signal.dtype),
            "spikes": torch.stack(totals, 1).to(signal.dtype),
        }

    def onnx(self) -> Any:
        """Return the network as it evaluates, as an ONNX model of `inputs` and `output`.

        Its steps are one Scan a layer; traced, they would be unrolled into thousands of operators.
        """
        from biotl.models.spiking_graph import Cells, graph

        weights = [tuple(p.detach().cpu().float().numpy() for p in layer.parameters()) for layer in self.layers]
        beats = None if self.beats is None else self.beats.weight.detach().cpu().float().numpy()
        inputs = weights[0][0].shape[1]
        phase = phases(inputs).numpy() if self.encoding == "rate" else None
        cells = Cells(self.steps, self.rate, self.beta, self.threshold, self.temperature, phase)
        return graph(weights, cells, channels=len(self.channels), beats=beats, output=self.output)

    def encoded(self, x: Tensor) -> Tensor:
        """Return the spikes of inputs (batch, inputs) from 0 to 1, shape (steps, batch, inputs)."""
        p = self.rate * x
        if self.training:
            return torch.rand(self.steps, *x.shape, dtype=x.dtype, device=x.device).lt_(p)
        phase = phases(x.shape[1]).to(x)
        at = torch.arange(self.steps + 1, dtype=x.dtype, device=x.device)[:, None, None]
        # a spike wherever the sum of the rate, from a phase of the input's own, passes a whole number
        return torch.diff(torch.floor(at * p + phase), dim=0)

    def fire(self, current: Tensor) -> Tensor:
        """Return the spikes of currents (steps, batch, cells), or of one that is the same at all steps."""
        if torch.is_grad_enabled():
            return Membrane.apply(current, self.steps, self.beta, self.threshold, self.slope)  # type: ignore[no-any-return]
        return scan(current, self.steps, self.beta, self.threshold)[0]


class SpikingTwin(WindowLayers):
    """The same layers with a plain rectifier instead of spikes, to say what spiking costs or gains.

    Parameters
    ----------
    channels, length, hidden, outputs, beats, dropout
        See `WindowLayers`.

    Examples
    --------
    >>> sum(p.numel() for p in SpikingTwin().parameters())
    673410
    """

    def forward(self, signal: Tensor, beats: Tensor | None = None) -> dict[str, Tensor]:
        """Read windows as `Spiking` does; ``logits`` (batch, outputs) and ``embedding`` (batch, cells)."""
        first, *rest = self.layers
        # mean 0, as the spiking cells have a threshold for what is common to all inputs
        x = first(2 * unit(signal.flatten(1)) - 1)
        if self.beats is not None and beats is not None:
            x = x + self.beats(beats)
        for layer in rest:
            below = torch.relu(x)
            x = layer(self.dropout(below))
        return {"logits": x, "embedding": below}


def unit(x: Tensor) -> Tensor:
    """Bring each row, shape (batch, inputs), to 0 to 1; a flat one to 0."""
    low, high = x.amin(1, keepdim=True), x.amax(1, keepdim=True)
    return (x - low) / (high - low).clamp_min(1e-12)


def phases(inputs: int) -> Tensor:
    """Return where in a period each input's evenly spread spikes begin, float64 (inputs,), from 0 to 1."""
    return torch.arange(inputs, dtype=torch.float64) * GOLDEN % 1


def linear(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply a linear layer in the precision of `x`."""
    weight, bias = layer.parameters()
    return nn.functional.linear(x, weight.to(x.dtype), bias.to(x.dtype))
