"""The spiking network as an ONNX graph: each layer's steps are one Scan."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET, IR = 18, 8
DOUBLE = TensorProto.DOUBLE


@dataclass(frozen=True)
class Cells:
    """The numbers of spiking cells, see `biotl.models.spiking.Spiking`.

    ``phase`` float64 (inputs,) is where in a period each input's spikes begin; without it the input is a constant
    current.
    """

    steps: int
    rate: float
    beta: float
    threshold: float
    temperature: float
    phase: NDArray[np.float64] | None


def graph(
    layers: Sequence[tuple[NDArray[np.float32], ...]],
    cells: Cells,
    *,
    channels: int,
    beats: NDArray[np.float32] | None = None,
    output: str = "logits",
) -> Any:
    """Return the ONNX model of a spiking network in evaluation, in double precision inside.

    Parameters
    ----------
    layers : sequence of (ndarray, ndarray)
        Weight (cells, inputs) and bias (cells,) of each layer, float32.
    cells : Cells
        Of all layers.
    channels : int
        Among which the inputs of the first layer are divided.
    beats : ndarray of float32, shape (cells, columns), optional
        Weight of the input ``beats``, which is added to the current of the first layer.
    output : str
        Name of the output.

    Returns
    -------
    onnx.ModelProto
        ``signal`` float32 (batch, channels, length), and ``beats`` float32 (batch, columns) where they are read, to
        ``output`` float32 (batch, outputs).
    """
    steps, inputs = cells.steps, layers[0][0].shape[1]
    constants = {
        "flat": np.array([0, -1], np.int64),
        "tiny": np.array(1e-12),
        "rate": np.array(cells.rate),
        "beta": np.array(cells.beta),
        "threshold": np.array(cells.threshold),
        "temperature": np.array(cells.temperature),
        "time": np.array([0], np.int64),
        "features": np.array([1], np.int64),
        "ones": np.ones((steps, 1, 1)),
        "next": np.arange(1, steps + 1, dtype=np.float64).reshape(-1, 1, 1),
        "now": np.arange(steps, dtype=np.float64).reshape(-1, 1, 1),
    }
    nodes = [
        helper.make_node("Reshape", ["signal", "flat"], ["flattened"]),
        helper.make_node("Cast", ["flattened"], ["x"], to=DOUBLE),
        helper.make_node("ReduceMin", ["x", "features"], ["low"], keepdims=1),
        helper.make_node("ReduceMax", ["x", "features"], ["high"], keepdims=1),
        helper.make_node("Sub", ["high", "low"], ["range"]),
        helper.make_node("Max", ["range", "tiny"], ["span"]),
        helper.make_node("Sub", ["x", "low"], ["above"]),
        helper.make_node("Div", ["above", "span"], ["unit"]),
        helper.make_node("Mul", ["unit", "rate"], ["p"]),
    ]
    below = "p"
    if cells.phase is not None:
        constants["phase"] = cells.phase
        for name in ("next", "now"):
            nodes += [
                helper.make_node("Mul", [name, "p"], [f"{name}.sum"]),
                helper.make_node("Add", [f"{name}.sum", "phase"], [f"{name}.at"]),
                helper.make_node("Floor", [f"{name}.at"], [f"{name}.count"]),
            ]
        below = "encoded"
        nodes.append(helper.make_node("Sub", ["next.count", "now.count"], [below]))
    if beats is not None:
        constants["beats.weight"] = np.ascontiguousarray(beats.T)
        nodes += [
            helper.make_node("Cast", ["beats"], ["beats.x"], to=DOUBLE),
            helper.make_node("Cast", ["beats.weight"], ["beats.wide"], to=DOUBLE),
            helper.make_node("MatMul", ["beats.x", "beats.wide"], ["beats.current"]),
        ]
    for k, (weight, bias) in enumerate(layers):
        constants |= {f"weight{k}": np.ascontiguousarray(weight.T), f"bias{k}": bias}
        nodes += [
            helper.make_node("Cast", [f"weight{k}"], [f"wide{k}"], to=DOUBLE),
            helper.make_node("Cast", [f"bias{k}"], [f"shift{k}"], to=DOUBLE),
            helper.make_node("MatMul", [below, f"wide{k}"], [f"product{k}"]),
            helper.make_node("Add", [f"product{k}", f"shift{k}"], [f"current{k}"]),
        ]
        current = f"current{k}"
        if k == 0 and beats is not None:
            nodes.append(helper.make_node("Add", [current, "beats.current"], ["with.beats"]))
            current = "with.beats"
        if k == 0 and cells.phase is None:  # the same at every step
            nodes.append(helper.make_node("Mul", ["ones", current], ["repeated"]))
            current = "repeated"
        # a membrane begins at 0: of the shape of one step
        nodes += [
            helper.make_node("ReduceSum", [current, "time"], [f"sum{k}"], keepdims=0),
            helper.make_node("Sub", [f"sum{k}", f"sum{k}"], [f"rest{k}"]),
            helper.make_node(
                "Scan", [f"rest{k}", f"rest{k}", current], [f"v{k}", f"s{k}", f"spikes{k}"],
                body=_step(), num_scan_inputs=1,
            ),
        ]  # fmt: skip
        below = f"spikes{k}"
    nodes += [
        helper.make_node("ReduceSum", [below, "time"], ["counts"], keepdims=0),
        helper.make_node("Div", ["counts", "temperature"], ["scaled"]),
        helper.make_node("Cast", ["scaled"], [output], to=TensorProto.FLOAT),
    ]
    used = {name for node in nodes for name in node.input} | {"beta", "threshold"}
    reads = [_value("signal", channels, inputs // channels)]
    if beats is not None:
        reads.append(_value("beats", beats.shape[1]))
    made = helper.make_graph(
        nodes,
        "spiking",
        reads,
        [_value(output, len(layers[-1][1]))],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)


def _value(name: str, *sizes: int) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *sizes])


def _step() -> Any:
    """Return what a Scan does at each step; see `biotl.models.membrane.scan`."""
    nodes = [
        helper.make_node("Mul", ["beta", "v"], ["leaked"]),
        helper.make_node("Add", ["leaked", "x"], ["charged"]),
        helper.make_node("Mul", ["s", "threshold"], ["reset"]),
        helper.make_node("Sub", ["charged", "reset"], ["v.next"]),
        helper.make_node("Greater", ["v.next", "threshold"], ["fired"]),
        helper.make_node("Cast", ["fired"], ["s.next"], to=DOUBLE),
        helper.make_node("Identity", ["s.next"], ["spike"]),
    ]
    take = [helper.make_tensor_value_info(name, DOUBLE, None) for name in ("v", "s", "x")]
    give = [helper.make_tensor_value_info(name, DOUBLE, None) for name in ("v.next", "s.next", "spike")]
    return helper.make_graph(nodes, "step", take, give)
