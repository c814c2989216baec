"""Forward passes without gradients: outputs, predictions, losses and metrics over a data set."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from biotl.config import nearest
from biotl.errors import BiotlError, ConfigError, TrainingError
from biotl.training.data import Batch, Batches, Dataset, move
from biotl.training.losses import LOSSES, Loss, count
from biotl.training.metrics import METRICS, Metric
from biotl.training.progress import Mean
from biotl.training.stages import Stage


@contextmanager
def blaming(who: str, *given: Mapping[str, Tensor]) -> Iterator[None]:
    """Turn what a model, a loss or a metric cannot do with its tensors into one line that names them.

    Raises
    ------
    ConfigError
        If a tensor is asked for by a name that does not exist.
    TrainingError
        If shapes or labels do not fit, or memory does not suffice.
    """
    try:
        yield
    except BiotlError:
        raise
    except KeyError as error:
        names = dict.fromkeys(name for tensors in given for name in tensors)
        raise ConfigError(f"{who} asks for {error.args[0]!r}{nearest(str(error.args[0]), names)}") from error
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for tensors in given for name, tensor in tensors.items())
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainingError(f"{who} fails on {shapes}: {reason}") from error


def outputs(
    model: nn.Module, batch: Batch, forward: Callable[..., dict[str, Tensor]] | None = None
) -> dict[str, Tensor]:
    """Run a model on the batch fields that it names in ``inputs``."""
    for name in model.inputs:  # type: ignore[union-attr]
        if name not in batch:
            raise ConfigError(f"the model takes {name!r}, which the data set does not give{nearest(str(name), batch)}")
    fields = {str(name): batch[str(name)] for name in model.inputs}  # type: ignore[union-attr]
    with blaming(type(model).__name__, fields):
        return (forward or model)(*fields.values())


def measure(stage: Stage, losses: Sequence[Loss], out: dict[str, Tensor], batch: Batch) -> list[Tensor]:
    """Return the terms of a stage's loss on one batch."""
    terms = []
    for spec, loss in zip(stage.loss, losses, strict=True):
        with blaming(f"stage {stage.name}: loss {spec.name}", out, batch):
            terms.append(loss(out, batch).reshape(()))
    return terms


def counts(stage: Stage, losses: Sequence[Loss], batch: Batch) -> list[float]:
    """Return over how many terms each loss of a stage takes its mean in one batch."""
    found = []
    for spec, loss in zip(stage.loss, losses, strict=True):
        with blaming(f"stage {stage.name}: loss {spec.name}", batch):
            found.append(float(count(loss, batch)))
    return found


def update(stage: Stage, metrics: Sequence[Metric], out: dict[str, Tensor], batch: Batch) -> None:
    """Let the metrics of a stage take in one batch."""
    for spec, metric in zip(stage.metrics, metrics, strict=True):
        with blaming(f"stage {stage.name}: metric {spec.name}", out, batch):
            metric.update(out, batch)


def compiled(model: nn.Module, say: Callable[[str], None]) -> Callable[..., dict[str, Tensor]]:
    """Return `torch.compile` of a model, which falls back to the model itself, and says so, where compiling fails."""
    fast: Any = torch.compile(model)

    def forward(*inputs: Tensor) -> dict[str, Tensor]:
        nonlocal fast
        try:
            return fast(*inputs)  # type: ignore[no-any-return]
        except Exception as error:
            if fast is model:
                raise
            reason = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
            say(f"torch.compile failed ({reason}); going on without it")
            fast = model
            return model(*inputs)  # type: ignore[no-any-return]

    return forward


def predict(
    model: nn.Module, dataset: Dataset, *, batch_size: int = 64, seed: int = 0, workers: int = 0
) -> Iterator[tuple[Batch, dict[str, Tensor]]]:
    """Yield (batch, outputs) over a data set in its order, in evaluation mode and without gradients."""
    device = next(model.parameters()).device
    indices = np.arange(len(dataset))
    parts = [indices[start : start + batch_size] for start in range(0, len(indices), batch_size)]
    for loaded in Batches(dataset, parts, (seed,)).load(workers=workers):
        model.eval()
        batch = move(loaded or {}, device)
        with torch.inference_mode():
            out = outputs(model, batch)
        yield batch, out


def evaluate(
    model: nn.Module,
    dataset: Dataset,
    stage: Stage,
    *,
    seed: int = 0,
    workers: int = 0,
    stop: Callable[[], Any] = lambda: False,
) -> dict[str, float]:
    """Return losses and metrics of a stage on a data set; the random numbers of its `draw` are the same in every call.

    `stop` is asked between batches; once it says yes, what is left is not evaluated and the figures are empty.
    """
    losses = [LOSSES.build(term) for term in stage.loss]
    metrics = [METRICS.build(named) for named in stage.metrics]
    mean = Mean()
    for batch, out in predict(model, dataset, batch_size=stage.batch_size, seed=seed, workers=workers):
        if stop():
            return {}
        ns = counts(stage, losses, batch)
        terms = measure(stage, losses, out, batch)
        mean.add([float(term) * n if n else 0.0 for term, n in zip(terms, ns, strict=True)], ns)
        update(stage, metrics, out, batch)
    figures = mean.figures(stage)
    for metric in metrics:
        figures |= {name: float(value) for name, value in metric.compute().items()}
    return figures
