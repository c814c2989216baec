"""The kinds of preprocessing: sentences of segments, tables of beats, windows, sequences of steps."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)

from biotl.config import Section
from biotl.datasets.derived import NAMES
from biotl.datasets.spec import BaseSpec, Channel, Count, Filter, Gaps, Lagged, Positive
from biotl.errors import ConfigError


def _ecg() -> tuple[Channel, ...]:
    filters = (
        Filter(name="bandstop", options={"low": 50.0, "high": 60.0, "order": 2}),
        Filter(name="remove_baseline", options={"method": "highpass", "cutoff": 0.5}),
    )
    leads = ("MLII", "II", "ECG_II", "V5", "V2", "V1")
    return (Channel(name="ECG", aliases=leads, unit="mV", filters=filters, normalizer="qrs"),)


class SentenceSpec(BaseSpec):
    """One ECG lead as a sentence of P, QRS, T and gap segments.

    Parameters
    ----------
    fs, channels, gaps
        The rate in Hz, the lead, and what is done about missing samples. A second lead, which a recording may lack, is
        read beside it where beats are described and where R peaks are looked for.
    detector : str
        R-peak detector; it reads the unfiltered leads.
    segmentation : str
        Mode of `biotl.signal.segment`; "delineated" leaves a wave out that is not there, and a beat without a QRS
        complex then gets no answer.
    describe : str
        What stands beside each token: ``segments``, its own duration and size and its beat's timing and likeness; or
        ``beats``, the columns of `biotl.datasets.beat_features` of its beat as well.
    segment_length : int
        Every P, QRS, T and BG segment is resampled to so many samples, for its token and for its embedding.
    window_beats, context_beats : int
        A sentence is cut into windows of ``window_beats`` beats, ``context_beats`` of them on each side shared with the
        neighbours and read but not scored.

    Examples
    --------
    >>> spec = SentenceSpec(fs=250)
    >>> parse_spec(spec.model_dump(mode="json")) == spec
    True
    """

    kind: Literal["sentences"] = "sentences"
    fs: Positive = 360.0
    channels: Annotated[tuple[Channel, ...], Field(min_length=1, max_length=2)] = Field(default_factory=_ecg)
    detector: Literal["wavelet"] = "wavelet"
    segmentation: Literal["fixed", "delineated"] = "fixed"
    describe: Literal["segments", "beats"] = "segments"
    segment_length: Count = 32
    window_beats: Count = 48
    context_beats: Annotated[int, Field(ge=0)] = 8
    gaps: Gaps = "mask"

    @model_validator(mode="after")
    def _context_leaves_beats_to_score(self) -> Self:
        if 2 * self.context_beats >= self.window_beats:
            raise ValueError(f"context_beats: got {self.context_beats}, wanted less than half of {self.window_beats}")
        if (first := self.channels[0]).normalizer != "qrs" or first.unit != "mV" or first.optional:
            raise ValueError("channels: a sentence takes one lead in mV with the normalizer qrs, and not as optional")
        for second in self.channels[1:]:
            if self.describe != "beats" or second.filters or second.normalizer != "none" or not second.optional:
                raise ValueError(
                    "channels: a second lead is for describe: beats, unfiltered, optional, without a normalizer"
                )
        return self

    @model_serializer(mode="wrap")
    def _says_nothing_of_what_is_as_ever(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave ``describe`` out where it is not chosen: what was fitted before there was a choice keeps its digest."""
        tree: dict[str, Any] = handler(self)
        if tree["describe"] == "segments":
            del tree["describe"]
        return tree

    @property
    def window_tokens(self) -> int:
        """Length of a window in tokens: four or, with a gap after each wave, six a beat, one gap, CLS and SEP."""
        return (4 if self.segmentation == "fixed" else 6) * self.window_beats + 3


def _two_leads() -> tuple[Channel, ...]:
    # chest and limb leads first, then those of Holter recorders: the features compare a beat with its own recording, so
    # any lead serves
    limb = (
        "MLII",
        "II",
        "ECG_II",
        "MLI",
        "I",
        "MLIII",
        "III",
        "D2",
        "D1",
        "D3",
        "D4",
        "ML2",
        "ML5",
        "aVF",
        "aVL",
        "aVR",
    )
    holter = ("CM5", "CM4", "CM2", "CC5", "MV1", "MV2", "mod.V1", "V2-V3", "ECG", "ECG1", "ECG2", "ECG3", "EKG")
    leads = (*limb, "V5", "V4", "V6", "V3", "V2", "V1", *holter)
    second = Channel(name="ECG_2", aliases=leads, unit="mV", optional=True)
    return Channel(name="ECG", aliases=leads, unit="mV"), second


