"""Metrics by name, counted in NumPy; what cannot be defined (no such class, no prediction) is NaN and never raises.

A metric has ``update(outputs, batch)`` for each batch and ``compute()``, which returns figures by name.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from biotl.config import Registry
from biotl.scoring.classes import ClassScore, confusion, mean_defined
from biotl.scoring.ranking import auroc
from biotl.scoring.regression import Errors, moments


class Metric(Protocol):
    """What the trainer needs of a metric."""

    def update(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> None:
        """Take in one batch of tensors."""

    def compute(self) -> dict[str, float]:
        """Return the figures over all batches."""


METRICS: Registry[Metric] = Registry("metric")


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

    All but PPV and F1 of a class are over the classes that occur in truth, see `biotl.scoring.classes.ClassScore`.
    """

    def __init__(self, output: str = "logits", target: str = "labels", names: Sequence[str] | None = None) -> None:
        super().__init__(output, target)
        self.names = names
        self.matrix: NDArray[np.int64] | None = None

    def update(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> None:
        """Count one batch."""
        logits, labels = self.take(outputs, batch)
        new = confusion(labels, logits.argmax(-1), np.zeros(0, np.int64), logits.shape[-1])
        self.matrix = new if self.matrix is None else self.matrix + new

    def compute(self) -> dict[str, float]:
        """Return the figures."""
        matrix = np.zeros((1, 1), np.int64) if self.matrix is None else self.matrix
        names = tuple(self.names or [str(index) for index in range(len(matrix) - 1)])
        score = ClassScore(names, matrix)
        figures = {key: float(getattr(score, key)) for key in ("accuracy", "macro_f1", "balanced_accuracy", "g_mean")}
        if len(names) == 2:
            figures |= {"sensitivity": float(score.sensitivity[1]), "specificity": float(score.sensitivity[0])}
        each = {"se": score.sensitivity, "ppv": score.ppv, "f1": score.f1}
        return figures | {
            f"{kind}.{name}": float(v) for kind, of in each.items() for name, v in zip(names, of, strict=True)
        }


@METRICS.register("screening")
class Screening(Classification):
    """How near two classes are to a wanted sensitivity and specificity, as one figure to select by.

    ``screening`` is the G-mean until both are met, and 1 + sensitivity from there on; ``targets_met`` says which.
    """

    def __init__(
        self, sensitivity: float = 0.95, specificity: float = 0.85, output: str = "logits", target: str = "labels"
    ) -> None:
        super().__init__(output, target)
        self.wanted = {"sensitivity": sensitivity, "specificity": specificity}

    def compute(self) -> dict[str, float]:
        """Return the two figures; NaN where there are other than two classes."""
        figures = super().compute()
        met = all(figures.get(name, math.nan) >= wanted for name, wanted in self.wanted.items())
        score = 1 + figures["sensitivity"] if met else figures["g_mean"]
        return {"screening": score if "sensitivity" in figures else math.nan, "targets_met": float(met)}


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
        each = np.array([auroc(labels == c, p[:, c]) for c in range(p.shape[-1])])
        return {"auroc": float(mean_defined(each))}


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
        figures = Errors().figures(moments(target, prediction, target.mean() if target.size else 0.0))
        return {key: float(figures[key]) for key in ("mae", "rmse", "r2")}


@METRICS.register("masked_r2")
class MaskedR2:
    """Of each channel, the share of the variance of its hidden samples that was restored, and that a line restores.

    ``r2.NAME`` is 1 less the squared error over that of the mean of what is visible of the channel (0, where nothing
    is): 0 is what the mean gives. ``r2.NAME.line`` is the same of a straight line from one visible sample to the next.
    """

    def __init__(
        self,
        output: str = "reconstruction",
        target: str = "target",
        mask: str = "mask",
        channels: Sequence[str] | None = None,
    ) -> None:
        self.output, self.target, self.mask, self.names = output, target, mask, channels
        self.sums: NDArray[np.float64] = np.zeros((0, 3))

    def update(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> None:
        """Add the squared errors of model, line and mean over one batch."""
        restored, x = (array(of).astype(np.float64) for of in (outputs[self.output], batch[self.target]))
        hidden = array(batch[self.mask]).astype(bool)
        seen = array(batch["measured"]).astype(bool) & ~hidden
        if not len(self.sums):
            self.sums = np.zeros((x.shape[1], 3))
        at = np.arange(x.shape[-1])
        for i, k in np.ndindex(x.shape[:2]):
            gap, there = hidden[i, k], seen[i, k]
            mean = x[i, k, there].mean() if there.any() else 0.0
            line = np.interp(at[gap], at[there], x[i, k, there]) if there.any() else mean
            for column, guess in enumerate((restored[i, k, gap], line, mean)):
                self.sums[k, column] += ((x[i, k, gap] - guess) ** 2).sum()

    def compute(self) -> dict[str, float]:
        """Return both for every channel; NaN for one of which nothing was hidden."""
        names = self.names or [str(k) for k in range(len(self.sums))]
        with np.errstate(invalid="ignore", divide="ignore"):
            r2 = 1 - self.sums[:, :2] / self.sums[:, 2:]
        return {
            f"r2.{name}{end}": float(r2[k, column])
            for k, name in enumerate(names)
            for column, end in enumerate(("", ".line"))
        }


@METRICS.register("spread")
class Spread:
    """Whether embeddings have collapsed: how far windows differ, and in how many directions.

    ``embedding.sd`` is the mean over dimensions of the standard deviation over windows; ``embedding.rank`` the
    effective rank, the exponential of the entropy of the eigenvalues of the covariance (Roy and Vetterli 2007), from 1
    to the width.
    """

    def __init__(self, output: str = "embedding") -> None:
        self.output = output
        self.parts: list[NDArray[np.float64]] = []

    def update(self, outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Keep the embeddings of one batch."""
        self.parts.append(array(outputs[self.output]).astype(np.float64))

    def compute(self) -> dict[str, float]:
        """Return both."""
        x = np.concatenate(self.parts) if self.parts else np.zeros((0, 1))
        if len(x) < 2:
            return {"embedding.sd": float("nan"), "embedding.rank": float("nan")}
        power = np.linalg.svd(x - x.mean(0), compute_uv=False) ** 2
        share = power[power > 0] / power.sum() if power.sum() else np.ones(1)
        return {"embedding.sd": float(x.std(0).mean()), "embedding.rank": float(np.exp(-(share * np.log(share)).sum()))}
