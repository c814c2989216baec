"""A trained model as one ONNX file: the graph, and the bundle that explains it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.spec_kinds import parse_spec
from biotl.deploy import deviation, graph, metadata, seal
from biotl.deploy import raw as raw_samples
from biotl.deploy.answer import Forward
from biotl.deploy.bundle import Bundle
from biotl.deploy.decision import Vector
from biotl.deploy.network import Axes, One, contract, cut, proto_of, run
from biotl.errors import ConfigError, MissingExtraError, TrainingError
from biotl.models.registry import build
from biotl.records import Record
from biotl.records.atomic import write_bytes
from biotl.training.checkpoint import load

BATCHES = (1, 3, 17, 64)
TOLERANCE = 1e-5
EMBEDDING = "embedding"
WINDOWS = 3
"""Of a recording, that batches of raw samples are checked on."""


def export(
    model: nn.Module,
    path: Path | str,
    *,
    bundle: Bundle,
    example: Mapping[str, NDArray[Any]],
    raw: Sequence[Sequence[Record]] = (),
    causal: bool = False,
) -> float:
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
    raw : sequence of sequence of Record
        With the files of one recording or more the preprocessing goes into the graph: the file takes raw samples of
        each channel at the rates of the first, and states how far it is from the preprocessing on all of them.
    causal : bool
        With filters in that graph that run once, forward: for the newest windows of a stream, which need not wait for
        what comes after. Delay and gain are not those of training; the file states them, and the answers that change.

    Returns
    -------
    float
        Largest difference between torch and onnxruntime over batches of 1, 3, 17 and 64, and over two sizes of every
        other free dimension, over the largest output where that exceeds 1.

    Raises
    ------
    ConfigError
        If the model does not declare what is needed, its output does not fit the decision, or its preprocessing cannot
        stand in a graph.
    TrainingError
        If torch and onnxruntime differ by more than 1e-5, or graph and preprocessing by more than rounding; nothing is
        written then.
    MissingExtraError
        If onnx, onnxscript or onnxruntime is not installed.
    """
    output = EMBEDDING if bundle.decision.kind == "vector" else str(getattr(model, "output", ""))
    names, axes = contract(model, output, example)
    training, device = model.training, next(model.parameters()).device
    network = One(model, output).cpu().eval()
    try:
        whole = {axis: example[name].shape[d] for name in names for d, axis in axes[name].items() if d}
        shape = run(network, cut(example, names, axes, 1, whole)).shape
        width = 1 if len(shape) - 1 in axes[output] else shape[-1]
        if width not in bundle.decision.widths:
            raise ConfigError(f"decision: got outputs of {width}, wanted {bundle.decision.widths}")
        preprocessor = make_preprocessor(parse_spec(bundle.spec), bundle.state)
        rates = raw_samples.rates(preprocessor, raw[0]) if raw else {}
        raw = [of for of in raw if raw_samples.rates(preprocessor, of) == rates]
        # what cannot stand in a graph is refused before a network is traced, which takes seconds
        front: Any = graph.preprocessing(preprocessor, rates, causal=causal) if raw else None
        proto = proto_of(network, names, axes, cut(example, names, axes, 2, whole))
        said: dict[str, Any] = {"preprocess": "spec", "unit": preprocessor.unit, "inputs": _described(proto)}
        if not raw:
            data = _finished(proto, bundle, said)
            difference = _compare(network, names, axes, data, example, whole)
        else:
            plain = proto.SerializeToString(deterministic=True)
            difference = _compare(network, names, axes, plain, example, whole)
            ask = _session(plain)
            data = _raw(
                proto, bundle, said, raw, rates,
                forward=lambda inputs: np.asarray(ask.run(None, {name: inputs[name] for name in names})[0]),
                front=_session(front.SerializeToString()),
                causal=causal,
            )  # fmt: skip
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
    raw: Sequence[Sequence[Record]] = (),
    causal: bool = False,
) -> float:
    """Export the model of a checkpoint; see `export`.

    Parameters
    ----------
    checkpoint : Path or str
        Such as ``best-STAGE.safetensors`` of a run folder.
    path : Path or str
        The ``.onnx`` file to write.
    example, raw, causal
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
    names, axes = contract(model, output, example)
    whole = {axis: example[name].shape[d] for name in names for d, axis in axes[name].items() if d}
    inputs = cut(example, names, axes, 1, whole)
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
        width = run(One(model, output), inputs).shape[-1]
        bundle = bundle.model_copy(update={"decision": Vector(dim=width)})
    return export(model, path, bundle=bundle, example=example, raw=raw, causal=causal)


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


def _described(proto: Any) -> list[dict[str, Any]]:
    return [{"name": item.name, "shape": graph.shape_of(item)} for item in proto.graph.input]


def _finished(proto: Any, bundle: Bundle, said: Mapping[str, Any]) -> bytes:
    """Return the bytes of a file: the decision added, checked, described and sealed."""
    from onnx import checker

    proto = graph.with_decision(proto, bundle.decision)
    checker.check_model(proto, full_check=True)
    for key, value in metadata.entries(bundle, **said).items():
        proto.metadata_props.add(key=key, value=value)
    return seal.seal(proto.SerializeToString(deterministic=True))


def _raw(
    proto: Any,
    bundle: Bundle,
    said: Mapping[str, Any],
    recordings: Sequence[Sequence[Record]],
    rates: Mapping[str, float],
    *,
    forward: Forward,
    front: Any,
    causal: bool,
) -> bytes:
    """Return the bytes of a file that takes raw samples, after it has shown that it does as the preprocessing."""
    preprocessor = make_preprocessor(parse_spec(bundle.spec), bundle.state)
    proto = graph.with_preprocessing(proto, preprocessor, rates, causal=causal)
    whole = _session(proto.SerializeToString())
    found = deviation.measure(
        preprocessor,
        bundle.decision,
        recordings,
        rates=rates,
        forward=forward,
        front=lambda fed: np.asarray(front.run(None, fed)[0]),
        whole=lambda fed: np.asarray(whole.run(None, fed)[0]),
    ).check(causal=causal)
    asked = [asdict(one) for one in graph.inputs(preprocessor.spec, rates)]
    reach = round(graph.reach_s(preprocessor.spec), 3)
    more: dict[str, Any] = {"preprocess": "graph", "inputs": asked, "deviation": found, "reach_s": reach}
    if causal:
        more |= {"preprocess": "causal", "phase": graph.phase(preprocessor.spec)}
    data = _finished(proto, bundle, {**said, **more})
    some = raw_samples.feed(preprocessor, recordings[0], rates)
    _compare_rows(_session(data), some, {one["name"]: WINDOWS * _window_s(preprocessor) * one["fs"] for one in asked})
    return data


def _window_s(preprocessor: Any) -> float:
    return float(preprocessor.spec.length / preprocessor.spec.fs)


def _session(data: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("onnxruntime", "onnx") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # of a shape that it cannot infer it warns, and goes on
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _compare(
    network: One,
    names: Sequence[str],
    axes: Axes,
    data: bytes,
    example: Mapping[str, NDArray[Any]],
    whole: Mapping[str, int],
) -> float:
    session = _session(data)
    part = {axis: length // 2 + 1 for axis, length in whole.items()}
    worst = 0.0
    for size in BATCHES:
        for lengths in (whole, part) if whole else (whole,):
            inputs = cut(example, names, axes, size, lengths)
            wanted = run(network, inputs)
            got = session.run(None, {n: x.numpy() for n, x in zip(names, inputs, strict=True)})[0]
            shape = ", ".join(f"{axis} {length}" for axis, length in {"batch": size, **lengths}.items())
            worst = max(worst, _apart(got, wanted, f"torch and onnxruntime differ by {{}} at {shape}"))
    return worst


def _compare_rows(session: Any, some: Mapping[str, NDArray[Any]], lengths: Mapping[str, float]) -> None:
    """See that a recording gets the same answer alone and among others."""
    few = {name: x[:, : round(lengths[name])] for name, x in some.items()}
    alone = [session.run(None, {name: x * np.float32(k) for name, x in few.items()})[0] for k in (1, -1)]
    for size in BATCHES:
        sign = np.where(np.arange(size) % 2, -1, 1).astype(np.float32)[:, None]
        got = session.run(None, {name: x * sign for name, x in few.items()})[0]
        wanted = np.concatenate([alone[k % 2] for k in range(size)])
        _apart(got, wanted, f"a recording's answer differs by {{}} in a batch of {size}")


def _apart(got: NDArray[Any], wanted: NDArray[Any], says: str) -> float:
    """Return by how much arrays differ, or refuse it."""
    # by the largest output: float32 rounds every sum on the way at that scale, an output near 0 as well
    seen = np.isfinite(wanted) | np.isfinite(got)
    scale = max(1.0, float(np.abs(wanted[seen]).max(initial=0)))
    apart = float(np.abs(got - wanted)[seen].max(initial=0) / scale)
    if not apart <= TOLERANCE:
        raise TrainingError(f"export: {says.format(f'{apart:.2g}')}; wanted at most {TOLERANCE:g}")
    return apart
