"""What a figure is called, and what a measure of answers must offer so that any figure gets its interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from biotl.scoring.answers import Answered


@dataclass(frozen=True)
class Figure:
    """The name of a figure as a report prints it, its unit, and which way is better (``""``: neither)."""

    name: str
    unit: str = ""
    better: Literal["higher", "lower", ""] = "higher"


class Measure(Protocol):
    """Figures that are read from sums over recordings, so that drawing subjects anew is one matrix product."""

    @property
    def legend(self) -> Mapping[str, Figure]:
        """Return what each figure is called, in the order of `figures`."""

    def sums(self, of: Answered, model: str) -> NDArray[Any]:
        """Return the sums of one recording, shape (k,)."""

    def figures(self, sums: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Read every figure from sums of shape (..., k); NaN where one is not defined."""
