"""The response of heart rate as an ONNX graph: responses and filter are each one Scan over the steps."""

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from biotl.models.response_table import MOST_EFFORT, SPORTS, TABLE, TREE_COLUMNS
from biotl.models.trees import to_onnx

OPSET, IR = 18, 8
DOUBLE = TensorProto.DOUBLE


class _Graph:
    """Nodes and constants in the making; every operator is a call that returns the name of its result."""

    def __init__(self, name: str = "") -> None:
        self.name = name  # values of a Scan's body must not be called as those outside
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def __call__(self, operator: str, *inputs: Any, **attributes: Any) -> str:
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        result = f"{self.name}v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [result], **attributes))
        return result

    def constant(self, value: Any) -> str:
        array = np.asarray(value, None if np.asarray(value).dtype == np.int64 else np.float64)
        name = f"{self.name}c{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def scan(self, body: Any, states: list[str], inputs: list[str], outputs: int) -> list[str]:
        results = [f"{self.name}v{len(self.nodes)}.{k}" for k in range(len(states) + outputs)]
        self.nodes.append(
            helper.make_node(
                "Scan", [*states, *inputs], results, body=body, num_scan_inputs=len(inputs),
                scan_input_axes=[1] * len(inputs), scan_output_axes=[1] * outputs,
            )
        )  # fmt: skip
        return results[len(states) :]


