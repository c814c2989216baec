"""A report as one HTML file: figures inside, no script, no network; for desk, telephone, dark rooms and paper."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from biotl.errors import MissingExtraError
from biotl.records.atomic import write_bytes
from biotl.report.content import Block, Estimate, Figure, Report, Table
from biotl.report.style import DARK, LIGHT, NARROW, svg

LONG = 24
"""Letters from which a text is a sentence."""


def write(report: Report, path: Path, *, made_by: str) -> None:
    """Write the page, whole or not at all.

    Parameters
    ----------
    report : Report
        What it shows.
    path : Path
        Such as ``run/report.html``; the parent folder must exist.
    made_by : str
        The line at the foot: program, version, when.

    Raises
    ------
    MissingExtraError
        If matplotlib or jinja2 is not installed.
    """
    write_bytes(path, render(report, made_by=made_by).encode())


def render(report: Report, *, made_by: str) -> str:
    """Return the page as HTML text; the same report gives the same text."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise MissingExtraError("jinja2", "train") from None
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": _cell, "kind": lambda block: type(block).__name__.lower(), "words": _words}
    environment.globals |= {"draw": _draw, "panels": _panels, "light": LIGHT, "dark": DARK}
    return environment.get_template("report.html.j2").render(report=report, made_by=made_by)


def _cell(value: Any) -> Any:
    """Return what a cell prints; whole numbers with separators, nothing as a dash."""
    if value is None:
        return Estimate("–")
    return value if isinstance(value, Estimate) else Estimate(f"{value:,}" if isinstance(value, int) else str(value))


def _words(table: Table) -> set[str]:
    """Return the columns that hold sentences, which stand on the left and may take several lines."""
    found = {
        column: [row[column] for row in table.rows if isinstance(row.get(column), str)] for column in table.columns
    }
    return {column for column, cells in found.items() if any(len(cell) > LONG for cell in cells)}


def _draw(figure: Figure) -> tuple[str, float, bool]:
    """Return the SVG of a figure, its width in CSS pixels, and whether it is wider than a telephone."""
    drawn = figure.draw()
    inches = float(drawn.get_figwidth())
    return svg(drawn, figure.alt + figure.caption), 96 * inches, inches > NARROW + 0.01


def _panels(blocks: Sequence[Block]) -> Iterator[tuple[bool, list[Block]]]:
    """Group neighbouring figures, which stand beside each other where there is room."""
    for figures, group in groupby(blocks, lambda block: isinstance(block, Figure)):
        yield figures, list(group)
