"""A torch model as an ONNX graph: traced, or as it writes itself."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from biotl.deploy.graph_nodes import rename
from biotl.errors import ConfigError, MissingExtraError, TrainingError

_OUT = "biotl_output"
Axes = Mapping[str, Mapping[int, str]]


class One(nn.Module):
    """One output of a model: what prediction does not need stays behind."""

    def __init__(self, model: nn.Module, output: str) -> None:
        super().__init__()
        self.model, self.output = model, output

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map inputs to the output."""
        return self.model(*inputs)[self.output]  # type: ignore[no-any-return]


def contract(
    model: nn.Module, output: str, example: Mapping[str, Any]
) -> tuple[tuple[str, ...], dict[str, dict[int, str]]]:
    """Return a model's inputs and free dimensions."""
    names: tuple[str, ...] = tuple(model.inputs)  # type: ignore[arg-type]
    axes: dict[str, dict[int, str]] = dict(getattr(model, "axes", {}))
    for name in (*names, output):
        if axes.get(name, {}).get(0) != "batch":
            who = type(model).__name__
            raise ConfigError(f"{who}.axes: got {axes.get(name)} for {name or 'output'!r}, wanted {{0: 'batch', ...}}")
    for name in names:
        if name not in example:
            raise ConfigError(f"example: got {', '.join(example)}, wanted {name} among them")
    return names, axes


def cut(
    example: Mapping[str, NDArray[Any]],
    names: Sequence[str],
    axes: Axes,
    size: int,
    lengths: Mapping[str, int],
) -> tuple[Tensor, ...]:
    """Return `size` rows of the example, over again where it has fewer, each free dimension cut to its length."""
    rows = np.arange(size) % len(example[names[0]])
    found = []
    for name in names:
        array = example[name][rows]
        for d, axis in axes[name].items():
            array = array if d == 0 else array.take(range(lengths[axis]), axis=d)
        found.append(torch.from_numpy(np.ascontiguousarray(array)))
    return tuple(found)


def run(network: nn.Module, inputs: tuple[Tensor, ...]) -> NDArray[Any]:
    """Return what a network gives."""
    with torch.inference_mode():
        return np.asarray(network(*inputs).numpy())


def proto_of(network: One, names: Sequence[str], axes: Axes, inputs: tuple[Tensor, ...]) -> Any:
    """Return the ``onnx.ModelProto`` of a network in evaluation, the same for the same weights."""
    own = getattr(network.model, "onnx", None) if network.output == getattr(network.model, "output", "") else None
    proto = _traced(network, names, axes, inputs) if own is None else own()
    _tidy(proto, axes)
    return proto


def _traced(
    network: One,
    names: Sequence[str],
    axes: Axes,
    inputs: tuple[Tensor, ...],
) -> Any:
    try:
        import onnxscript  # noqa: F401  (the exporter imports it late, and says little when it is not there)
    except ImportError:
        raise MissingExtraError("onnxscript", "train") from None
    # the ranges are the model's own, such as the length of its table of positions: the exporter infers them
    free = tuple(dict.fromkeys(axes[name], torch.export.Dim.DYNAMIC) for name in names)
    with warnings.catch_warnings():
        # the exporter warns of its own internals: what matters is compared afterwards, number by number
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            network,
            inputs,
            dynamo=True,
            input_names=list(names),
            output_names=[_OUT],
            dynamic_shapes=(free,),
            verbose=False,
        )
    if program is None:
        raise TrainingError("torch.onnx.export gave no program")
    proto = program.model_proto
    rename(proto.graph, {network.output: f"{network.output}_inside", _OUT: network.output})
    return proto


def _tidy(proto: Any, axes: Axes) -> None:
    """Name the free dimensions as the model does, and drop the exporter's notes, which hold paths of this machine."""
    symbols: dict[str, str] = {}
    for item in (*proto.graph.input, *proto.graph.output):
        shape = item.type.tensor_type.shape.dim
        for d, axis in axes[item.name].items():
            symbols[shape[d].dim_param] = axis
            shape[d].dim_param = axis
    for item in proto.graph.value_info:
        for dim in item.type.tensor_type.shape.dim:
            if dim.dim_param in symbols:
                dim.dim_param = symbols[dim.dim_param]
    proto.producer_name, proto.producer_version = "biotl", ""
    for part in (proto, proto.graph, *proto.functions, *proto.graph.node, *proto.graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    for function in proto.functions:
        for node in function.node:
            del node.metadata_props[:]
            node.doc_string = ""
