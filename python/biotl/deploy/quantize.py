"""Smaller weights: int8 through onnxruntime's own quantiser, or float16 that is widened as it is read."""

import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.deploy import seal
from biotl.deploy.metadata import DECISION, PREFIX
from biotl.errors import ConfigError

LAYERS = ("Conv", "Gemm", "MatMul")
SMALLEST = 256
"""Numbers of a tensor that is worth a cast node."""
Inputs = Mapping[str, NDArray[Any]]


def to_int8(data: bytes, calibration: Iterable[Inputs]) -> bytes:
    """Return a model with the weights and activations of its inner layers as int8.

    Static, with a scale for each output channel, as pairs of QuantizeLinear and DequantizeLinear; the first and the
    last layer stay as they are. Per tensor, or with scales found as it goes, convolutions lose their answers or run
    slower than before.

    Parameters
    ----------
    data : bytes
        An ``.onnx`` file.
    calibration : iterable of mapping of str to ndarray
        Batches of training inputs, from which the range of each activation is taken.

    Raises
    ------
    ConfigError
        If there is no layer between the first and the last: trees, recurrent and spiking networks.
    """
    import onnx
    from onnxruntime import quantization

    model = onnx.load_model_from_string(data)
    weights = {item.name for item in model.graph.initializer}
    layers = [node for node in model.graph.node if node.op_type in LAYERS and weights.intersection(node.input)]
    # what a decision makes of the output is no layer
    after = [node for node in layers if node.output[0].startswith(f"{DECISION}.")]
    layers = [node for node in layers if node not in after]
    if len(layers) < 3:
        raise ConfigError(f"int8: got {len(layers)} layers of {', '.join(LAYERS)}, wanted one between first and last")
    _named(model)
    kept = [node.name for node in (layers[0], layers[-1], *after)]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.onnx", Path(folder) / "target.onnx"
        onnx.save(model, source)
        logging.getLogger().addFilter(_quiet)
        try:
            quantization.quantize_static(
                source,
                target,
                _Reader(calibration),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=list(LAYERS),
                per_channel=True,
                reduce_range=True,  # without VNNI two products of 8 bits overflow the 16 of a sum
                activation_type=quantization.QuantType.QInt8,
                weight_type=quantization.QuantType.QInt8,
                nodes_to_exclude=kept,
            )
        finally:
            logging.getLogger().removeFilter(_quiet)
        made = onnx.load(target)
    return _sealed(made, model, "int8")


def to_float16(data: bytes) -> bytes:
    """Return a model whose weights are stored in float16, half as large; it computes in float32 as before.

    Raises
    ------
    ConfigError
        If a weight is beyond the range of float16, or none is large enough to gain anything.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_model_from_string(data)
    kept, casts = [], []
    for item in model.graph.initializer:
        size = int(np.prod(item.dims))
        if item.data_type != TensorProto.FLOAT or size < SMALLEST:
            kept.append(item)
            continue
        wide = numpy_helper.to_array(item)
        if np.abs(wide).max() > np.finfo(np.float16).max:
            raise ConfigError(f"float16: got a weight of {np.abs(wide).max():.3g} in {item.name}, wanted at most 65504")
        kept.append(numpy_helper.from_array(wide.astype(np.float16), f"{item.name}.half"))
        casts.append(helper.make_node("Cast", [f"{item.name}.half"], [item.name], to=TensorProto.FLOAT))
    if not casts:
        raise ConfigError(f"float16: got no tensor of {SMALLEST} float32 weights, wanted one")
    made = onnx.ModelProto()
    made.CopyFrom(model)
    del made.graph.initializer[:]
    made.graph.initializer.extend(kept)
    nodes = [*casts, *model.graph.node]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    return _sealed(made, model, "float16")


class _Reader:
    """Batches as onnxruntime's quantiser asks for them."""

    def __init__(self, batches: Iterable[Inputs]) -> None:
        self.batches: Iterator[Inputs] = iter(batches)

    def get_next(self) -> Inputs | None:
        """Return the next batch, None after the last."""
        return next(self.batches, None)


def _named(model: Any) -> None:
    """Give each node a name, by which it can be left out."""
    for k, node in enumerate(model.graph.node):
        node.name = node.name or f"node.{k}"


def _quiet(record: logging.LogRecord) -> bool:
    # the quantiser advises on the root logger to preprocess models; what matters is measured afterwards
    return "pre-process" not in record.getMessage()


def _sealed(made: Any, source: Any, weights: str) -> bytes:
    del made.metadata_props[:]
    for item in source.metadata_props:
        if item.key != f"{PREFIX}sha256":
            made.metadata_props.add(key=item.key, value=item.value)
    made.metadata_props.add(key=f"{PREFIX}weights", value=weights)
    made.producer_name, made.producer_version = "biotl", ""
    return seal.seal(made.SerializeToString(deterministic=True))
