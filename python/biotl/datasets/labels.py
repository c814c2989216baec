"""What is to be learnt at each unit: the class of a beat, a class or a value of a window, a channel, or the signal."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.beats import AAMI_CLASSES, BEATS, label_beats, reference_beats
from biotl.datasets.channels import Found, find
from biotl.datasets.gaps import onto
from biotl.datasets.manifest import Entry
from biotl.datasets.preprocessor import Prepared
from biotl.datasets.spec import Channel
from biotl.datasets.spec_kinds import Spec
from biotl.datasets.stated import stated
from biotl.errors import ConfigError, RecordError
from biotl.records import Annotations, Record

Kind = Literal["class", "value", "channel", "signal"]
NOT_SCORED = -2
Arrays = dict[str, NDArray[Any]]


class Target(Protocol):
    """What is to be learnt."""

    @property
    def kind(self) -> Kind:
        """What sort of answer is wanted."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of their index; empty for a value."""

    @property
    def annotators(self) -> tuple[str, ...]:
        """Extensions of the annotation files that are read."""

    def check(self, spec: Spec) -> None:
        """Raise `ConfigError` where the target is an input of the model."""

    def describe(self) -> dict[str, Any]:
        """Return it as JSON: two targets that say the same are the same."""

    def of(self, entry: Entry, records: Sequence[Record], prepared: Prepared, units: NDArray[np.int64]) -> Arrays:
        """Return what is known of each unit.

        Returns
        -------
        dict of str to ndarray
            Of a class ``labels`` int64 (n,), -1 for a unit that is nothing, -2 for one that is not scored, of beats
            ``missed`` int64 (k,), of windows by annotations ``confidence`` float32 (n,); of a value ``target`` float32
            (n,) and ``mask`` bool (n,); of the signal nothing.
        """


class _Described:
    def check(self, spec: Spec) -> None:
        """Nothing that is read from labels is an input."""

    def describe(self) -> dict[str, Any]:
        """Return the fields and the name of the class."""
        fields = {key: dict(v) if isinstance(v, Mapping) else v for key, v in vars(self).items()}
        # a map is an order of classes too, which JSON with sorted keys would lose
        maps = {f"{key}.order": list(v) for key, v in fields.items() if isinstance(v, dict)}
        return {"target": type(self).__name__, **fields, **maps}


