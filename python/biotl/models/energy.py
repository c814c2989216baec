"""What an inference of a spiking network costs in operations, beside the same layers without spikes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from biotl.models.spiking import Spiking

MAC_PJ, ADD_PJ = 4.6, 0.9
"""Picojoules of a 32-bit multiply-add and of an addition at 45 nm (Horowitz 2014, ISSCC)."""
SPARSE = 1.38
"""Spikes a synapse and inference above which none of the published comparisons favours spikes (Dampfhoffer 2023)."""


@dataclass(frozen=True)
class Cost:
    """Operations of one inference, mean over the windows that were looked at.

    Parameters
    ----------
    spikes : tuple of float
        Spikes of each layer, from the first.
    rate : tuple of float
        Share of steps in which a cell of each layer spikes.
    additions : float
        Synaptic operations: a spike is one addition at each synapse that it reaches.
    products : float
        Multiply-adds of what comes in as numbers: a constant current is one product of the first layer, once.
    updates : float
        Membranes times steps: a multiply-add each, for the leak.
    twin : float
        Multiply-adds of the same layers without spikes.
    per_synapse : float
        Spikes that a synapse carries an inference, mean over all synapses that spikes reach.
    """

    spikes: tuple[float, ...]
    rate: tuple[float, ...]
    additions: float
    products: float
    updates: float
    twin: float
    per_synapse: float

    def lines(self) -> list[str]:
        """Return the figures as sentences, with what is known of their worth."""
        spiking = ADD_PJ * self.additions + MAC_PJ * (self.products + self.updates)
        each = ", ".join(f"{n:.0f} ({100 * r:.1f} % of steps)" for n, r in zip(self.spikes, self.rate, strict=True))
        return [
            f"spikes an inference, by layer: {each}",
            f"synaptic operations (additions) {self.additions:,.0f}, multiply-adds {self.products:,.0f}, "
            f"membrane updates {self.updates:,.0f}; multiply-adds of the plain twin {self.twin:,.0f}",
            f"at 45 nm, {MAC_PJ} pJ a multiply-add and {ADD_PJ} pJ an addition (Horowitz 2014): spiking "
            f"{spiking / 1e6:.2f} uJ, plain twin {MAC_PJ * self.twin / 1e6:.2f} uJ",
            f"These count arithmetic alone: no memory is read and nothing is moved, which costs more than either. "
            f"{self.per_synapse:.2f} spikes a synapse and inference; by published comparisons a spiking network wins "
            f"below 0.15 to {SPARSE} (Dampfhoffer 2023), so no saving is claimed.",
        ]


def cost(model: Spiking, signal: Tensor, beats: Tensor | None = None) -> Cost:
    """Count the operations of a network on windows.

    Parameters
    ----------
    model : Spiking
        In any mode; it is read as it evaluates.
    signal, beats : Tensor
        As its ``forward`` takes them.

    Returns
    -------
    Cost
        Mean over the windows.

    Examples
    --------
    >>> found = cost(Spiking(steps=10), torch.zeros(1, 1, 2500))
    >>> int(found.twin), int(found.products)
    (673024, 640000)
    """
    was = model.training
    with torch.inference_mode():
        out = model.eval()(signal, beats)
    model.train(was)
    spikes = tuple(out["spikes"].double().mean(0).tolist())
    weights = [next(layer.parameters()) for layer in model.layers]
    shapes = [(int(weight.shape[0]), int(weight.shape[1])) for weight in weights]
    extra = 0 if model.beats is None else model.beats.weight.numel()
    reached = [(n, fan_out) for n, (fan_out, _) in zip(spikes, shapes[1:], strict=False)]
    products, additions = float(extra), sum(n * fan_out for n, fan_out in reached)
    synapses = sum(a * b for a, b in shapes[1:])
    if model.encoding == "current":
        products += shapes[0][0] * shapes[0][1]
    else:
        x = signal.flatten(1).double()
        low, high = x.amin(1, keepdim=True), x.amax(1, keepdim=True)
        given = float(((x - low) / (high - low).clamp_min(1e-12)).sum(1).mean()) * model.rate * model.steps
        additions += given * shapes[0][0]
        synapses += shapes[0][0] * shapes[0][1]
    cells = [shape[0] for shape in shapes]
    rate = tuple(n / (size * model.steps) for n, size in zip(spikes, cells, strict=True))
    twin = float(sum(a * b for a, b in shapes) + extra)
    return Cost(spikes, rate, additions, products, float(sum(cells) * model.steps), twin, additions / synapses)
