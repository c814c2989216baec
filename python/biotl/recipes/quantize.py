"""A finished run with smaller weights, held against the model as it was on recordings that it did not learn from."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.kinds import make_preprocessor
from biotl.deploy.answer import batches
from biotl.deploy.bundle import Bundle
from biotl.deploy.quantize import to_float16, to_int8
from biotl.deploy.quantized import Quantized, Weights, same, speed
from biotl.errors import ConfigError, MissingExtraError, RecordError, TrainingError
from biotl.recipes import figures, registry
from biotl.recipes.prep import prepare
from biotl.recipes.publish import BUNDLE
from biotl.recipes.recipe import Ready
from biotl.records.atomic import write_bytes
from biotl.scoring.results import results

SAMPLES, BATCH = 256, 16


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
    stay = same(*(_told(told[name]) for name in ("before", "after")))
    some = next(_inputs(ready, "validation", names, most=1))
    found = Quantized(
        weights=weights,
        units=len(stay),
        agreement=float(stay.mean()),
        metric=key,
        before=float(tree["models"]["before"][key]),
        after=float(tree["models"]["after"][key]),
        bytes_before=len(before),
        bytes_after=len(after),
        speed=speed(old, new, some),
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


def _told(answered: list[Any]) -> NDArray[Any]:
    return np.concatenate([of.answers["model"] for of in answered])


def _session(data: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("onnxruntime", "onnx") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
