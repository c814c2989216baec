"""Nodes of an ONNX graph, written one below the other; constants that are equal are kept once."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
"""Every operator used here is the same from this version to 22."""
FLOAT, BOOL, INT64 = TensorProto.FLOAT, TensorProto.BOOL, TensorProto.INT64
FIRST, LAST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
Value = str | int | float | NDArray[Any] | list[int]


class Nodes:
    """A list of nodes that grows: a call adds one, and returns the name of its output.

    Parameters
    ----------
    prefix : str
        What every name begins with, so that the nodes can stand in one graph with others.

    Examples
    --------
    >>> nodes = Nodes("raw")
    >>> nodes("Add", "x", 1.0)
    'raw.0'
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def __call__(self, operator: str, *inputs: Value, name: str = "", **attributes: Any) -> str:
        """Add a node; numbers among its inputs become constants: int64, or float32."""
        name = name or f"{self.prefix}.{len(self.nodes)}"
        read = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        self.nodes.append(helper.make_node(operator, read, [name], **attributes))
        return name

    def constant(self, value: Value) -> str:
        """Return the name of a constant."""
        array = np.asarray(value)
        if array.dtype.kind in "iu":
            array = array.astype(np.int64)
        elif array.dtype.kind == "f":
            array = array.astype(np.float32)
        mark = hashlib.sha256(f"{array.dtype}{array.shape}".encode() + array.tobytes()).hexdigest()[:12]
        name = f"{self.prefix}.constant.{mark}"
        self.constants[name] = array
        return name

    def cut(self, x: str, start: Value, stop: Value, axis: int = 1, step: int = 1) -> str:
        """Return a range along an axis; ``start`` and ``stop`` may be names of int64 values of shape (1,)."""
        first, last = (of if isinstance(of, str) else [int(of)] for of in (start, stop))  # type: ignore[arg-type]
        return self("Slice", x, first, last, [axis], [step])

    def size(self, x: str, axis: int = 1) -> str:
        """Return the length of an axis, int64 (1,)."""
        return self.cut(self("Shape", x), axis, axis + 1, 0)

    def mean(self, x: str) -> str:
        """Return the mean over the last axis, which stays as one of length 1."""
        count = self("Cast", self.cut(self("Shape", x), -1, LAST, 0), to=FLOAT)
        return self("Div", self("ReduceSum", x, [-1], keepdims=1), count)

    def initializers(self) -> list[Any]:
        """Return the constants as a graph keeps them, in the order of their names."""
        return [numpy_helper.from_array(self.constants[name], name) for name in sorted(self.constants)]


def rename(graph: Any, names: Mapping[str, str], *, keep: str = "") -> None:
    """Rename values of a graph and of what is nested in it, all but one; inputs of the graph are left as they are."""
    names = {name: to for name, to in names.items() if name != keep}
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(value, value) for value in values]
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                rename(inner, names)
    for item in (*graph.output, *graph.value_info, *graph.initializer):
        item.name = names.get(item.name, item.name)
