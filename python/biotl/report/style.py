"""How figures look, and how they become SVG whose colours follow the page into dark mode and print."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from biotl.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# By the names of the page's CSS variables. Lightness differs too, so that series stay apart in print and for
# colour-blind readers; red is kept for what is wrong.
LIGHT = {
    "ink": "#1f2933", "soft": "#52606c", "line": "#d5dbe1", "paper": "#fffffe", "tint": "#f4f7f9",
    "accent": "#0b6e99", "grey": "#7d8b97", "orange": "#c2691f", "green": "#4c7d4b", "violet": "#7b5ea7",
    "wrong": "#c0392b", "wrong-tint": "#fdecea", "fine-grid": "#fbe5e2", "grid": "#f3c6c2",
}  # fmt: skip
DARK = {
    "ink": "#e6eaee", "soft": "#a9b4be", "line": "#3a444d", "paper": "#14191d", "tint": "#1d242a",
    "accent": "#5cb8e0", "grey": "#94a1ac", "orange": "#eb9d55", "green": "#86bd84", "violet": "#b79fe0",
    "wrong": "#ff8a7a", "wrong-tint": "#3b211e", "fine-grid": "#2a1f20", "grid": "#4a2f2f",
}  # fmt: skip
SERIES = ("accent", "orange", "grey", "green", "violet")
"""Colours of models; this run's own is the first."""
NARROW = 4.4
"""Inches that a telephone of 390 px shows whole at 0.85 of the size, where 10 pt are 11 px."""
WIDE = 9.6
_RC: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": LIGHT["soft"],
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": LIGHT["ink"],
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": LIGHT["ink"],
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": LIGHT["line"],
    "grid.linewidth": 0.6,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",  # text stays text: sharp, read aloud, found by a search
    "text.color": LIGHT["ink"],
    "text.parse_math": False,  # a label may hold a dollar sign
    "xtick.color": LIGHT["ink"],
    "ytick.color": LIGHT["ink"],
}


@contextmanager
def style(**more: Any) -> Iterator[None]:
    """Draw in the look of the report.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ImportError:
        raise MissingExtraError("matplotlib", "train") from None
    look: Any = {**_RC, **more}
    with rc_context(look):
        yield


def short(text: str, most: int = 18) -> str:
    """Return a user's name cut to what a narrow figure has room for: in its middle, as names differ at their ends.

    Examples
    --------
    >>> short("ventricular tachycardia, long"), short("normal")
    ('ventricular…, long', 'normal')
    """
    tail = most // 3
    return text if len(text) <= most else f"{text[: most - tail - 1]}…{text[-tail:]}"


def canvas(width: float, height: float) -> "Figure":
    """Return an empty figure of so many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def svg(figure: "Figure", name: str) -> str:
    """Return a figure as an SVG element to stand in a page that defines the colours; same figure, same text.

    Parameters
    ----------
    figure : Figure
        Drawn in `style`.
    name : str
        Told to those who cannot see it; it also keeps the ids of one figure apart from those of another.
    """
    buffer = io.StringIO()
    with style(**{"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    used = set(re.findall(r"#([\w.-]+)[\")]", text))
    text = re.sub(r' id="([\w.-]+)"', lambda found: found[0] if found[1] in used else "", text)
    text = text.replace("'DejaVu Sans'", "var(--font)")
    for color, code in LIGHT.items():
        text = text.replace(code, f"var(--{color})")
    return text.strip()
