"""A trained model as one ONNX file that reads a raw recording: the graph, and the bundle that explains it."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from biotl.deploy import seal
from biotl.deploy.bundle import Bundle
from biotl.deploy.decision import Vector
from biotl.errors import ConfigError, MissingExtraError, TrainingError
from biotl.models.registry import build
from biotl.records.atomic import write_bytes
from biotl.training.checkpoint import load

BATCHES = (1, 3, 17)
TOLERANCE = 1e-5
EMBEDDING = "embedding"
_OUT = "biotl_output"


class _One(nn.Module):
    """One output of a model: what prediction does not need stays behind."""

    def __init__(self, model: nn.Module, output: str) -> None:
        super().__init__()
        self.model, self.output = model, output

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.model(*inputs)[self.output]  # type: ignore[no-any-return]


def export(model: nn.Module, path: Path | str, *, bundle: Bundle, example: Mapping[str, NDArray[Any]]) -> float:
    """Write a model as ONNX, after onnxruntime has shown that it computes what torch does.

    Parameters
    ----------
    model : Module
        ``inputs`` names its inputs, ``output`` the output to export (``embedding`` where the bundle decides on a
        vector), ``axes`` the free dimensions of each by name, such as ``{"x": {0: "batch", 1: "steps"}}``.
        A model that has a method ``onnx()``, which returns a ``ModelProto`` with these inputs and this output, writes
        its own graph of that output; any other is traced.
    path : Path or str
        The file to write, whole or not at all; the same for the same weights and bundle.
    bundle : Bundle
        Preprocessing, decision and provenance.
    example : mapping of str to ndarray, shape (n, ...)
        Some real inputs, to trace and to check with.

    Returns
    -------
    float
        Largest difference between torch and onnxruntime over batches of 1, 3 and 17, and over two sizes of every other
        free dimension, over the largest output where that exceeds 1.

    Raises
    ------
    ConfigError
        If the model does not declare what is needed, or its output does not fit the decision.
    TrainingError
        If torch and onnxruntime differ by more than 1e-5; nothing is written then.
    MissingExtraError
        If onnx, onnxscript or onnxruntime is not installed.
    """
    output = EMBEDDING if bundle.decision.kind == "vector" else str(getattr(model, "output", ""))
    names, axes = _contract(model, output, example)
    training, device = model.training, next(model.parameters()).device
    network = _One(model, output).cpu().eval()
    try:
        whole = {axis: example[name].shape[d] for name in names for d, axis in axes[name].items() if d}
        shape = _run(network, _cut(example, names, axes, 1, whole)).shape
        width = 1 if len(shape) - 1 in axes[output] else shape[-1]
        if width not in bundle.decision.widths:
            raise ConfigError(f"decision: got outputs of {width}, wanted {bundle.decision.widths}")
        data = seal.seal(_to_onnx(network, names, axes, output, _cut(example, names, axes, 2, whole), bundle))
        difference = _compare(network, names, axes, data, example, whole)
    finally:
        model.to(device).train(training)
    write_bytes(Path(path), data)
    return difference


def export_checkpoint(
    checkpoint: Path | str,
    path: Path | str,
    *,
    example: Mapping[str, NDArray[Any]],
    bundle: Bundle | None = None,
    embeddings: bool = False,
) -> float:
    """Export the model of a checkpoint; see `export`.

    Parameters
    ----------
    checkpoint : Path or str
        Such as ``best-STAGE.safetensors`` of a run folder.
    path : Path or str
        The ``.onnx`` file to write.
    example : mapping of str to ndarray
        See `export`.
    bundle : Bundle, optional
        That of the finished run, with what was chosen and measured, instead of what the checkpoint began with.
    embeddings : bool
        Export the model's embedding instead of its output, as of a stage of pretraining.

    Raises
    ------
    ConfigError
        If no stage so far trained what only the exported output uses, such as the head of a model that has only been
        pretrained.
    """
    source = load(checkpoint)
    bundle = bundle or Bundle.from_json(source.state["about"], str(checkpoint))
    model = build(bundle.about.model.name, **bundle.about.model.options).eval()
    model.load_state_dict(source.part("model"))
    output = EMBEDDING if embeddings else str(getattr(model, "output", ""))
    trained = source.state.get("trained", [name for name, _ in model.named_parameters()])
    names, axes = _contract(model, output, example)
    whole = {axis: example[name].shape[d] for name in names for d, axis in axes[name].items() if d}
    inputs = _cut(example, names, axes, 1, whole)
    own = only(model, output, inputs)
    if own and not own & set(trained):
        raise ConfigError(
            f"{checkpoint}: no stage trained {', '.join(sorted(own)[:3])}, which {output} depends on; export a stage "
            "that did, or the embeddings with --embeddings"
        )
    about = bundle.about.model_copy(
        update={
            "lineage": tuple(source.state["lineage"]),
            "parameters": sum(p.numel() for p in model.parameters()),
        }
    )
    bundle = bundle.model_copy(update={"about": about})
    if embeddings:
        width = _run(_One(model, output), inputs).shape[-1]
        bundle = bundle.model_copy(update={"decision": Vector(dim=width)})
    return export(model, path, bundle=bundle, example=example)


def only(model: nn.Module, output: str, inputs: tuple[Tensor, ...]) -> set[str]:
    """Return the parameters that an output depends on and no other output does; all of them if it shares them all."""
    parameters = dict(model.named_parameters())
    reached: dict[str, set[str]] = {}
    for name, tensor in model(*inputs).items():
        if tensor.requires_grad:
            grads = torch.autograd.grad(tensor.sum(), list(parameters.values()), retain_graph=True, allow_unused=True)
            reached[name] = {key for key, grad in zip(parameters, grads, strict=True) if grad is not None}
    mine = reached.get(output, set())
    return mine - set().union(*(of for name, of in reached.items() if name != output)) or mine


def _contract(
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


def _cut(
    example: Mapping[str, NDArray[Any]],
    names: Sequence[str],
    axes: Mapping[str, Mapping[int, str]],
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


def _run(network: nn.Module, inputs: tuple[Tensor, ...]) -> NDArray[Any]:
    with torch.inference_mode():
        return np.asarray(network(*inputs).numpy())


def _to_onnx(
    network: nn.Module,
    names: Sequence[str],
    axes: Mapping[str, Mapping[int, str]],
    output: str,
    inputs: tuple[Tensor, ...],
    bundle: Bundle,
) -> bytes:
    own = getattr(network.model, "onnx", None) if output == getattr(network.model, "output", "") else None
    proto = _traced(network, names, axes, output, inputs) if own is None else own()
    _tidy(proto, axes)
    proto.metadata_props.add(key="biotl.bundle", value=bundle.to_json())
    return bytes(proto.SerializeToString(deterministic=True))


def _traced(
    network: nn.Module,
    names: Sequence[str],
    axes: Mapping[str, Mapping[int, str]],
    output: str,
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
    _rename(proto.graph, {output: f"{output}_inside", _OUT: output})
    return proto


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    """Rename values of a graph and of what is nested in it: an operator inside may be called as the output is."""
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(value, value) for value in values]
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                _rename(inner, names)
    for item in (*graph.output, *graph.value_info, *graph.initializer):
        item.name = names.get(item.name, item.name)


def _tidy(proto: Any, axes: Mapping[str, Mapping[int, str]]) -> None:
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
    for part in (proto, proto.graph, *proto.functions, *proto.graph.node, *proto.graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    for function in proto.functions:
        for node in function.node:
            del node.metadata_props[:]
            node.doc_string = ""


def _compare(
    network: nn.Module,
    names: Sequence[str],
    axes: Mapping[str, Mapping[int, str]],
    data: bytes,
    example: Mapping[str, NDArray[Any]],
    whole: Mapping[str, int],
) -> float:
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("onnxruntime", "onnx") from None
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    part = {axis: length // 2 + 1 for axis, length in whole.items()}
    worst = 0.0
    for size in BATCHES:
        for lengths in (whole, part) if whole else (whole,):
            inputs = _cut(example, names, axes, size, lengths)
            wanted = _run(network, inputs)
            got = session.run(None, {n: x.numpy() for n, x in zip(names, inputs, strict=True)})[0]
            # by the largest output: float32 rounds every sum on the way at that scale, an output near 0 as well
            apart = float(np.abs(got - wanted).max() / max(1.0, np.abs(wanted).max()))
            if not apart <= TOLERANCE:
                shape = ", ".join(f"{axis} {length}" for axis, length in {"batch": size, **lengths}.items())
                raise TrainingError(
                    f"export: torch and onnxruntime differ by {apart:.2g} at {shape}; wanted at most {TOLERANCE:g}"
                )
            worst = max(worst, apart)
    return worst