class BeatSpec(BaseSpec):
    """Beats described within their recording, on one ECG lead or two.

    Parameters
    ----------
    fs, channels, gaps
        The rate in Hz; the lead, and a second one that a recording may lack: any other lead of the same file that its
        names know. Features pool the leads, so their order does not matter. No filters: what is measured has its own.

    Examples
    --------
    >>> BeatSpec().names
    ('ECG', 'ECG_2')
    """

    kind: Literal["beats"] = "beats"
    fs: Positive = 360.0
    channels: Annotated[tuple[Channel, ...], Field(min_length=1, max_length=2)] = Field(default_factory=_two_leads)
    gaps: Gaps = "mask"

    @model_validator(mode="after")
    def _channels_are_raw(self) -> Self:
        if any(channel.filters or channel.normalizer != "none" for channel in self.channels):
            raise ValueError("channels: beats are measured on unfiltered leads; leave filters and normalizer away")
        if self.channels[0].optional or not all(channel.optional for channel in self.channels[1:]):
            raise ValueError("channels: the first lead has to be there, and a second one is optional")
        return self


class Gate(Section):
    """A bar of quality: a window whose ``channel`` scores less than ``least`` by `biotl.signal.quality` is left out.

    So is one with fewer beats than ``cycles``, and, whatever its score, one with a gap, a flat line, saturation or a
    code that wrapped. Where both are 0 the score is noted, and nothing left out. The documented sSQI gate of 0.8 is not
    offered: it throws away nearly all good PPG.
    """

    channel: str
    kind: Literal["ecg", "ppg"]
    least: Annotated[float, Field(ge=0, le=1)] = 0.0
    cycles: Annotated[int, Field(ge=0)] = 0


class WindowSpec(BaseSpec):
    """Windows of several channels.

    Parameters
    ----------
    fs, channels, gaps
        The rate in Hz that every channel is resampled to, the channels in order, what is done about missing samples.
    length_s, step_s : float
        Length of a window, and from the start of one to the next, in seconds; by default windows do not overlap.
    gates : tuple of Gate
        Windows that are not good enough are left out, and counted by reason.
    beats : BeatSpec, optional
        The beats of each window are measured within the recording, on these leads, and are an input of their own.

    Examples
    --------
    >>> WindowSpec(fs=125, channels=({"name": "PPG"},), length_s=10).length
    1250
    """

    kind: Literal["windows"] = "windows"
    length_s: Positive
    step_s: Positive | None = None
    gates: tuple[Gate, ...] = ()
    beats: BeatSpec | None = None

    @model_validator(mode="after")
    def _normalizers_and_gates_exist(self) -> Self:
        _refuse(self, "qrs")
        for gate in self.gates:
            if gate.channel not in self.names:
                raise ValueError(f"gates: got {gate.channel}, wanted one of {', '.join(self.names)}")
            if self.length_s < 4:  # quality needs a few beats
                raise ValueError(f"gates: got windows of {self.length_s:g} s, wanted 4 s at least")
        return self

    @property
    def length(self) -> int:
        """Samples of a window."""
        return max(1, round(self.length_s * self.fs))

    @property
    def step(self) -> int:
        """Samples from one window to the next."""
        return self.length if self.step_s is None else max(1, round(self.step_s * self.fs))