def graph(model: Any) -> Any:
    """Return the ONNX model of a fitted `HeartRateResponse`, in double precision inside; see its ``forward``."""
    g = _Graph()
    noise = model.noise.detach().double().numpy()
    at = {name: k for k, name in enumerate(model.channels)}
    wide = g("Cast", "signal", to=DOUBLE)
    column = {name: g("Gather", wide, np.int64(k), axis=2) for name, k in at.items()}

    def first(name: str) -> str:
        return g("Slice", column[name], np.array([0]), np.array([1]), np.array([1]))  # (batch, 1)

    sport = g("Clip", g("Cast", first("sport"), to=TensorProto.INT64), np.int64(0), np.int64(SPORTS - 1))
    person = g("Unsqueeze", "user", np.array([1]))
    row = g("Gather", model.table.detach().double().numpy(), g("Add", g("Mul", person, np.int64(SPORTS)), sport))
    level, gain, drift, daytime, grown, trust, own, *shape = (
        g("Gather", row, np.int64(k), axis=2) for k in range(len(TABLE))
    )
    usual = g("Where", g("Greater", own, 0.0), own, g("Max", first("typical"), 0.5))
    effort = g("Div", g("Add", column["demand"], g("Mul", trust, column["climb"])), usual)
    effort = _delayed(g, g("Min", g("Max", effort, 0.0), MOST_EFFORT), model.dead)
    shape = [g("Squeeze", one, np.array([1])) for one in shape]
    keeps = [g("Exp", g("Div", -model.step_s, one)) for one in shape[:3]]
    fast, slow = g.scan(_respond(keeps), [shape[3], shape[3], shape[4]], [effort], 2)
    told = g("Add", g("Add", level, g("Mul", gain, fast)), g("Mul", drift, slow))
    told = g("Add", told, g("Mul", column["daytime"], daytime))
    rows = g("Gather", "signal", np.array([at[name] for name in TREE_COLUMNS]), axis=2)
    rows = g("Reshape", rows, np.array([-1, len(TREE_COLUMNS)]))
    trees = to_onnx(model.trees.as_trees(), name=rows, output="trees.sum").graph
    g.nodes.extend(trees.node)
    more = g("Cast", g("Reshape", "trees.sum", g("Shape", column["demand"])), to=DOUBLE)
    told = g("Add", told, g("Mul", more, grown))
    if model.before:
        told = g("Add", told, _corrected(g, model, noise, column, person, told, fast, slow))
    g.nodes.append(helper.make_node("Cast", [told], [model.output], to=TensorProto.FLOAT))
    made = helper.make_graph(
        g.nodes,
        "response",
        [
            helper.make_tensor_value_info("signal", TensorProto.FLOAT, ["batch", "steps", len(at)]),
            helper.make_tensor_value_info("user", TensorProto.INT64, ["batch"]),
        ],
        [helper.make_tensor_value_info(model.output, TensorProto.FLOAT, ["batch", "steps"])],
        [*g.constants.values(), *trees.initializer],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(made, opset_imports=opsets, ir_version=IR, producer_name="biotl")


def _delayed(g: _Graph, x: str, by: int) -> str:
    """Return a sequence (batch, steps, ...) some steps later, its first step over again before it."""
    for _ in range(by):
        head = g("Slice", x, np.array([0]), np.array([1]), np.array([1]))
        x = g("Concat", head, g("Slice", x, np.array([0]), np.array([-1]), np.array([1])), axis=1)
    return x


def _respond(keeps: list[str]) -> Any:
    """Return what the Scan does at each step; the shares kept lie outside of it."""
    g = _Graph("respond.")
    square = g("Mul", "now", "now")
    after = [
        g("Add", g("Mul", state, keep), g("Mul", goal, g("Sub", 1.0, keep)))
        for state, goal, keep in zip(("up", "down", "slow"), ("now", "now", square), keeps, strict=True)
    ]
    told = [g("Sub", g("Max", after[0], after[1]), 1.0), g("Sub", after[2], 1.0)]
    return _body(g, ["up", "down", "slow", "now"], [*after, *told])


def _corrected(
    g: _Graph,
    model: Any,
    noise: Any,
    column: dict[str, str],
    person: str,
    told: str,
    fast: str,
    slow: str,
) -> str:
    late, early, fade_s, memory_s, sensor, outlier = noise[6:]
    keep = float(np.exp(-model.step_s / memory_s))
    faded = g("Exp", g("Mul", column["elapsed"], -60 / fade_s))
    variance = g("Add", g("Mul", faded, early**2 - late**2), late**2)
    one = g("Add", g("Mul", fast, 0.0), 1.0)

    def beside(*parts: str) -> str:
        return g("Concat", *(g("Unsqueeze", part, np.array([2])) for part in parts), axis=2)

    read = _delayed(g, beside(one, fast, slow, one), model.lag)
    give = beside(one, fast, slow, g("Mul", one, keep**model.lag))
    ago = _delayed(g, told, model.lag)
    prior = g("Where", g("Greater", person, np.int64(0)), noise[None, 3:6] ** 2, noise[None, :3] ** 2)
    start = g("Slice", variance, np.array([0]), np.array([1]), np.array([1]))
    diagonal = g("Concat", prior, start, axis=1)
    states = [g("Mul", diagonal, 0.0), g("Mul", g("Unsqueeze", diagonal, np.array([2])), np.eye(4))]
    body = _filter(keep, float(sensor), float(outlier))
    (found,) = g.scan(body, states, [column[model.before], ago, read, give, variance], 1)
    return found


def _filter(keep: float, sensor: float, outlier: float) -> Any:
    g = _Graph("filter.")
    decay, last = np.array([1, 1, 1, keep]), np.diag([0.0, 0, 0, 1])
    mean = g("Mul", "mean", decay)
    fresh = g("Mul", g("Unsqueeze", g("Mul", "variance", 1 - keep**2), np.array([1, 2])), last)
    spread = g("Add", g("Mul", "spread", np.outer(decay, decay)), fresh)
    seen = g("Squeeze", g("MatMul", spread, g("Unsqueeze", "h", np.array([2]))), np.array([2]))
    total = g("Add", g("ReduceSum", g("Mul", "h", seen), np.array([1]), keepdims=0), sensor**2)
    told = g("Add", "ago", g("ReduceSum", g("Mul", "h", mean), np.array([1]), keepdims=0))
    apart = g("Sub", "value", told)
    weight = g("Min", g("Div", g("Mul", g("Sqrt", total), outlier), g("Max", g("Abs", apart), 1e-6)), 1.0)
    known = g("Cast", g("Greater", "value", 0.0), to=DOUBLE)
    pull = g("Mul", seen, g("Unsqueeze", g("Div", known, total), np.array([1])))
    mean = g("Add", mean, g("Mul", pull, g("Unsqueeze", g("Mul", apart, weight), np.array([1]))))
    down = g("Mul", g("Unsqueeze", pull, np.array([2])), g("Unsqueeze", seen, np.array([1])))
    spread = g("Sub", spread, down)
    out = g("ReduceSum", g("Mul", "give", mean), np.array([1]), keepdims=0)
    return _body(g, ["mean", "spread", "value", "ago", "h", "give", "variance"], [mean, spread, out])


def _body(g: _Graph, take: list[str], give: list[str]) -> Any:
    before, after = ([helper.make_tensor_value_info(name, DOUBLE, None) for name in names] for names in (take, give))
    return helper.make_graph(g.nodes, "step", before, after, list(g.constants.values()))
