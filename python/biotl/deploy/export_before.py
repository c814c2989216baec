"""A trained model as one ONNX file that reads a raw recording: graph, signal spec, vocabulary, labels, thresholds."""

import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from biotl.datasets import SignalSpec, Vocabulary
from biotl.errors import ConfigError, MissingExtraError, TrainingError
from biotl.records.atomic import write_bytes

BATCHES = (1, 3, 17)
TOLERANCE = 1e-5


class _Logits(nn.Module):
    """The part of a model that prediction needs: the masked-token head stays behind."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.model(*inputs)["logits"]  # type: ignore[no-any-return]


def export(
    model: nn.Module,
    path: Path | str,
    *,
    spec: SignalSpec,
    vocabulary: Vocabulary,
    labels: Sequence[str],
    example: Mapping[str, NDArray[Any]],
    thresholds: Sequence[float] | None = None,
    about: Mapping[str, Any] | None = None,
) -> float:
    """Write a model as ONNX, after onnxruntime has shown that it computes what torch does.

    Parameters
    ----------
    model : Module
        ``inputs`` names its inputs; its output holds ``logits``, shape (batch, length, classes).
    path : Path or str
        The file to write, whole or not at all.
    spec, vocabulary : SignalSpec, Vocabulary
        The preprocessing that it was trained with; the spec must name this vocabulary.
    labels : sequence of str
        Class names.
    example : mapping of str to ndarray, shape (n, length, ...)
        Some real windows with every input of the model, to trace and to check with.
    thresholds : sequence of float, optional
        One a class, see `biotl.deploy.predictor.decide`; all equal by default.
    about : mapping, optional
        Name, options, lineage, figures: whatever JSON holds, read back by `biotl inspect`.

    Returns
    -------
    float
        Largest difference of a logit between torch and onnxruntime over batches of 1, 3 and 17 and two lengths, over
        the largest logit where that exceeds 1.

    Raises
    ------
    ConfigError
        If spec, vocabulary, labels and thresholds do not fit each other.
    TrainingError
        If torch and onnxruntime differ by more than 1e-5 of the largest logit, or by 1e-5 where that is below 1;
        nothing is written then.
    MissingExtraError
        If onnx, onnxscript or onnxruntime is not installed.
    """
    if spec.vocabulary != vocabulary.digest():
        raise ConfigError(f"spec.vocabulary: got {spec.vocabulary[:12] or 'none'}, wanted {vocabulary.digest()[:12]}")
    thresholds = [1 / len(labels)] * len(labels) if thresholds is None else [float(t) for t in thresholds]
    if len(thresholds) != len(labels) or min(thresholds) <= 0:
        raise ConfigError(f"thresholds: got {thresholds}, wanted {len(labels)} positive numbers")
    metadata = {
        "biotl.spec": spec.model_dump_json(),
        "biotl.vocabulary": vocabulary.to_json(),
        "biotl.labels": json.dumps(list(labels)),
        "biotl.thresholds": json.dumps(thresholds),
        "biotl.model": json.dumps(dict(about or {})),
    }
    names: tuple[str, ...] = tuple(model.inputs)  # type: ignore[arg-type]
    training, device = model.training, next(model.parameters()).device
    network = _Logits(model).cpu().eval()
    try:
        data = _to_onnx(network, names, _batch(example, names, 2, None), metadata)
        difference = _compare(network, names, data, example)
    finally:
        model.to(device).train(training)
    write_bytes(Path(path), data)
    return difference


def _batch(
    example: Mapping[str, NDArray[Any]], names: Sequence[str], size: int, length: int | None
) -> tuple[Tensor, ...]:
    """Return ``size`` windows of the example, over again where it has fewer, cut to ``length`` tokens."""
    rows = np.arange(size) % len(example[names[0]])
    return tuple(torch.from_numpy(np.ascontiguousarray(example[name][rows, :length])) for name in names)


def _to_onnx(
    network: nn.Module, names: Sequence[str], inputs: tuple[Tensor, ...], metadata: Mapping[str, str]
) -> bytes:
    try:
        import onnxscript  # noqa: F401  (the exporter imports it late, and says little when it is not there)
    except ImportError:
        raise MissingExtraError("onnxscript", "train") from None
    # the ranges are the model's own, such as the length of its table of positions: the exporter infers them
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with warnings.catch_warnings():
        # the exporter warns of its own internals: what matters is compared afterwards, number by number
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            network,
            inputs,
            dynamo=True,
            input_names=list(names),
            output_names=["logits"],
            dynamic_shapes=((free,) * len(names),),
            verbose=False,
        )
    if program is None:
        raise TrainingError("torch.onnx.export gave no program")
    proto = program.model_proto
    for key, value in metadata.items():
        proto.metadata_props.add(key=key, value=value)
    return bytes(proto.SerializeToString())


def _compare(network: nn.Module, names: Sequence[str], data: bytes, example: Mapping[str, NDArray[Any]]) -> float:
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("onnxruntime", "onnx") from None
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    whole = next(iter(example.values())).shape[1]
    worst = 0.0
    for size in BATCHES:
        for length in (whole, whole // 2 + 1):
            inputs = _batch(example, names, size, length)
            with torch.inference_mode():
                wanted = network(*inputs).numpy()
            got = session.run(["logits"], {n: x.numpy() for n, x in zip(names, inputs, strict=True)})[0]
            # by the largest logit: float32 rounds every sum on the way at that scale, a logit near 0 as well
            apart = float(np.abs(got - wanted).max() / max(1.0, np.abs(wanted).max()))
            if not apart <= TOLERANCE:
                raise TrainingError(
                    f"export: torch and onnxruntime differ by {apart:.2g} at batch {size}, length {length}; "
                    f"wanted at most {TOLERANCE:g}"
                )
            worst = max(worst, apart)
    return worst