class SequenceSpec(BaseSpec):
    """Sequences of slow measurements, such as speed and altitude, on an even grid of steps.

    Parameters
    ----------
    fs, channels, gaps
        Steps a second (0.2 is one in five seconds), the channels in order, and what is done about missing samples.
    length : int
        Steps that go through the model at once; a longer recording is cut, a shorter one padded and masked.
    reach_s : float
        A step further than this from every real sample of a channel was not measured: a watch that pauses or loses its
        strap is bridged in its file as if nothing had happened.
    derived : tuple of str
        What is worked out of the channels ``speed`` (km/h) and ``altitude`` (m) and read after them: ``grade``,
        ``power``, ``load``, ``elapsed``, ``demand_60s`` and others; see `biotl.datasets.derived`.
    scaled : bool
        Whether what is derived is normalised by the training recordings, or read in its own units.
    lagged : Lagged, optional
        A channel read as it was some time before each step, such as the heart rate that is to be told.
    users : bool
        Whether the model is told who of the training subjects a recording is of; of each a digest is kept.

    Examples
    --------
    >>> SequenceSpec(fs=0.2, channels=({"name": "speed"},), length=500).duration_s
    2500.0
    """

    kind: Literal["sequences"] = "sequences"
    length: Count
    reach_s: Positive = 15.0
    gaps: Gaps = "mask"
    derived: tuple[str, ...] = ()
    scaled: bool = True
    lagged: Lagged | None = None
    users: bool = False

    @model_validator(mode="after")
    def _normalizers_and_what_is_derived_exist(self) -> Self:
        _refuse(self, "qrs", "window")
        units = {channel.name: channel.unit for channel in self.channels}
        for name in self.derived:
            if (found := NAMES.fullmatch(name)) is None:
                raise ValueError(
                    f"derived: got {name}, wanted such as grade, power, load, elapsed, demand or demand_60s"
                )
            of = found["of"]
            needs = (
                ("speed", "altitude")
                if of == "grade"
                else ()
                if of in {"elapsed", "interval", "daytime"}
                else ("speed",)
            )
            for channel in needs:
                if units.get(channel) != (wanted := {"speed": "km/h", "altitude": "m"}[channel]):
                    raise ValueError(f"derived: {name} needs a channel {channel} with the unit {wanted}")
        if both := {*self.derived} & {*units}:
            raise ValueError(f"derived: {min(both)} is a channel too")
        if self.lagged is not None and self.lagged.horizon_s * self.fs < 1:
            raise ValueError(
                f"lagged.horizon_s: got {self.lagged.horizon_s:g} s, wanted {1 / self.fs:g} s, a step, at least"
            )
        return self

    @property
    def columns(self) -> tuple[Channel, ...]:
        """The channels, what is derived from them, and what is known of a lagged one."""
        kind: Literal["training", "none"] = "training" if self.scaled else "none"
        lagged = () if self.lagged is None else (self.lagged.channel.model_copy(update={"name": self.lagged.name}),)
        return (*self.channels, *(Channel(name=name, normalizer=kind) for name in self.derived), *lagged)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of what the model reads, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def duration_s(self) -> float:
        """Duration of a sequence in seconds."""
        return self.length / self.fs


Spec: TypeAlias = SentenceSpec | BeatSpec | WindowSpec | SequenceSpec
_ANY: TypeAdapter[Spec] = TypeAdapter(Annotated[Spec, Field(discriminator="kind")])


def parse_spec(tree: Mapping[str, Any] | str, *, source: str = "spec") -> Spec:
    """Read a spec of any kind from its JSON.

    Parameters
    ----------
    tree : mapping or str
        What ``model_dump(mode="json")`` or ``model_dump_json()`` gave.
    source : str
        What carries it, for the message.

    Raises
    ------
    ConfigError
        If it is no spec, naming the field.

    Examples
    --------
    >>> parse_spec({"kind": "waves"})
    Traceback (most recent call last):
    biotl.errors.ConfigError: spec.kind: got 'waves', wanted one of sentences, beats, windows, sequences
    """
    try:
        return _ANY.validate_json(tree) if isinstance(tree, str) else _ANY.validate_python(tree)
    except ValidationError as error:
        item = error.errors()[0]
        if item["type"].startswith("union_tag"):
            got = item.get("ctx", {}).get("tag", "nothing")
            kinds = ", ".join(str(one.model_fields["kind"].default) for one in get_args(Spec))
            raise ConfigError(f"{source}.kind: got {got!r}, wanted one of {kinds}") from None
        place = ".".join(str(part) for part in item["loc"][1:]) or "JSON"
        raise ConfigError(
            f"{source}.{place}: {item['msg'].removeprefix('Value error, ')}, got {str(item['input'])[:80]!r}"
        ) from None


def _refuse(spec: WindowSpec | SequenceSpec, *normalizers: str) -> None:
    for channel in spec.channels:
        if channel.normalizer in normalizers:
            raise ValueError(f"channels: {channel.name}: {spec.kind} have no normalizer {channel.normalizer}")
