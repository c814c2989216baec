"""A finished run with smaller weights, held against the model as it was on recordings that it did not learn from."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.kinds import make_preprocessor
from biotl.deploy.answer import batches
from biotl.deploy.bundle import Bundle
from biotl.deploy.quantize import to_float16, to_int8
from biotl.errors import ConfigError, MissingExtraError, RecordError, TrainingError
from biotl.recipes import figures, registry
from biotl.recipes.prep import Ready, prepare
from biotl.recipes.publish import BUNDLE
from biotl.records.atomic import write_bytes
from biotl.scoring.results import results

Weights = Literal["int8", "float16"]
AGREE, LOSS = 0.99, 1.0
"""Share of answers that have to stay, and points of the main figure (per cent of an error) that may be lost."""
SAMPLES, BATCH = 256, 16
ROUNDS = 15
"""Of each model in turn, so that a busy machine slows both."""


@dataclass(frozen=True)
class Quantized:
    """What smaller weights change.

    Parameters
    ----------
    weights : str
        ``int8`` or ``float16``.
    units : int
        Validation beats, windows or steps that both models answered.
    agreement : float
        Share of them with the same class, or a value within a hundredth of the spread of all values.
    metric : str
        The run's main figure.
    before, after : float
        That figure, in its unit.
    bytes_before, bytes_after : int
        Of the files.
    speed : float
        Time of the new model over that of the old, median of interleaved batches on one thread.
    """

    weights: Weights
    units: int
    agreement: float
    metric: str
    before: float
    after: float
    bytes_before: int
    bytes_after: int
    speed: float

    def refusal(self) -> str:
        """Return why it is not worth having; nothing if it is."""
        lost = self.before - self.after if self.metric == "macro_f1" else 100 * (self.after / self.before - 1)
        if self.agreement < AGREE:
            return f"{self.agreement:.1%} of the answers stay, wanted {AGREE:.0%}"
        if not lost <= LOSS:
            return f"{self.metric} goes from {self.before:.2f} to {self.after:.2f}, wanted within {LOSS:g} point"
        if self.weights == "int8" and self.speed >= 1:
            return f"it takes {self.speed:.2f} of the time, wanted less than 1"
        if self.bytes_after >= self.bytes_before:
            return f"it has {self.bytes_after} bytes of {self.bytes_before}, wanted fewer"
        return ""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON, with ``refused``: the reason, or nothing."""
        return {**asdict(self), "refused": self.refusal()}


def quantize_run(run: Path, path: Path, weights: Weights) -> Quantized:
    """Write the model of a finished run with smaller weights, if that changes nothing that matters.

    Ranges are taken from training recordings; what it costs is measured on validation recordings.

    Parameters
    ----------
    run : Path
        A run folder, whose ``model.onnx`` is taken.
    path : Path
        The ``.onnx`` file to write.
    weights : str
        ``int8`` or ``float16``.

    Raises
    ------
    TrainingError
        If it is not worth having, with the figures; nothing is written then.
    ConfigError
        If the model has nothing to quantise, or the run no validation recordings.
    RecordError
        If the folder holds no finished run.
    """
    found, data = measured(run, weights)
    if why := found.refusal():
        raise TrainingError(
            f"{weights}: {why}; {found.units} answers, {found.agreement:.2%} stay, {found.metric} "
            f"{found.before:.2f} to {found.after:.2f}, time {found.speed:.2f}, "
            f"bytes {found.bytes_after / found.bytes_before:.2f}"
        )
    write_bytes(path, data)
    return found


def measured(run: Path, weights: Weights) -> tuple[Quantized, bytes]:
    """Return what smaller weights change, and the file, whether it is worth having or not."""
    if not (run / BUNDLE).is_file() or not (run / "model.onnx").is_file():
        raise RecordError(str(run), BUNDLE, "nothing", "a finished run with a model", "finish it with `biotl finetune`")
    bundle = Bundle.from_json((run / BUNDLE).read_text(encoding="utf-8"), str(run / BUNDLE))
    ready = prepare(registry.load(run / "config.resolved.yaml", [f"run={run}"]))
    ready = replace(ready, preprocessor=make_preprocessor(ready.store.spec, bundle.state))
    if not ready.parts("validation"):
        raise ConfigError(f"{run}: got no validation recording, wanted some to hold {weights} against the model on")
    before = (run / "model.onnx").read_bytes()
    old = _session(before)
    names = [item.name for item in old.get_inputs()]
    after = to_int8(before, _inputs(ready, "train", names)) if weights == "int8" else to_float16(before)
    new = _session(after)
    told = {name: _answers(ready, bundle, one, names) for name, one in (("before", old), ("after", new))}
    tree = _scored(ready, bundle, told)
    key = tree["task"]["headline"]
    same = _same(told["before"], told["after"])
    some = next(_inputs(ready, "validation", names, most=1))
    found = Quantized(
        weights=weights,
        units=len(same),
        agreement=float(same.mean()),
        metric=key,
        before=float(tree["models"]["before"][key]),
        after=float(tree["models"]["after"][key]),
        bytes_before=len(before),
        bytes_after=len(after),
        speed=_speed(old, new, some),
    )
    return found, after


def _inputs(ready: Ready, part: str, names: list[str], most: int = SAMPLES // BATCH) -> Iterator[dict[str, Any]]:
    """Yield batches of what the model reads, of every recording in turn."""
    each = [
        batches(ready.preprocessor, ready.preprocessor.complete(ready.store[p.id]), BATCH) for p in ready.parts(part)
    ]
    while each and most:
        for one in list(each):
            batch = next(one, None)
            if batch is None:
                each.remove(one)
            elif most:
                most -= 1
                yield {name: batch[name] for name in names}


def _answers(ready: Ready, bundle: Bundle, session: Any, names: list[str]) -> list[Any]:
    from biotl.recipes.run import answered

    def forward(inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        out: NDArray[Any] = session.run(None, {name: inputs[name] for name in names})[0]
        return out

    return answered(ready, "validation", bundle.decision, forward, "model")


def _scored(ready: Ready, bundle: Bundle, told: dict[str, list[Any]]) -> dict[str, Any]:
    both = [
        replace(a, answers={"before": a.answers["model"], "after": b.answers["model"]})
        for a, b in zip(told["before"], told["after"], strict=True)
    ]
    split = figures.stated(ready.split) | {"judged": "validation recordings"}
    return results(both, figures.asked_of(bundle.decision), recipe=ready.config.recipe, split=split, looks=0, n=10)


def _same(before: list[Any], after: list[Any]) -> NDArray[np.bool_]:
    a, b = (np.concatenate([of.answers["model"] for of in told]) for told in (before, after))
    if a.dtype.kind == "i":
        return np.asarray(a == b)
    return np.asarray(np.abs(a - b) <= 0.01 * np.nanstd(a))


def _speed(old: Any, new: Any, inputs: dict[str, Any]) -> float:
    def seconds(session: Any) -> float:
        began = time.perf_counter()
        session.run(None, inputs)
        return time.perf_counter() - began

    for session in (old, new):
        session.run(None, inputs)
    return float(np.median([seconds(new) / seconds(old) for _ in range(ROUNDS)]))


def _session(data: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("onnxruntime", "onnx") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
