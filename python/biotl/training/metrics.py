"""Metrics by name, counted in NumPy; what cannot be defined (no such class, no prediction) is NaN and never raises.

A metric has ``update(outputs, batch)`` for each batch and ``compute()``, which returns figures by name.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from biotl.config import Registry


class Metric(Protocol):
    """What the trainer needs of a metric."""

    def update(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> None:
        """Take in one batch of tensors."""

    def compute(self) -> dict[str, float]:
        """Return the figures over all batches."""


METRICS: Registry[Metric] = Registry("metric")


def confusion(labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Count (truth, prediction) pairs: int64 of shape (n_classes, n_classes), rows are the truth."""
    pairs = np.bincount(labels * n_classes + predicted, minlength=n_classes**2)
    return pairs.reshape(n_classes, n_classes).astype(np.int64, copy=False)


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Divide, NaN where there is nothing to divide by."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    quotient: NDArray[np.float64] = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return quotient


def mean_defined(values: NDArray[np.float64]) -> float:
    """Return the mean over the values that are defined; NaN if none is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def per_class(matrix: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return sensitivity ``se``, positive predictive value ``ppv`` and ``f1`` of each class of a confusion matrix."""
    hits, truth, predicted = np.diagonal(matrix), matrix.sum(1), matrix.sum(0)
    return {"se": ratio(hits, truth), "ppv": ratio(hits, predicted), "f1": ratio(2 * hits, truth + predicted)}


def auroc(labels: NDArray[Any], scores: NDArray[Any]) -> float:
    """Return the area under the ROC curve by ranks, ties counting half; NaN where one class is missing.

    Examples
    --------
    >>> auroc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    positive = np.asarray(labels) > 0
    n = int(positive.sum())
    if n in {0, positive.size}:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * (positive.size - n)))


def array(tensor: Any) -> NDArray[Any]:
    """Return a tensor (bfloat16 too) or array as NumPy."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        tensor = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    return np.asarray(tensor)


class _Labelled:
    """Gathers probabilities (n, classes) and labels (n,); negative labels are left out."""

    def __init__(self, output: str, target: str) -> None:
        self.output, self.target = output, target

    def take(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        logits, labels = array(outputs[self.output]), array(batch[self.target])
        if logits.ndim == labels.ndim or logits.shape[-1] == 1:  # one logit for two classes
            logits = logits.reshape(*labels.shape, 1)
            logits = np.concatenate([np.zeros_like(logits), logits], -1)
        keep = labels.reshape(-1) >= 0
        return logits.reshape(-1, logits.shape[-1])[keep], labels.reshape(-1)[keep].astype(np.int64)


@METRICS.register("classification")
class Classification(_Labelled):
    """Accuracy, macro-F1, G-mean, balanced accuracy; Se, PPV, F1 per class; of two classes sensitivity and specificity.

    Macro-F1 is over the classes that occur in truth or prediction; balanced accuracy and the G-mean (geometric mean of
    the classes' sensitivities) over those that occur in truth. The confusion matrix is in `matrix`, and in the figures
    as ``confusion.truth.predicted``.
    """

    def __init__(self, output: str = "logits", target: str = "labels", names: Sequence[str] | None = None) -> None:
        super().__init__(output, target)
        self.names = names
        self.matrix: NDArray[np.int64] | None = None

    def update(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> None:
        """Count one batch."""
        logits, labels = self.take(outputs, batch)
        new = confusion(labels, logits.argmax(-1), logits.shape[-1])
        self.matrix = new if self.matrix is None else self.matrix + new

    def compute(self) -> dict[str, float]:
        """Return the figures."""
        matrix = np.zeros((0, 0), np.int64) if self.matrix is None else self.matrix
        names = self.names or [str(index) for index in range(len(matrix))]
        values = per_class(matrix)
        se = values["se"][~np.isnan(values["se"])]
        figures = {
            "accuracy": float(ratio(np.trace(matrix), matrix.sum())),
            "macro_f1": mean_defined(values["f1"]),
            "balanced_accuracy": mean_defined(values["se"]),
            "g_mean": float(np.prod(se) ** (1 / se.size)) if se.size else float("nan"),
        }
        if len(matrix) == 2:
            figures |= {"sensitivity": float(values["se"][1]), "specificity": float(values["se"][0])}
        figures |= {
            f"{kind}.{name}": float(v) for kind, of in values.items() for name, v in zip(names, of, strict=True)
        }
        return figures | {
            f"confusion.{truth}.{guess}": float(matrix[i, j])
            for i, truth in enumerate(names)
            for j, guess in enumerate(names)
        }


@METRICS.register("auroc")
class AUROC(_Labelled):
    """Area under the ROC curve; over more than two classes the mean of one against the rest."""

    def __init__(self, output: str = "logits", target: str = "labels") -> None:
        super().__init__(output, target)
        self.parts: list[tuple[NDArray[Any], NDArray[np.int64]]] = []

    def update(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> None:
        """Keep the scores of one batch."""
        self.parts.append(self.take(outputs, batch))

    def compute(self) -> dict[str, float]:
        """Return the area."""
        if not self.parts:
            return {"auroc": float("nan")}
        logits, labels = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        if logits.shape[-1] == 2:
            return {"auroc": auroc(labels, logits[:, 1].astype(np.float64) - logits[:, 0])}
        p = np.exp(logits - logits.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        return {"auroc": mean_defined(np.array([auroc(labels == c, p[:, c]) for c in range(p.shape[-1])]))}


@METRICS.register("regression")
class Regression:
    """Mean absolute error, root mean squared error and R^2 over the steps where `mask` is set."""

    def __init__(self, output: str = "prediction", target: str = "target", mask: str | None = "mask") -> None:
        self.output, self.target, self.mask = output, target, mask
        self.parts: list[NDArray[np.float64]] = []

    def update(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> None:
        """Keep the valid steps of one batch."""
        prediction, target = array(outputs[self.output]), array(batch[self.target])
        keep = np.ones(target.shape, bool) if self.mask is None else array(batch[self.mask]).astype(bool)
        keep = np.broadcast_to(keep, target.shape)
        self.parts.append(np.stack([prediction.reshape(target.shape)[keep], target[keep]]).astype(np.float64))

    def compute(self) -> dict[str, float]:
        """Return the errors, in the unit of the target."""
        prediction, target = np.concatenate(self.parts, axis=1) if self.parts else np.zeros((2, 0))
        if not target.size:
            return dict.fromkeys(["mae", "rmse", "r2"], float("nan"))
        error = prediction - target
        spread = float(((target - target.mean()) ** 2).sum())
        r2 = 1 - float((error**2).sum()) / spread if spread > 0 else float("nan")
        return {"mae": float(np.abs(error).mean()), "rmse": float(np.sqrt((error**2).mean())), "r2": r2}
