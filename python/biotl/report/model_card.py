"""A finished run as a model card: Markdown that travels with the model file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from biotl.records.atomic import write_bytes
from biotl.report.content import ReportContent


def write(content: ReportContent, path: Path, *, made_by: str) -> None:
    """Write the card, whole or not at all.

    Parameters
    ----------
    content : ReportContent
        The run.
    path : Path
        Such as ``run/model_card.md``.
    made_by : str
        The line at the foot: program, version, when.
    """
    write_bytes(path, render(content, made_by=made_by).encode())


def render(content: ReportContent, *, made_by: str) -> str:
    """Return the card as Markdown text."""
    model, *baselines = content.scores
    figures = [
        {
            "class": row["class"],
            "beats": row["beats"],
            "sensitivity %": float(row["Se"]),
            "PPV %": float(row["PPV"]),
            "F1 %": float(row["F1"]),
            **{f"F1 % of {name}": _f1(content.scores[name], row["class"]) for name in baselines},
        }
        for row in content.scores[model]
        if row["beats"]
    ]
    macro = ", ".join(f"{name} {value:.1f} %" for name, value in content.macro_f1.items())
    parts = [
        f"# {content.title}",
        content.question,
        "\n".join(f"- **{figure}** {name} ({note})" for figure, name, note in content.headline),
        f"## Figures\n\nOn subjects that it has never seen. Macro-F1: {macro}.\n\n{_table(figures)}",
        f"## Data and split\n\n{_pairs(content.data)}",
        f"## Training\n\n{_pairs(content.settings)}",
        f"## Lineage\n\n{_pairs(content.lineage)}",
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in content.limits),
        f"*{made_by}*",
    ]
    return "\n\n".join(parts) + "\n"


def _f1(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    return next(float(row["F1"]) for row in rows if row["class"] == name)


def _pairs(items: Mapping[str, str]) -> str:
    return "\n".join(f"- **{key}**: {value}" for key, value in items.items())


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(rows[0])
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)]]
    lines += [[f"{v:.1f}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
