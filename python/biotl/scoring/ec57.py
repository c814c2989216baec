"""Beat-by-beat tables as ANSI/AAMI EC57 asks for them and WFDB's ``bxb -L`` and ``sumstats`` count them.

Of a ventricular answer those to reference beats F and Q are no false alarms, of a supraventricular one those to Q.
``gross`` counts all beats together, ``average`` takes the mean over the recordings in which a share is defined. Whole
recordings are counted: ``bxb`` leaves out the first five minutes unless told ``-f 0``.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.errors import ConfigError
from biotl.records.atomic import write_text
from biotl.scoring.answers import Answered
from biotl.scoring.classes import confusion, ratio

CLASSES = ("N", "S", "V", "F", "Q")
SHARES = ("Q Se", "Q +P", "V Se", "V +P", "V FPR", "S Se", "S +P")
COUNTS = ("Nn'", "Sn'", "Vn'", "Fn'", "On'", "Ns", "Ss", "Vs", "Fs'", "Os'", "Nv", "Sv", "Vv", "Fv'", "Ov'",
          "No'", "So'", "Vo'", "Fo'")  # fmt: skip
"""``bxb -L``'s columns, reference first and answer second; n' is n, f and q together, F' is F and Q."""


def fits(task: Mapping[str, Any]) -> bool:
    """Return whether the ``task`` of `biotl.scoring.results.results` is of beats in AAMI's classes."""
    return task["unit"] == "beat" and set(task.get("labels", (None,))) <= set(CLASSES)


def counts(matrix: NDArray[Any]) -> NDArray[Any]:
    """Return `COUNTS` of confusions in the order of `CLASSES`, shape (..., 6, 6) to (..., 19)."""
    N, S, V, F, Q, none = (matrix[..., row, :] for row in range(6))
    rows = [N, S, V, F + Q, none]
    as_other = [row[..., 0] + row[..., 3] + row[..., 4] for row in rows]
    return np.stack([*as_other, *(row[..., k] for k in (1, 2) for row in rows), *(row[..., 5] for row in rows[:4])], -1)


def shares(matrix: NDArray[Any], *, fusion: bool = True) -> NDArray[Any]:
    """Return `SHARES` in per cent of confusions in the order of `CLASSES`, shape (..., 6, 6) to (..., 7).

    ``fusion`` counts a supraventricular answer to an F beat as a false alarm: ``bxb`` does, ``sumstats``, to which F
    and Q are one column, does not.
    """
    m = np.asarray(matrix, np.float64)
    beats, other = slice(0, 5), [0, 1, 3, 4]
    hits, missed, false = m[..., beats, beats].sum((-1, -2)), m[..., beats, 5].sum(-1), m[..., 5, beats].sum(-1)
    v, s = m[..., 2, 2], m[..., 1, 1]
    v_false = m[..., [0, 1, 5], 2].sum(-1)
    s_false = m[..., [0, 2, 3, 5] if fusion else [0, 2, 5], 1].sum(-1)
    v_right = m[..., [0, 1, 3, 4, 5], :][..., other].sum((-1, -2))
    parts = (
        ratio(hits, hits + missed),
        ratio(hits, hits + false),
        ratio(v, m[..., 2, :].sum(-1)),
        ratio(v, v + v_false),
        ratio(v_false, v_false + v_right),
        ratio(s, m[..., 1, :].sum(-1)),
        ratio(s, s + s_false),
    )
    return 100 * np.stack(parts, axis=-1)


def table(answered: Sequence[Answered], labels: Sequence[str], model: str) -> list[dict[str, Any]]:
    """Return one row a recording, then ``Sum``, ``Gross`` and ``Average``.

    Parameters
    ----------
    answered : sequence of Answered
        Beats of at least one recording.
    labels : sequence of str
        Class names, each one of `CLASSES`, in any order; a class that is not among them has no beats.
    model : str
        Whose answers.

    Returns
    -------
    list of dict
        ``record``, `COUNTS` and `SHARES` (per cent, None where not defined).

    Raises
    ------
    ConfigError
        If a class is none of EC57's.

    Examples
    --------
    >>> span = np.array([[0, 1], [300, 301], [600, 601]])
    >>> of = Answered("100", "100", "beat", 360.0, span, np.array([0, 1, 1]), {"m": np.array([0, 1, 0])})
    >>> table([of], ("N", "V"), "m")[-2]["V Se"]
    50.0
    """
    if strange := [label for label in labels if label not in CLASSES]:
        raise ConfigError(f"EC57: class {strange[0]!r} is none of {', '.join(CLASSES)}; its tables are of AAMI classes")
    place = [*(CLASSES.index(label) for label in labels), 5]
    matrices = np.zeros((len(answered), 6, 6), np.int64)
    for matrix, of in zip(matrices, answered, strict=True):
        matrix[np.ix_(place, place)] = confusion(of.truth, of.answers[model], of.missed, len(labels))
    total, each = matrices.sum(axis=0), shares(matrices, fusion=False)
    defined = ~np.isnan(each)
    average = ratio(np.where(defined, each, 0).sum(axis=0), defined.sum(axis=0))
    rows = [
        _row(of.id, counts(matrix), share)
        for of, matrix, share in zip(answered, matrices, shares(matrices), strict=True)
    ]
    return [
        *rows,
        _row("Sum", counts(total), None),
        _row("Gross", None, shares(total, fusion=False)),
        _row("Average", None, average),
    ]


def write(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write `table` as ``ec57.csv``, whole or not at all; shares with two decimals, as WFDB prints them."""
    text = io.StringIO()
    out = csv.DictWriter(text, ["record", *COUNTS, *SHARES], lineterminator="\n")
    out.writeheader()
    for row in rows:
        printed = {
            key: f"{value:.{3 if key == 'V FPR' else 2}f}" for key, value in row.items() if isinstance(value, float)
        }
        out.writerow({**row, **printed})
    write_text(path, text.getvalue())


def _row(record: str, found: NDArray[Any] | None, share: NDArray[Any] | None) -> dict[str, Any]:
    told = [None] * len(COUNTS) if found is None else [int(value) for value in found]
    of = [None] * len(SHARES) if share is None else [None if np.isnan(value) else float(value) for value in share]
    return {"record": record, **dict(zip(COUNTS, told, strict=True)), **dict(zip(SHARES, of, strict=True))}
