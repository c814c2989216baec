"""What a manifest states of the stretches of a recording, read for its units."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.manifest import Entry
from biotl.errors import RecordError


def stated(entry: Entry, column: str, fs: float, units: NDArray[np.int64]) -> list[str]:
    """Return what a column says of each unit: the value of the shortest stretch that holds it, or that covers most.

    A value that covers no more than half of it is none.

    Raises
    ------
    RecordError
        If the entry has no such column.
    """
    if not any(column in labelled.values for labelled in entry.labels):
        columns = dict.fromkeys(name for labelled in entry.labels for name in labelled.values)
        raise RecordError(entry.id, "labels", ", ".join(columns)[:150] or "none", f"a column {column!r}")
    held = [(part.start_s, part.stop_s, value) for part in entry.labels if (value := part.values.get(column, ""))]
    return [_covering(held, start, stop) for start, stop in (units / fs).tolist()]


def _covering(held: Sequence[tuple[float, float, str]], start: float, stop: float) -> str:
    # stretches may overlap, as 8 s every 2 s do: of those that hold all of it, the shortest is meant
    whole = [(b - a, value) for a, b, value in held if a <= start + 1e-6 and b >= stop - 1e-6]
    if whole:
        return min(whole)[1]
    shares: dict[str, float] = {}
    for a, b, value in held:
        shares[value] = shares.get(value, 0.0) + max(0.0, min(stop, b) - max(start, a))
    best = max(shares, key=shares.__getitem__, default="")
    return best if best and shares[best] > (stop - start) / 2 else ""


def values(entries: Sequence[Entry], column: str) -> tuple[str, ...]:
    """Return the values that a label column holds, sorted: the classes where nobody names them.

    Examples
    --------
    >>> from biotl.datasets.manifest import Labelled
    >>> values([Entry("a", (), "p", labels=(Labelled(values={"quality": "good"}),))], "quality")
    ('good',)
    """
    held = {labelled.values.get(column, "") for entry in entries for labelled in entry.labels}
    return tuple(sorted(held - {""}))
