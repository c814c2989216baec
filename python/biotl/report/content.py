"""What a report is made of: sections of blocks. Page and card render any list of them; nothing is computed there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib import figure as matplotlib


@dataclass(frozen=True)
class Estimate:
    """A figure as it is printed, with its interval: ``50.2`` and ``38.1 to 65.3``."""

    value: str
    interval: str = ""

    def __str__(self) -> str:
        return f"{self.value} ({self.interval})" if self.interval else self.value


@dataclass(frozen=True)
class Text:
    """Paragraphs; ``warning`` sets off what a reader must not miss, ``soft`` what explains."""

    lines: tuple[str, ...]
    tone: Literal["plain", "soft", "warning"] = "plain"


@dataclass(frozen=True)
class Table:
    """Rows whose keys are the columns.

    A cell is a text, a whole number, an `Estimate` or None; a column that is None throughout is not shown.
    """

    rows: Sequence[Mapping[str, Any]]
    note: str = ""

    @property
    def columns(self) -> list[str]:
        """Return the columns that hold something, in the order in which they first come."""
        keys = dict.fromkeys(key for row in self.rows for key in row)
        return [key for key in keys if any(row.get(key) is not None for row in self.rows)]


@dataclass(frozen=True)
class Figure:
    """A drawing, made when it is shown.

    Parameters
    ----------
    draw : callable
        Returns a matplotlib figure; a narrow one is 4.4 inches wide at most, so that a telephone shows it whole.
    alt : str
        What is to be seen, for those who cannot.
    caption : str
        Printed below.
    """

    draw: "Callable[[], matplotlib.Figure]"
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Pairs:
    """Two columns: what, and which."""

    items: Mapping[str, str]


@dataclass(frozen=True)
class Card:
    """One of the few figures that matter: the figure, what it is, and a note; ``bad`` sets off what speaks against."""

    figure: str
    name: str
    note: str = ""
    bad: bool = False


@dataclass(frozen=True)
class Headline:
    """The cards at the top."""

    cards: tuple[Card, ...]


Block = Text | Table | Figure | Pairs | Headline


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it; without blocks it is not shown."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """A finished run.

    Parameters
    ----------
    title, question : str
        What was learnt, and the one sentence that says of what, on whom.
    sections : sequence of Section
        In order; the first holds the headline.
    """

    title: str
    question: str
    sections: Sequence[Section]
