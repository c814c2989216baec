"""Preprocessing and decision inside an ONNX file, so that nothing but an onnxruntime is needed to ask it.

Windows and sequences only. Every channel is an input of its own name, of raw samples; what comes out has one row a
window or step. Nothing judges the signal: where a channel that has to be there holds NaN, within the reach of its
filters, the answer is NaN.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import helper

from biotl.datasets.preprocessor import Preprocessor
from biotl.datasets.spec_kinds import Spec
from biotl.deploy.decision import Decision
from biotl.deploy.graph_answer import GIVES, decided
from biotl.deploy.graph_filter import settle
from biotl.deploy.graph_nodes import BOOL, FLOAT, OPSET, Nodes, rename
from biotl.deploy.graph_windows import HINT, design, preprocess
from biotl.deploy.metadata import DECISION
from biotl.errors import ConfigError

READS = ("signal", "measured")
FREQUENCIES = (1, 2, 5, 10, 20, 40)
"""Hz: of beats, and of the waves in them."""


@dataclass(frozen=True)
class Input:
    """One input of a file that takes raw samples: float32 (batch, samples)."""

    name: str
    unit: str
    fs: float
    optional: bool


def inputs(spec: Spec, rates: Mapping[str, float]) -> list[Input]:
    """Return what a file with its preprocessing inside takes.

    Parameters
    ----------
    spec : WindowSpec or SequenceSpec
        The preprocessing.
    rates : mapping of str to float
        Rate of each channel of the recordings that the file is for, Hz.

    Raises
    ------
    ConfigError
        If a channel has no rate.
    """
    for channel in spec.channels:
        if not rates.get(channel.name, 0) > 0:
            raise ConfigError(f"rate of {channel.name}: got {rates.get(channel.name)}, wanted its rate in Hz")
    return [Input(c.name, c.unit, float(rates[c.name]), c.optional) for c in spec.channels]


def reach_s(spec: Spec) -> float:
    """Return how far a sample reaches through the filters of a spec, in seconds; beyond it nothing is left of it."""
    return max(
        (sum(settle(design(step, spec.fs)) for step in channel.filters) / spec.fs for channel in spec.channels),
        default=0.0,
    )


def phase(spec: Spec) -> dict[str, Any]:
    """Return what filters that run once do to a wave, by channel: at some frequencies, delay in ms and gain in dB.

    Forward and backward, as in training, there is no delay, and the gain in dB is twice that.
    """
    found = {}
    for channel in spec.channels:
        filters = [design(step, spec.fs) for step in channel.filters]
        rows = []
        for hz in (f for f in FREQUENCIES if f < 0.45 * spec.fs and filters):
            # the slope of the phase over a hundredth of a hertz
            z = np.exp(2j * np.pi * (hz + np.array([-0.005, 0.005])) / spec.fs)
            h = np.prod([np.polyval(s[:3], z) / np.polyval(s[3:], z) for sos in filters for s in sos], axis=0)
            delay = -np.angle(h[1] / h[0]) / (2 * np.pi * 0.01)
            gain = 20 * np.log10(max(abs(h[0] + h[1]) / 2, 1e-9))
            rows.append({"hz": hz, "delay_ms": round(1000 * float(delay), 1), "gain_db": round(float(gain), 2)})
        found[channel.name] = rows
    return found


def with_preprocessing(
    proto: Any, preprocessor: Preprocessor, rates: Mapping[str, float], *, causal: bool = False
) -> Any:
    """Return a model of raw samples.

    Parameters
    ----------
    proto : ModelProto
        A network that reads ``signal``, and ``measured`` if it likes; it has one output, whose first axis is free.
    preprocessor : Preprocessor
        What makes these of a recording; fitted.
    rates : mapping of str to float
        Rate of each channel in Hz.
    causal : bool
        See `graph_windows.preprocess`.

    Returns
    -------
    ModelProto
        Inputs are the channels by name; the output has shape (batch, windows, ...) or (batch, steps, ...).

    Raises
    ------
    ConfigError
        If the spec, or what the network reads, cannot stand in a graph.
    """
    spec, asked = preprocessor.spec, inputs(preprocessor.spec, rates)
    (output,) = proto.graph.output
    name, stepwise = output.name, preprocessor.unit == "step"
    tail = [int(size) for size in shape_of(output)[2 if stepwise else 1 :]]
    reads = [item.name for item in proto.graph.input]
    if other := [name for name in reads if name not in READS]:
        raise ConfigError(f"preprocess: got a model that reads {', '.join(other)}, wanted signal and measured: {HINT}")
    before, after = Nodes("raw"), Nodes("rows")
    front = preprocess(before, spec, preprocessor.state, rates, causal=causal)
    # a channel may be called as something inside is
    rename(proto.graph, {one.name: f"{one.name}.inside" for one in asked} | {name: "rows.of"})
    given = dict(zip(READS, (front.signal, front.measured), strict=True))
    rename(proto.graph, {name: given[name] for name in reads})
    rows = after("Add", "rows.of", after("Unsqueeze", front.nothing, [2]) if stepwise and tail else front.nothing)
    rows = after("Reshape", rows, after("Concat", front.batch, [-1, *tail], axis=0))
    rows = after.cut(rows, 0, front.steps) if stepwise else rows
    after("Identity", rows, name=name)
    gives = [name, output.type.tensor_type.elem_type, ["batch", "steps" if stepwise else "windows", *tail]]
    graph = helper.make_graph(
        [*before.nodes, *proto.graph.node, *after.nodes],
        proto.graph.name,
        _takes(asked),
        [helper.make_tensor_value_info(*gives)],
        [*before.initializers(), *proto.graph.initializer, *after.initializers()],
    )
    return helper.make_model(
        graph, opset_imports=proto.opset_import, ir_version=proto.ir_version, functions=proto.functions
    )


def preprocessing(preprocessor: Preprocessor, rates: Mapping[str, float], *, causal: bool = False) -> Any:
    """Return the preprocessing alone as a model of opset 17: from raw samples to what a network reads."""
    spec, asked = preprocessor.spec, inputs(preprocessor.spec, rates)
    nodes = Nodes("raw")
    front = preprocess(nodes, spec, preprocessor.state, rates, causal=causal)
    nodes("Identity", front.signal, name=READS[0])
    nodes("Identity", front.measured, name=READS[1])
    shape = ["rows", "channels", "samples"] if preprocessor.unit == "window" else ["rows", "steps", "channels"]
    graph = helper.make_graph(
        nodes.nodes,
        "preprocessing",
        _takes(asked),
        [helper.make_tensor_value_info(name, of, shape) for name, of in zip(READS, (FLOAT, BOOL), strict=True)],
        nodes.initializers(),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def _takes(asked: Sequence[Input]) -> list[Any]:
    one_rate = len({one.fs for one in asked}) == 1
    lengths = ["samples" if one_rate else f"samples_{one.name}" for one in asked]
    return [
        helper.make_tensor_value_info(one.name, FLOAT, ["batch", length])
        for one, length in zip(asked, lengths, strict=True)
    ]


def with_decision(proto: Any, decision: Decision) -> Any:
    """Add what a decision makes of the output to a model, as further outputs; see `graph_answer.decided`."""
    (output,) = proto.graph.output
    rename(proto.graph, {name: f"{name}.inside" for name in GIVES}, keep=output.name)
    nodes = Nodes(DECISION)
    added = decided(nodes, output.name, decision, shape_of(output))
    proto.graph.node.extend(nodes.nodes)
    proto.graph.initializer.extend(nodes.initializers())
    proto.graph.output.extend(helper.make_tensor_value_info(*one) for one in added)
    return proto


def shape_of(item: Any) -> list[int | str]:
    """Return the shape of an input or output, free dimensions by name."""
    return [dim.dim_param or dim.dim_value for dim in item.type.tensor_type.shape.dim]
