"""A report as a model card: Markdown that travels with the model file, without the figures that are drawn."""

from pathlib import Path
from typing import Any

from biotl.records.atomic import write_bytes
from biotl.report.content import Block, Headline, Pairs, Report, Table, Text


def write(report: Report, path: Path, *, made_by: str) -> None:
    """Write the card, whole or not at all.

    Parameters
    ----------
    report : Report
        What it says.
    path : Path
        Such as ``run/model_card.md``.
    made_by : str
        The line at the foot: program, version, when.
    """
    write_bytes(path, render(report, made_by=made_by).encode())


def render(report: Report, *, made_by: str) -> str:
    """Return the card as Markdown text; a section of drawings alone is left out."""
    parts = [f"# {report.title}", report.question]
    for section in report.sections:
        told = [text for block in section.blocks if (text := _block(block))]
        # a text that only explains drawings goes with them
        if any(_block(block) for block in section.blocks if not (isinstance(block, Text) and block.tone == "soft")):
            parts += [f"## {section.title}"] * bool(section.title) + told
    return "\n\n".join([*parts, f"*{made_by}*"]) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Text):
        mark = "**Note:** " if block.tone == "warning" else ""
        return "\n\n".join(f"{mark}{_line(line)}" for line in block.lines)
    if isinstance(block, Headline):
        return "\n".join(
            f"- **{_line(card.figure)}** {_line(card.name)}" + (f" ({_line(card.note)})" if card.note else "")
            for card in block.cards
        )
    if isinstance(block, Pairs):
        return "\n".join(f"- **{_line(key)}**: {_line(value)}" for key, value in block.items.items())
    return _table(block) if isinstance(block, Table) else ""


def _table(table: Table) -> str:
    if not table.rows:
        return ""
    columns = table.columns
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)]]
    lines += [[_cell(row.get(column)) for column in columns] for row in table.rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{text}\n\n{_line(table.note)}" if table.note else text


def _cell(value: Any) -> str:
    return "–" if value is None else _line(f"{value:,}" if isinstance(value, int) else str(value)).replace("|", "\\|")


def _line(text: str) -> str:
    return " ".join(str(text).split())
