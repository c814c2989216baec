"""What every command prints the same way."""

import csv
import io
import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Seed = Annotated[int, typer.Option(help="The one seed of everything random.")]


def result(value: Any, *, as_json: bool, text: str) -> None:
    """Print a result on stdout: the value as JSON, or the text."""
    typer.echo(json.dumps(_finite(value), indent=2) if as_json else text)


def lines_of(rows: Sequence[dict[str, Any]], *, as_json: bool = False, header: Sequence[str] = ()) -> str:
    """Return rows as CSV, below a header row if one is given, or as one JSON object a line."""
    if as_json:
        return "".join(f"{json.dumps(_finite(row))}\n" for row in rows)
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    if header:
        writer.writerow(header)
    writer.writerows(row.values() for row in rows)
    return lines.getvalue()


def _finite(value: Any) -> Any:
    # JSON has no NaN: what is undefined is null
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def note(line: str) -> None:
    """Print progress or a warning on stderr."""
    sys.stderr.write(f"{line}\n")


def refusals(refused: Iterable[Exception]) -> list[str]:
    """Print on stderr what was refused and why, and return it."""
    lines = [str(error) for error in refused]
    for line in lines:
        note(f"refused: {line}")
    return lines


def end(refused: Iterable[object], done: object) -> None:
    """End with 4 if something was refused, with 3 if nothing else is left; otherwise go on."""
    if list(refused):
        raise typer.Exit(4 if done else 3)


def table(rows: Iterable[dict[str, Any]], *, digits: Callable[[str], int] | None = None) -> str:
    """Return rows as aligned columns; numbers to the right, those of a column with as many digits, or those given."""
    rows = list(rows)
    if not rows:
        return ""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    most = {column: max(_digits(row.get(column)) for row in rows) for column in columns}
    cells = [[_cell(row.get(c), digits(c) if digits else most[c]) for c in columns] for row in rows]
    widths = [max(len(column), *(len(line[i]) for line in cells)) for i, column in enumerate(columns)]
    right = [all(isinstance(row.get(column), int | float | None) for row in rows) for column in columns]
    lines = [columns, *cells]
    return "\n".join(
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)).rstrip()
        for line in lines
    )


def scores(rows: Iterable[dict[str, Any]]) -> str:
    """Return the figures of models, as of `biotl.recipes.figures.rows`, with as many digits as their intervals."""
    from biotl.recipes.figures import digits

    return table(rows, digits=digits)


def _digits(value: Any) -> int:
    return max(len(f"{value:.3f}".rstrip("0").partition(".")[2]), 1) if isinstance(value, float) else 0


def _cell(value: Any, digits: int) -> str:
    if value is None:
        return "-"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)