@dataclass(frozen=True)
class BeatClass(_Described):
    """The class of each detected beat, from beat annotations.

    Parameters
    ----------
    annotator : str
        Extension of the annotation file.
    classes : mapping of str to str
        Class of each symbol, of any number of classes in the order of their first symbols. A beat of another symbol is
        there and not scored.
    tolerance_s : float
        A detection within it of a reference beat is that beat; 0.15 s is EC57's.
    """

    annotator: str = "atr"
    classes: Mapping[str, str] = field(default_factory=lambda: AAMI_CLASSES)
    tolerance_s: float = 0.15
    kind: ClassVar[Kind] = "class"

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names."""
        return tuple(dict.fromkeys(self.classes.values()))

    @property
    def annotators(self) -> tuple[str, ...]:
        """The one annotation file."""
        return (self.annotator,)

    def of(self, entry: Entry, records: Sequence[Record], prepared: Prepared, units: NDArray[np.int64]) -> Arrays:
        """See `Target`."""
        marks, fs = _marks(entry, records, self.annotator)
        reference = reference_beats(marks, self.classes)
        detected = units[:, 0] if fs == prepared.fs else np.rint(units[:, 0] * (fs / prepared.fs)).astype(np.int64)
        found = label_beats(reference, detected, fs, tolerance_s=self.tolerance_s)
        return {"labels": found.label, "missed": found.missed}


@dataclass(frozen=True)
class WindowClass(_Described):
    """The class of each window, from a column of the manifest or from the annotations inside it.

    Parameters
    ----------
    column : str
        A label column; a window takes the value that covers more than half of it.
    classes : mapping of str to str
        Class of each value of the column or of each symbol of the annotations, in the order of the classes' indices. A
        value that is not in it is not scored.
    annotator : str
        Extension of an annotation file, instead of a column: a window is of the last class (in their order) that one of
        its symbols belongs to, flutter (``[`` to ``]``) being the symbol ``[`` throughout.
    otherwise : str
        With ``annotator``: the class of a window that holds beats and none of those symbols; it comes first. Beside the
        class stands its confidence: the share of the window's beats that have one of those symbols, or none of them.

    Examples
    --------
    >>> WindowClass(annotator="atr", classes={"V": "ectopic", "[": "ectopic"}, otherwise="normal").labels
    ('normal', 'ectopic')
    """

    column: str = ""
    classes: Mapping[str, str] = field(default_factory=dict)
    annotator: str = ""
    otherwise: str = ""
    kind: ClassVar[Kind] = "class"

    def __post_init__(self) -> None:
        if bool(self.column) == bool(self.annotator):
            raise ConfigError("target: got a column and an annotator, or neither; wanted one of the two")
        if not self.classes:
            raise ConfigError("target.classes: got nothing, wanted the class of each value, such as {good: good}")

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names."""
        first = (self.otherwise,) if self.otherwise else ()
        return tuple(dict.fromkeys((*first, *self.classes.values())))

    @property
    def annotators(self) -> tuple[str, ...]:
        """The annotation file, if it is by one."""
        return (self.annotator,) if self.annotator else ()

    def of(self, entry: Entry, records: Sequence[Record], prepared: Prepared, units: NDArray[np.int64]) -> Arrays:
        """See `Target`."""
        index = {value: self.labels.index(name) for value, name in self.classes.items()}
        if self.column:
            known = [index.get(value, NOT_SCORED) for value in stated(entry, self.column, prepared.fs, units)]
            return {"labels": np.array(known, np.int64).reshape(len(units))}
        marks, fs = _marks(entry, records, self.annotator)
        sample = marks.sample * (prepared.fs / fs)
        flutter = reference_beats(marks).unscored * (prepared.fs / fs)
        label = np.full(len(units), NOT_SCORED, np.int64)
        confidence = np.zeros(len(units), np.float32)
        for k, (start, stop) in enumerate(units):
            inside = marks.symbol[np.searchsorted(sample, start) : np.searchsorted(sample, stop)].tolist()
            symbols = set(inside)
            if any(a < stop and b > start for a, b in flutter):
                symbols.add("[")
            held = [index[symbol] for symbol in symbols if symbol in index]
            named = [symbol in index for symbol in inside if symbol in BEATS]
            share = float(np.mean(named)) if named else 1.0
            if held:
                label[k], confidence[k] = max(held), share or 1.0  # flutter has no beats, or none of its own
            elif self.otherwise and symbols & BEATS:
                label[k], confidence[k] = self.labels.index(self.otherwise), 1 - share
        return {"labels": label, "confidence": confidence}


@dataclass(frozen=True)
class WindowValue(_Described):
    """A number of each window from a label column; a cell that is empty or no number is not learnt from nor scored."""

    column: str
    unit: str = ""
    kind: ClassVar[Kind] = "value"
    labels: ClassVar[tuple[str, ...]] = ()
    annotators: ClassVar[tuple[str, ...]] = ()

    def of(self, entry: Entry, records: Sequence[Record], prepared: Prepared, units: NDArray[np.int64]) -> Arrays:  # noqa: ARG002
        """See `Target`."""
        return _masked([_number(text) for text in stated(entry, self.column, prepared.fs, units)], len(units))


@dataclass(frozen=True)
class ChannelAt(_Described):
    """The mean of a channel over each unit, or over the same stretch ``horizon_s`` later.

    A unit without a sample takes what lies between its neighbours, where one of them is near enough.

    Parameters
    ----------
    channel : Channel
        Which, found as an input is.
    horizon_s : float
        How far ahead. Where the channel is an input of the model too, this has to be more than 0.
    reach_s : float
        A unit further than this from every sample of the channel was not measured: it is not learnt from nor scored.
    limits : tuple of (float, float), optional
        A recording with values of the channel outside of these is refused.
    """

    channel: Channel
    horizon_s: float = 0.0
    reach_s: float = 15.0
    limits: tuple[float, float] | None = None
    kind: ClassVar[Kind] = "channel"
    labels: ClassVar[tuple[str, ...]] = ()
    annotators: ClassVar[tuple[str, ...]] = ()

    def check(self, spec: Spec) -> None:
        """Refuse a target that the model reads."""
        same = {self.channel.name.casefold(), *(alias.casefold() for alias in self.channel.aliases)}
        for channel in spec.channels:
            if self.horizon_s <= 0 and same & {channel.name.casefold(), *(a.casefold() for a in channel.aliases)}:
                raise ConfigError(
                    f"target: {self.channel.name} is the input channel {channel.name} too, so that there is nothing to "
                    "learn; take it out of the inputs, or give horizon_s"
                )

    def describe(self) -> dict[str, Any]:
        """Return it as JSON."""
        limits = None if self.limits is None else list(self.limits)
        tree = {"target": "ChannelAt", "channel": self.channel.model_dump(mode="json"), "limits": limits}
        return {**tree, "horizon_s": self.horizon_s, "reach_s": self.reach_s}

    def _hold(self, found: Found) -> None:
        low, high = self.limits or (-math.inf, math.inf)
        x = found.x[np.isfinite(found.x)]
        beyond = x[(x < low) | (x > high)]
        if len(beyond):
            where = str(found.record.source or found.record.name)
            got = f"{len(beyond)} of {len(x)} values out of it, from {beyond.min():g} to {beyond.max():g}"
            raise RecordError(where, found.lead, got, f"{low:g} to {high:g} {self.channel.unit}".strip())

    def of(self, entry: Entry, records: Sequence[Record], prepared: Prepared, units: NDArray[np.int64]) -> Arrays:  # noqa: ARG002
        """See `Target`."""
        found = find(records, self.channel)
        if found is None:
            return _masked([math.nan] * len(units), len(units))
        if self.limits is not None:
            self._hold(found)
        start_s, stop_s = (units / prepared.fs + self.horizon_s).T
        time_s = np.arange(len(found.x)) / found.record.fs
        return _masked(onto(time_s, found.x, start_s, stop_s, self.reach_s), len(units))


@dataclass(frozen=True)
class Itself(_Described):
    """The signal itself: what a masked part of it was."""

    kind: ClassVar[Kind] = "signal"
    labels: ClassVar[tuple[str, ...]] = ()
    annotators: ClassVar[tuple[str, ...]] = ()

    def of(self, entry: Entry, records: Sequence[Record], prepared: Prepared, units: NDArray[np.int64]) -> Arrays:  # noqa: ARG002
        """Return nothing: the transform that masks it keeps it."""
        return {}


def parse_target(tree: Mapping[str, Any], *, source: str = "target") -> Target:
    """Read what `Target.describe` gave.

    Raises
    ------
    RecordError
        If it is no target; `source` is named.

    Examples
    --------
    >>> parse_target(BeatClass(classes={"V": "ectopic", "N": "normal"}).describe()).labels
    ('ectopic', 'normal')
    """
    kinds: dict[str, Any] = {of.__name__: of for of in (BeatClass, WindowClass, WindowValue, ChannelAt, Itself)}
    fields = {key: value for key, value in tree.items() if key != "target" and not key.endswith(".order")}
    try:
        for name in [name for name in fields if f"{name}.order" in tree]:
            fields[name] = {key: fields[name][key] for key in tree[f"{name}.order"]}
        if "channel" in fields:
            fields["channel"] = Channel.model_validate(fields["channel"])
        target: Target = kinds[tree["target"]](**fields)
    except (KeyError, TypeError, ValueError) as error:
        got = f"{type(error).__name__}: {error}"
        raise RecordError(source, "target", got, f"one of {', '.join(kinds)}", "export the model again") from None
    return target


def _marks(entry: Entry, records: Sequence[Record], annotator: str) -> tuple[Annotations, float]:
    for record in records:
        if annotator in record.annotations:
            return record.annotations[annotator], record.fs
    where = ", ".join(str(record.source or record.name) for record in records) or entry.id
    held = ", ".join(name for record in records for name in record.annotations) or "none"
    raise RecordError(where, "annotations", held, annotator, f"lay the .{annotator} file beside the header")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _masked(value: Sequence[float] | NDArray[Any], n: int) -> Arrays:
    target = np.asarray(value, np.float32).reshape(n)
    mask = np.isfinite(target)
    return {"target": np.where(mask, target, np.float32(0)), "mask": mask}
