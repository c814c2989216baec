"""Values: errors in the unit of the target, and how often stated bounds hold the truth."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.scoring.answers import Answered
from biotl.scoring.classes import ratio
from biotl.scoring.figure import Figure


def mae(truth: NDArray[Any], answer: NDArray[Any]) -> float:
    """Return the mean absolute error over the units where both are known, in the unit of the target.

    Examples
    --------
    >>> mae(np.array([60.0, np.nan, 80.0]), np.array([61.0, 70.0, 77.0]))
    2.0
    """
    return _figure("mae", truth, answer)


def rmse(truth: NDArray[Any], answer: NDArray[Any]) -> float:
    """Return the root of the mean squared error, see `mae`."""
    return _figure("rmse", truth, answer)


def bias(truth: NDArray[Any], answer: NDArray[Any]) -> float:
    """Return the mean of answer minus truth, see `mae`."""
    return _figure("bias", truth, answer)


def r2(truth: NDArray[Any], answer: NDArray[Any]) -> float:
    """Return the share of the variance explained; NaN where the truth does not vary."""
    return _figure("r2", truth, answer)


def moments(truth: NDArray[Any], answer: NDArray[Any], center: float = 0.0) -> NDArray[np.float64]:
    """Return what the errors are read from, shape (7,): sums over the units that have a truth (NaN: none).

    Units, units answered, and of these: sum of the error, of its size and of its square, of the truth and its square
    less ``center``: near the mean of the truth, a sum of squares keeps its digits.
    """
    known = ~np.isnan(truth)
    both = known & ~np.isnan(answer)
    t = np.asarray(truth, np.float64)[both]
    error = np.asarray(answer, np.float64)[both] - t
    t = t - center
    parts = [error.sum(), np.abs(error).sum(), (error**2).sum(), t.sum(), (t**2).sum()]
    return np.array([known.sum(), both.sum(), *parts])


@dataclass(frozen=True)
class Errors:
    """Figures of answered values, from sums that add up over recordings.

    Parameters
    ----------
    unit : str
        Of the target, such as ``bpm``.
    center : float
        Near the mean of the truth, see `moments`.
    """

    unit: str = ""
    center: float = 0.0

    @property
    def legend(self) -> dict[str, Figure]:
        """Return what each figure is called and counted in."""
        return {
            "mae": Figure("MAE", self.unit, "lower"),
            "rmse": Figure("RMSE", self.unit, "lower"),
            "bias": Figure("bias", self.unit, ""),
            "sd": Figure("SD of the error", self.unit, "lower"),
            "r2": Figure("R²"),
            "answered": Figure("answered", "%", ""),
        }

    def sums(self, of: Answered, model: str) -> NDArray[Any]:
        """Return `moments` of one recording."""
        return moments(of.truth, of.answers[model], self.center)

    def figures(self, sums: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Read the figures of sums, shape (..., 7)."""
        known, n, error, size, square, truth, truth2 = np.moveaxis(sums, -1, 0)
        bias, mean = ratio(error, n), ratio(square, n)
        spread = truth2 - ratio(truth**2, n)
        # what is left of two equal sums is rounding, not variance
        varies = spread > 1e-12 * (truth2 + n * self.center**2)
        explained = np.where(varies, 1 - ratio(square, spread), np.nan)[()]
        return {
            "mae": ratio(size, n),
            "rmse": np.sqrt(mean),
            "bias": bias,
            "sd": np.sqrt(np.maximum(mean - bias**2, 0)),
            "r2": explained,
            "answered": 100 * ratio(n, known),
        }


@dataclass(frozen=True)
class Bounds:
    """How often the stated bounds of this run's own model hold the truth, and how wide they are.

    Parameters
    ----------
    unit : str
        Of the target.
    """

    unit: str = ""

    @property
    def legend(self) -> dict[str, Figure]:
        """Return what each figure is called and counted in."""
        return {
            "coverage": Figure("truths inside the stated bounds", "%", ""),
            "width": Figure("mean width of the bounds", self.unit, "lower"),
        }

    def sums(self, of: Answered, model: str) -> NDArray[Any]:  # noqa: ARG002
        """Return units with truth and bounds, those inside, and the sum of widths."""
        if of.low is None or of.high is None:
            return np.zeros(3)
        both = ~(np.isnan(of.truth) | np.isnan(of.low) | np.isnan(of.high))
        low, high, truth = of.low[both], of.high[both], of.truth[both]
        return np.array([both.sum(), ((low <= truth) & (truth <= high)).sum(), (high - low).sum()], np.float64)

    def figures(self, sums: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Read the figures of sums, shape (..., 3)."""
        n, inside, width = np.moveaxis(sums, -1, 0)
        return {"coverage": 100 * ratio(inside, n), "width": ratio(width, n)}


def _figure(name: str, truth: NDArray[Any], answer: NDArray[Any]) -> float:
    known = np.asarray(truth, np.float64)[~np.isnan(truth)]
    return float(Errors().figures(moments(truth, answer, known.mean() if known.size else 0.0))[name])
