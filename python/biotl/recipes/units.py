"""The units of a part of a recording, and what the reference says of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.splits import Part
from biotl.recipes.recipe import Ready
from biotl.scoring.answers import Answered

NOTHING = np.zeros(0, np.int64)


def within(part: Part, span: NDArray[np.int64], samples: int) -> NDArray[np.bool_]:
    """Say which units begin inside a part of a recording.

    Examples
    --------
    >>> within(Part("a", 0.5, 1.0), np.array([[0, 10], [60, 70]]), 100)
    array([False,  True])
    """
    at = span[:, 0] / max(samples, 1)
    return np.asarray((at >= part.start) & (at < part.stop))


def reference(ready: Ready, part: Part) -> Answered:
    """Return the units of a part of a recording with their reference, before any model has answered."""
    prepared, targets = ready.store[part.id], ready.store.targets(part.id)
    span = ready.preprocessor.units(prepared)
    inside = within(part, span, prepared.samples)
    whole = part.start <= 0 and part.stop >= 1
    return Answered(
        id=part.id,
        subject=ready.entries[part.id].subject,
        unit=ready.preprocessor.unit,
        fs=prepared.fs,
        span=span[inside],
        truth=truths(targets)[inside],
        answers={},
        # where in a recording a beat was missed is not kept: a stretch of one is judged on what was found
        missed=targets.get("missed", NOTHING) if whole else NOTHING,
    )


def truths(targets: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Return the reference of each unit: a class, or a value that is NaN where there is none."""
    if "labels" in targets:
        return targets["labels"]
    return np.where(targets["mask"], targets["target"], np.nan)
