"""The spiking network as an ONNX graph: each layer's steps are one Scan."""

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from biotl.models.spiking import Spiking

OPSET, IR = 18, 8
DOUBLE = TensorProto.DOUBLE


def graph(model: "Spiking") -> Any:
    """Return the ONNX model of a spiking network in evaluation, in double precision inside."""
    from biotl.models.spiking import GOLDEN

    layers: list[Any] = list(model.layers)
    steps, inputs = model.steps, int(layers[0].in_features)
    constants = {
        "flat": np.array([0, -1], np.int64),
        "tiny": np.array(1e-12),
        "rate": np.array(model.rate),
        "beta": np.array(model.beta),
        "threshold": np.array(model.threshold),
        "temperature": np.array(model.temperature),
        "time": np.array([0], np.int64),
        "features": np.array([1], np.int64),
        "ones": np.ones((steps, 1, 1)),
        "next": np.arange(1, steps + 1, dtype=np.float64).reshape(-1, 1, 1),
        "now": np.arange(steps, dtype=np.float64).reshape(-1, 1, 1),
        "phase": np.arange(inputs) * GOLDEN % 1,
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
    if model.encoding == "rate":
        for name in ("next", "now"):
            nodes += [
                helper.make_node("Mul", [name, "p"], [f"{name}.sum"]),
                helper.make_node("Add", [f"{name}.sum", "phase"], [f"{name}.at"]),
                helper.make_node("Floor", [f"{name}.at"], [f"{name}.count"]),
            ]
        below = "encoded"
        nodes.append(helper.make_node("Sub", ["next.count", "now.count"], [below]))
    for k, layer in enumerate(layers):
        weight, bias = (p.detach().cpu().float().numpy() for p in layer.parameters())
        constants |= {f"weight{k}": np.ascontiguousarray(weight.T), f"bias{k}": bias}
        nodes += [
            helper.make_node("Cast", [f"weight{k}"], [f"wide{k}"], to=DOUBLE),
            helper.make_node("Cast", [f"bias{k}"], [f"shift{k}"], to=DOUBLE),
            helper.make_node("MatMul", [below, f"wide{k}"], [f"product{k}"]),
            helper.make_node("Add", [f"product{k}", f"shift{k}"], [f"current{k}"]),
        ]
        current = f"current{k}"
        if k == 0 and model.encoding == "current":  # the same at every step
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
        helper.make_node("Cast", ["scaled"], [model.output], to=TensorProto.FLOAT),
    ]
    used = {name for node in nodes for name in node.input} | {"beta", "threshold"}
    shape: list[str | int | None] = ["batch", len(model.channels), inputs // len(model.channels)]
    made = helper.make_graph(
        nodes,
        "spiking",
        [helper.make_tensor_value_info("signal", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(model.output, TensorProto.FLOAT, ["batch", layers[-1].out_features])],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)


def _step() -> Any:
    """Return what a Scan does at each step; see `biotl.models.spiking.scan`."""
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
