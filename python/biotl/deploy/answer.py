"""From prepared arrays to a prediction: one placing code, whether torch or onnxruntime computes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.preprocessor import Prepared, Preprocessor, place
from biotl.deploy.decision import Classes, Decision, Value
from biotl.deploy.prediction import Prediction

Forward = Callable[[dict[str, NDArray[Any]]], NDArray[Any]]
BATCH = 32
NO_OUTPUT = "no output"


def answer(
    preprocessor: Preprocessor, decision: Decision, prepared: Prepared, forward: Forward, *, batch: int = BATCH
) -> Prediction:
    """Answer every beat, window or step of a prepared recording.

    Parameters
    ----------
    preprocessor : Preprocessor
        What prepared the recording.
    decision : Classes, Value or Vector
        How raw output becomes an answer.
    prepared : Prepared
        The recording.
    forward : callable
        From stacked inputs by name to the raw output, shape (batch, ...) as ``unit`` has it, with or without a last
        axis of width.
    batch : int
        How many cuts go through at once.

    Returns
    -------
    Prediction
        Without name and path; the quality is not judged.
    """
    raw = outputs(preprocessor, prepared, forward, batch=batch, width=decision.widths[-1])
    span = np.asarray(preprocessor.units(prepared), np.int64).reshape(-1, 2)
    said = say(preprocessor.unit, decision, prepared.fs, span, raw)
    return replace(said, leads=dict(prepared.about.get("leads", {})), notes=tuple(prepared.about.get("warnings", ())))


def say(unit: str, decision: Decision, fs: float, span: NDArray[np.int64], raw: NDArray[Any]) -> Prediction:
    """Return what raw outputs, shape (n, width), say of spans, shape (n, 2), of a recording at ``fs`` Hz."""
    decided = decision.read(raw)
    lost: NDArray[np.bool_] = np.isfinite(raw).sum(axis=1) < raw.shape[1]
    about: dict[str, Any] = {}
    if isinstance(decision, Classes):
        about = {"labels": decision.labels, "thresholds": decision.thresholds}
    elif isinstance(decision, Value):
        about = {"name": decision.name, "measure": decision.unit}
    return Prediction(
        record="",
        path="",
        fs=fs,
        unit=unit,
        span=span,
        value=decided.value,
        quality=np.full(len(span), np.nan, np.float32),
        abstained=tuple(NO_OUTPUT if gone else "" for gone in lost.tolist()),
        probability=decided.probability,
        low=decided.low,
        high=decided.high,
        **about,
    )


def outputs(
    preprocessor: Preprocessor, prepared: Prepared, forward: Forward, *, batch: int = BATCH, width: int = 1
) -> NDArray[np.float32]:
    """Return the raw output of each unit, float32 (n, width); NaN where no cut holds it, `width` if there is no cut."""
    n, prepared = len(preprocessor.units(prepared)), preprocessor.complete(prepared)
    raw: NDArray[np.float32] | None = None
    for inputs in batches(preprocessor, prepared, batch):
        unit = inputs["unit"]
        out = np.asarray(forward(inputs))
        out = out[..., None] if out.ndim == unit.ndim else out
        if raw is None:
            raw = np.full((n, out.shape[-1]), np.nan, np.float32)
        place(unit, out, raw)
    return np.full((n, width), np.nan, np.float32) if raw is None else raw


def batches(preprocessor: Preprocessor, prepared: Prepared, size: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the inputs of up to `size` cuts, stacked."""
    cuts: Sequence[Any] = preprocessor.cuts(prepared)
    for start in range(0, len(cuts), size):
        group = [preprocessor.inputs(prepared, cut) for cut in cuts[start : start + size]]
        yield {name: np.stack([one[name] for one in group]) for name in group[0]}
