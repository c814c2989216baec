"""A finished run as one HTML file: images inside, no script, no network, fit to be printed."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biotl.records.atomic import write_bytes
from biotl.report import figures
from biotl.report.content import ReportContent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
:root { --ink: #1f2933; --soft: #52606d; --line: #e1e6eb; --accent: #0b6e99; --tint: #f5f8fa; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff;
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1020px; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; letter-spacing: -.01em; }
h2 { font-size: 1.2rem; margin: 2.8rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line); }
p { margin: .4rem 0; max-width: 46rem; }
.question { font-size: 1.08rem; color: var(--soft); }
.headline { display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: .9rem;
  margin: 1.6rem 0 0; padding: 0; list-style: none; }
.headline li { background: var(--tint); border-left: 4px solid var(--accent); border-radius: 4px; padding: .8rem 1rem; }
.headline b { display: block; font-size: 1.75rem; line-height: 1.15; font-variant-numeric: tabular-nums; }
.headline span { display: block; font-weight: 600; font-size: .92rem; }
.headline small, .soft, figcaption { color: var(--soft); font-size: .87rem; }
table { border-collapse: collapse; margin: .8rem 0; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .8rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; border-bottom: 2px solid #9aa5b1; vertical-align: bottom; }
th[colspan] { text-align: center; border-bottom: 1px solid var(--line); }
td:first-child, th:first-child { text-align: left; padding-left: .3rem; }
td.own { font-weight: 600; background: var(--tint); }
dl { display: grid; grid-template-columns: minmax(9rem, max-content) 1fr; gap: .3rem 1.4rem; font-size: .94rem; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
figure { margin: 1rem 0; } figure img { max-width: 100%; height: auto; display: block; }
footer { margin-top: 3rem; padding-top: .8rem; border-top: 1px solid var(--line); color: var(--soft);
  font-size: .85rem; }
@media print {
  @page { margin: 14mm; }
  body { font-size: 10pt; } main { padding: 0; max-width: none; } .scroll { overflow: visible; }
  h2 { margin-top: 1.2rem; } h2, h2 + p { break-after: avoid; } footer { margin-top: 1rem; }
  figure, tr, .headline li { break-inside: avoid; } thead { display: table-header-group; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def write(content: ReportContent, path: Path, *, made_by: str) -> None:
    """Write the report, whole or not at all.

    Parameters
    ----------
    content : ReportContent
        The run.
    path : Path
        Such as ``run/report.html``; the parent folder must exist.
    made_by : str
        The line at the foot: program, version, when.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    write_bytes(path, render(content, made_by=made_by).encode())


def render(content: ReportContent, *, made_by: str) -> str:
    """Return the report as HTML text."""
    model, *baselines = content.scores
    beside = f", beside {', '.join(baselines)}" if baselines else ""
    sections = [
        f"<h1>{_text(content.title)}</h1><p class='question'>{_text(content.question)}</p>",
        _headline(content.headline),
        _section(
            "What it predicts",
            "".join(
                _figure(
                    figures.ecg_strip(s), f"Recording {s.record} from {s.start_s:.0f} s, predicted classes", s.caption
                )
                for s in content.strips
            ),
        ),
        _section(
            "How well, by class",
            f"<p class='soft'>{_text(model)}{_text(beside)}; subjects that it has never seen.</p>"
            + _figure(figures.class_bars(content.scores, content.macro_f1), "F1 by class beside the baselines")
            + _scores(content),
        ),
        _section(
            "Where it errs",
            "<p class='soft'>Beats, reference by prediction. A missed beat and a false detection count as errors.</p>"
            + _figure(figures.confusion_matrix(content.confusion, content.labels), "Confusion matrix"),
        ),
        _section("Recording by recording", _table(content.per_record)),
        _section("How it was trained", _figure(figures.training_curves(content.history), "Training curves"))
        if content.history
        else "",
        _section("Data", _pairs(content.data)),
        _section("Settings", _pairs(content.settings)),
        _section("Lineage", _pairs(content.lineage)),
        _section("What this does not show", "".join(f"<p>{_text(limit)}</p>" for limit in content.limits)),
    ]
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{_text(content.title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main>{''.join(sections)}<footer>{_text(made_by)}</footer></main></body></html>\n"
    )


def _text(value: Any) -> str:
    return html.escape(str(value))


def _section(title: str, body: str) -> str:
    return f"<section><h2>{_text(title)}</h2>{body}</section>\n" if body else ""


def _headline(items: Iterable[tuple[str, str, str]]) -> str:
    cards = "".join(
        f"<li><b>{_text(figure)}</b><span>{_text(name)}</span><small>{_text(note)}</small></li>"
        for figure, name, note in items
    )
    return f"<ul class='headline'>{cards}</ul>"


def _figure(figure: "Figure", alternative: str, caption: str = "") -> str:
    """Embed as SVG in an image: sharp on paper, and its ids cannot meet those of another figure."""
    code = base64.b64encode(figures.svg(figure)).decode()
    below = f"<figcaption>{_text(caption)}</figcaption>" if caption else ""
    image = f"<img alt='{_text(alternative)}' src='data:image/svg+xml;base64,{code}'>"
    return f"<figure>{image}{below}</figure>"


def _pairs(items: Mapping[str, str]) -> str:
    rows = "".join(f"<dt>{_text(key)}</dt><dd>{_text(value)}</dd>" for key, value in items.items())
    return f"<dl>{rows}</dl>" if items else ""


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else _text(value)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    keys = dict.fromkeys(key for row in rows for key in row)
    columns = [key for key in keys if any(row.get(key) is not None for row in rows)]
    head = "".join(f"<th>{_text(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(row.get(column))}</td>" for column in columns) + "</tr>" for row in rows
    )
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _scores(content: ReportContent) -> str:
    """One row a class, three columns a model; the model of this run set off."""
    model = next(iter(content.scores))
    classes = [(row["class"], row["beats"]) for row in content.scores[model] if row["beats"]]
    head = "".join(f"<th colspan=3>{_text(name)}</th>" for name in content.scores)
    names = "<th>sens.</th><th>PPV</th><th>F1</th>" * len(content.scores)
    body = ""
    for name, beats in classes:
        cells = ""
        for of, table in content.scores.items():
            row = next(row for row in table if row["class"] == name)
            own = " class=own" if of == model else ""
            cells += "".join(f"<td{own}>{float(row[key]):.1f}</td>" for key in ("Se", "PPV", "F1"))
        body += f"<tr><td>{_text(name)}</td><td>{beats:,}</td>{cells}</tr>"
    return (
        f"<div class='scroll'><table><thead><tr><th rowspan=2>class</th><th rowspan=2>beats</th>{head}</tr>"
        f"<tr>{names}</tr></thead><tbody>{body}</tbody></table></div><p class='soft'>All in per cent.</p>"
    )
