"""A recording as sequences of steps: slow, uneven, full of pauses, on an even grid that says what was measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.channels import Choice, Found, find_all
from biotl.datasets.derived import Course, derive
from biotl.datasets.gaps import bridge, onto, spans
from biotl.datasets.preprocessor import Cuts, Prepared, State, Unit, digest_of, fitted_on
from biotl.datasets.scaler import by_itself, by_training, fit_scaler
from biotl.datasets.spec import Channel, Lagged
from biotl.datasets.spec_kinds import SequenceSpec
from biotl.errors import RecordError, SignalError
from biotl.records import Record


@dataclass(frozen=True)
class SequenceCut:
    """Half-open range of steps that go through the model at once."""

    start: int
    stop: int


@dataclass(frozen=True)
class SequencePreprocessor:
    """Channels to an even grid of steps, in sequences, normalised.

    Parameters
    ----------
    spec : SequenceSpec
        The preprocessing.
    state : dict
        ``scaler``: mean and standard deviation of each channel over the training recordings; empty before `fit`, or
        where no channel needs it.
    fitted_on : tuple of str
        The training recordings, where that is known.
    """

    spec: SequenceSpec
    state: State = field(default_factory=dict)
    fitted_on: tuple[str, ...] = ()
    unit: Unit = "step"

    def fit(self, training: Iterable[Prepared], *, names: Sequence[str], seed: int) -> "SequencePreprocessor":  # noqa: ARG002
        """Take mean and standard deviation of the channels that are normalised by the training recordings."""
        held = list(training) if self.spec.users else training
        state = fit_scaler(held, self.spec.columns, names, axis=0)
        if self.spec.users:
            who = sorted({subject for prepared in held if (subject := prepared.about.get("subject", ""))})
            state = {**state, "users": who, "fitted_on": fitted_on(names)}
        return replace(self, state=state, fitted_on=tuple(names) if state else ())

    def prepare(self, records: Sequence[Record], *, choose: Choice = None) -> Prepared:
        """Prepare a recording: channels, units, the grid, filters.

        A step takes the mean of the samples in it, or what lies between its neighbours where it has none of its own.

        Returns
        -------
        Prepared
            ``signal`` float32 (steps, columns), the channels and what is derived of them; NaN where nothing was
            measured: further than ``spec.reach_s`` from every sample, or a channel that is not there.

        Raises
        ------
        RecordError
            If a channel that has to be there is not, its unit does not convert, or it has gaps and the spec refuses
            them.
        SignalError
            If the recording is shorter than a step.
        """
        spec, first = self.spec, records[0]
        about: dict[str, Any] = {"leads": {}, "gaps": {}}
        duration_s = first.signal.shape[1] / first.fs
        steps = int(np.floor(duration_s * spec.fs + 1e-9))
        if steps < 1:
            where = first.source or first.name
            raise SignalError(f"{where}: signal: got {duration_s:g} s, wanted a step of {1 / spec.fs:g} s at least")
        signal = np.full((steps, len(spec.columns)), np.nan, np.float32)
        leads = find_all(records, spec.channels, choose=choose)
        for k, (channel, found) in enumerate(zip(spec.channels, leads, strict=True)):
            if found is not None:
                signal[:, k] = self._channel(found, channel, steps, about)
        columns = dict(zip(spec.names, signal.T[: len(spec.channels)], strict=False))
        course = Course(columns, 1 / spec.fs, self._interval(leads, steps), first.start)
        for k, name in enumerate(spec.derived, start=len(spec.channels)):
            signal[:, k] = derive(name, course)
        if spec.lagged is not None:
            signal[:, -1] = self._before(records, spec.lagged, steps)
        if spec.users:
            about["subject"] = digest_of(first.subject)
        return Prepared({"signal": signal}, first.fs, first.signal.shape[1], about)

    def _interval(self, leads: Sequence[Found | None], steps: int) -> NDArray[np.float32]:
        """Return the time between the two samples of the first channel around each step, in seconds."""
        found = next((found for found in leads if found is not None), None)
        at = np.zeros(0) if found is None else np.flatnonzero(np.isfinite(found.x)) / found.record.fs
        if len(at) < 2:
            return np.full(steps, np.nan, np.float32)
        after = np.clip(np.searchsorted(at, (np.arange(steps) + 0.5) / self.spec.fs), 1, len(at) - 1)
        return (at[after] - at[after - 1]).astype(np.float32)

    def _before(self, records: Sequence[Record], lagged: Lagged, steps: int) -> NDArray[np.float32]:
        """Return a channel as it was `horizon_s` before each step, NaN where that was not measured or is not read."""
        out = np.full(steps, np.nan, np.float32)
        (found,) = find_all(records, (lagged.channel.model_copy(update={"optional": True}),))
        ago = lagged.steps(self.spec.fs)
        if found is None or ago >= steps:
            return out
        edges = np.arange(steps + 1) / self.spec.fs
        time_s = np.arange(len(found.x)) / found.record.fs
        # nothing is bridged: what lies between two samples is known only after the second
        known = onto(time_s, found.x, edges[:-1], edges[1:], 0.0)
        if lagged.first_s is not None:
            known[round(lagged.first_s * self.spec.fs) :] = np.nan
        out[ago:] = known[: steps - ago]
        return out

    def _channel(self, found: Found, channel: Channel, steps: int, about: dict[str, Any]) -> NDArray[np.float32]:
        spec, record = self.spec, found.record
        about["leads"][channel.name] = found.lead
        edges = np.arange(steps + 1) / spec.fs
        time_s = np.arange(len(found.x)) / record.fs
        x = onto(time_s, found.x, edges[:-1], edges[1:], spec.reach_s).astype(np.float32)
        missing = spans(x)
        if len(missing):
            lost_s = float(np.diff(missing).sum()) / spec.fs
            if spec.gaps == "refuse":
                got = f"{lost_s:g} s further than {spec.reach_s:g} s from a sample"
                where, hint = str(record.source or record.name), "gaps: mask or interpolate takes it"
                raise RecordError(where, f"channel {found.lead}", got, "a whole signal", hint)
            about["gaps"][channel.name] = [len(missing), round(lost_s, 3)]
        y = bridge(x)
        for step in channel.filters:
            y = np.asarray(step(y, spec.fs), np.float32)
        if spec.gaps == "mask":
            y = np.where(np.isfinite(x), y, np.float32(np.nan))
        return by_itself(y) if channel.normalizer == "recording" else y

    def units(self, prepared: Prepared) -> NDArray[np.int64]:
        """Return the span of each step, shape (n, 2), at ``prepared.fs``."""
        edges = np.rint(np.arange(len(prepared.arrays["signal"]) + 1) * (prepared.fs / self.spec.fs)).astype(np.int64)
        return np.stack([edges[:-1], edges[1:]], axis=1)

    def cuts(self, prepared: Prepared) -> Cuts[SequenceCut]:
        """Return the sequences, end to end; the last may be shorter."""
        steps, length = len(prepared.arrays["signal"]), self.spec.length
        return Cuts(-(-steps // length), lambda k: SequenceCut(k * length, min((k + 1) * length, steps)))

    def reads(self, prepared: Prepared, cut: SequenceCut) -> tuple[int, int]:
        """Return the samples of a sequence, at ``prepared.fs``."""
        scale = prepared.fs / self.spec.fs
        return int(np.rint(cut.start * scale)), int(np.rint(cut.stop * scale))

    def stretch(self, prepared: Prepared, start: int, stop: int) -> Prepared:
        """Return the steps between two samples, at ``prepared.fs``."""
        first, last = (round(sample * self.spec.fs / prepared.fs) for sample in (start, stop))
        return replace(prepared, arrays={"signal": prepared.arrays["signal"][first:last]})

    def complete(self, prepared: Prepared) -> Prepared:
        """Return the recording as it is: a sequence needs nothing of the whole."""
        return prepared

    def inputs(self, prepared: Prepared, cut: SequenceCut) -> dict[str, NDArray[Any]]:
        """Return one sequence, padded at its end.

        Returns
        -------
        dict of str to ndarray
            ``signal`` float32 (length, channels), normalised, 0 where nothing was measured; ``measured`` bool, of that
            shape; ``valid`` bool (length,), False in the padding; ``unit`` int64 (length,), the step, -1 in the
            padding. With ``spec.users`` also ``user`` int64 (), which of the training subjects, from 1; 0 is another.
        """
        n = cut.stop - cut.start
        x = np.full((self.spec.length, len(self.spec.columns)), np.nan, np.float32)
        x[:n] = prepared.arrays["signal"][cut.start : cut.stop]
        measured = np.isfinite(x)
        y = by_training(x, self.spec.columns, self.state, axis=0)
        place = np.arange(self.spec.length)
        users = {name: k for k, name in enumerate(self.state.get("users", ()), start=1)}
        user = {"user": np.array(users.get(prepared.about.get("subject", ""), 0))} if self.spec.users else {}
        return {
            **user,
            "signal": np.where(measured, y, np.float32(0)),
            "measured": measured,
            "valid": place < n,
            "unit": np.where(place < n, cut.start + place, -1),
        }
