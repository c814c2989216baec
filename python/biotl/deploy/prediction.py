"""What a model says of a recording: a span of samples and an answer for each beat, window or step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.deploy.events import Event, Events
from biotl.records import Annotations

WFDB_BEATS = frozenset("NSVFQ")


@dataclass(frozen=True, repr=False)
class Prediction:
    """The answers of a model on one recording.

    Parameters
    ----------
    record, path : str
        Name of the recording, and the file that it came from; empty for an array.
    fs : float
        Rate of the recording in Hz.
    unit : str
        What is answered: ``beat``, ``window`` or ``step``.
    span : ndarray of int64, shape (n, 2)
        Half-open range of samples of each, at ``fs``; a beat's begins at its R peak.
    value : ndarray
        int64 (n,), index of the class, -1 where the model abstains; or float32 (n,), NaN there; or float32 (n, dim).
    probability : ndarray of float32, shape (n, classes), optional
        Of every class; a row sums to 1. An abstention keeps it.
    low, high : ndarray of float32, shape (n,), optional
        The interval of a value.
    labels : tuple of str
        Class names; empty where no class is told.
    thresholds : tuple of float
        One a class: told is the class whose probability is the largest relative to its threshold.
    name, measure : str
        Of a value: what it is, and its unit.
    quality : ndarray of float32, shape (n,)
        Of the signal at each, 0 to 1; NaN where it was not judged.
    abstained : tuple of str, length n
        Why the model does not answer there; empty where it does.
    leads : mapping of str to str
        Which channel of the recording was read, by the model's name for it.
    notes : tuple of str
        What a reader must know, such as gaps that were bridged.
    """

    record: str
    path: str
    fs: float
    unit: str
    span: NDArray[np.int64]
    value: NDArray[Any]
    quality: NDArray[np.float32]
    abstained: tuple[str, ...]
    probability: NDArray[np.float32] | None = None
    low: NDArray[np.float32] | None = None
    high: NDArray[np.float32] | None = None
    labels: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    name: str = ""
    measure: str = ""
    leads: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.span)

    def __repr__(self) -> str:
        said = ", ".join(f"{name} {n}" for name, n in self.counts().items())
        return f"Prediction({self.record!r}: {len(self)} {self.unit}s{', ' * bool(said)}{said})"

    @property
    def sample(self) -> NDArray[np.int64]:
        """First sample of each span, shape (n,): of a beat its R peak."""
        return self.span[:, 0]

    @property
    def time_s(self) -> NDArray[np.float64]:
        """Time of `sample` from the start of the recording, shape (n,)."""
        return self.sample / self.fs

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the class of each; empty where the model abstains."""
        return tuple(self.labels[i] if i >= 0 else "" for i in self.value) if self.labels else ()

    @property
    def lead(self) -> str:
        """The channels of the recording that were read, as one word."""
        return "+".join(dict.fromkeys(self.leads.values()))

    def part(self, kept: NDArray[np.bool_], offset: int = 0) -> "Prediction":
        """Return some of the answers, shape (n,), of a recording that begins ``offset`` samples earlier."""
        columns: dict[str, Any] = {
            name: None if (column := getattr(self, name)) is None else column[kept]
            for name in ("span", "value", "quality", "probability", "low", "high")
        }
        columns["span"] = columns["span"] + offset
        why = tuple(why for why, keep in zip(self.abstained, kept, strict=True) if keep)
        return replace(self, abstained=why, **columns)

    def events(self) -> list[Event]:
        """Return runs of the same answer in order of time, as `biotl.deploy.events` merges them."""
        merged = Events()
        return [*merged.push(self), *merged.finish()]

    def event_rows(self, events: Sequence[Event] | None = None) -> list[dict[str, Any]]:
        """Return one row an event, of its own or of those of its stream: from when to when, what, how sure.

        Examples
        --------
        >>> span = np.array([[0, 10], [10, 20], [20, 30]])
        >>> sure = np.array([[0.1, 0.9], [0.3, 0.7], [1, 0]], np.float32)
        >>> made = Prediction("a", "", 10.0, "window", span, np.array([1, 1, 0]), np.ones(3, np.float32), ("",) * 3,
        ...                   probability=sure, labels=("calm", "fast"))
        >>> [(row["start_s"], row["stop_s"], row["label"], row["probability"]) for row in made.event_rows()]
        [(0.0, 2.0, 'fast', 0.8), (2.0, 3.0, 'calm', 1.0)]
        """
        kept = ["label", "probability"] if self.labels else ["value", "low", "high"] if self.name else []
        out = []
        for event in self.events() if events is None else events:
            row = {
                "record": self.record,
                "path": self.path,
                "lead": self.lead,
                "start_s": round(event.start / self.fs, 4),
                "stop_s": round(event.stop / self.fs, 4),
                "units": event.units,
                **{name: getattr(event, name) for name in kept},
                **({"unit": self.measure} if self.name else {}),
                "quality": event.quality,
                "abstained": event.abstained,
            }
            out.append({name: _plain(value) for name, value in row.items()})
        return out

    def rows(self) -> list[dict[str, Any]]:
        """Return one row an answer: where it came from, where it lies, what it is, how good the signal was."""
        columns = self._columns()
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def header(self, *, events: bool = False) -> list[str]:
        """Return the names of the columns of `rows`, or of `event_rows`, which a table has without an answer too."""
        nothing = Event(0, 0, "", "", 0, np.nan, np.nan, np.nan, np.nan, np.nan)
        return list(self.event_rows([nothing])[0] if events else self._columns())

    def _columns(self) -> dict[str, list[Any]]:
        n = len(self)
        columns: dict[str, list[Any]] = {
            "record": [self.record] * n,
            "path": [self.path] * n,
            "lead": [self.lead] * n,
            "sample": self.sample.tolist(),
            "time_s": _rounded(self.time_s),
        }
        if self.unit != "beat":
            columns["stop_s"] = _rounded(self.span[:, 1] / self.fs)
        columns |= self._said()
        return columns | {"quality": _rounded(self.quality), "abstained": list(self.abstained)}

    def _said(self) -> dict[str, list[Any]]:
        if self.labels and self.probability is not None:
            chosen = self.probability[np.arange(len(self)), np.maximum(self.value, 0)]
            each = {f"p_{name}": _rounded(column) for name, column in zip(self.labels, self.probability.T, strict=True)}
            told = np.where(self.value < 0, np.nan, chosen)
            return {"label": list(self.names), "probability": _rounded(told), **each}
        if self.value.ndim == 2:
            return {f"e{k}": _rounded(column, 6) for k, column in enumerate(self.value.T)}
        said = {self.name or "value": _rounded(self.value)}
        if self.low is not None and self.high is not None:
            answered = np.isfinite(self.value)
            said |= {
                end: _rounded(np.where(answered, of, np.nan)) for end, of in (("low", self.low), ("high", self.high))
            }
        return said | {"unit": [self.measure] * len(self)}

    def counts(self) -> dict[str, int]:
        """Return how many got each label, and of how many the model abstains where it does."""
        abstained = {"abstained": sum(map(bool, self.abstained))}
        told = {name: int(np.sum(self.value == i)) for i, name in enumerate(self.labels)}
        return told | (abstained if abstained["abstained"] else {})

    def annotations(self) -> Annotations:
        """Return the answers as WFDB marks.

        The symbol of a beat is its label where that is an AAMI class, N for ``normal``, and Q (not classified) for
        anything else; windows and steps are comments. The text holds the answer and its probability.
        """
        if self.value.ndim == 2:
            text = [""] * len(self)
        elif self.labels:
            text = [f"{row['label']} {row['probability'] or 0:.3f}" for row in self.rows()]
        else:
            text = [f"{self.name} {value:.4g} {self.measure}".strip() for value in self.value]
        aux = tuple(f"abstained: {why}" if why else said for why, said in zip(self.abstained, text, strict=True))
        symbol = ['"'] * len(self)
        if self.unit == "beat":
            known = {"normal": "N"} | {name: name for name in WFDB_BEATS}
            symbol = [known.get(name, "Q") for name in self.names or [""] * len(self)]
        zeros = np.zeros(len(self), np.int8)
        return Annotations(self.sample, np.array(symbol, dtype="<U1"), aux, zeros, zeros, zeros)

    def to_json(self) -> dict[str, Any]:
        """Return the prediction as a tree of JSON."""
        return {
            "record": self.record,
            "path": self.path,
            "fs": self.fs,
            "unit": self.unit,
            "leads": dict(self.leads),
            "notes": list(self.notes),
            "labels": list(self.labels),
            "thresholds": list(self.thresholds),
            "counts": self.counts(),
            "events": self.event_rows(),
            f"{self.unit}s": self.rows(),
        }


def joined(parts: Sequence[Prediction]) -> Prediction:
    """Return the answers of consecutive blocks of one recording as one prediction; the first says what it is of."""

    def column(name: str) -> Any:
        of = [getattr(part, name) for part in parts]
        return None if of[0] is None else np.concatenate(of)

    names = ("span", "value", "quality", "probability", "low", "high")
    return replace(
        parts[0],
        abstained=tuple(why for part in parts for why in part.abstained),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        **{name: column(name) for name in names},
    )


def _rounded(column: NDArray[Any], digits: int = 4) -> list[Any]:
    """Return numbers for a table; None where there is none."""
    return [round(float(x), digits) if np.isfinite(x) else None for x in column]


def _plain(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return round(value, 4) if np.isfinite(value) else None
