"""A recording as windows of several channels, each by name, filtered and brought to one rate."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import biotl.signal
from biotl.datasets.beat_tables import BeatPreprocessor
from biotl.datasets.channels import Choice, Found, find_all, of_beats
from biotl.datasets.gaps import bridge, spans
from biotl.datasets.preprocessor import Cuts, Prepared, State, Unit, fitted_on
from biotl.datasets.scaler import by_itself, by_training, fit_scaler
from biotl.datasets.spec import Channel
from biotl.datasets.spec_kinds import Gate, WindowSpec
from biotl.datasets.window_beats import fit_beats, pool, scaled
from biotl.errors import RecordError, SignalError
from biotl.records import Record

NUMERIC = 20
"""A channel that much slower than the windows is a monitor's number a second and no waveform: BUT PPG is 4 times."""

ARTEFACTS = ("missing", "flat", "clipped", "jumps")
"""What a gate stops whatever the score: it is no signal of the body's, and an average would hide it."""


@dataclass(frozen=True)
class WindowCut:
    """One window: which of the recording's, and where it starts, in samples at ``spec.fs``."""

    index: int
    start: int


@dataclass(frozen=True)
class WindowPreprocessor:
    """Channels to one rate, filtered, in windows, normalised.

    Parameters
    ----------
    spec : WindowSpec
        The preprocessing.
    state : dict
        ``scaler``: mean and standard deviation of each channel over the training recordings; empty before `fit`, or
        where no channel needs it. ``beats``: the same of the measures of beats, where the spec asks for them.
    fitted_on : tuple of str
        The training recordings, where that is known.
    """

    spec: WindowSpec
    state: State = field(default_factory=dict)
    fitted_on: tuple[str, ...] = ()
    unit: Unit = "window"

    def fit(self, training: Iterable[Prepared], *, names: Sequence[str], seed: int) -> "WindowPreprocessor":  # noqa: ARG002
        """Take mean and standard deviation of what is normalised by the training recordings."""
        held = list(training) if self.spec.beats else training
        state = fit_scaler(held, self.spec.channels, names, axis=1)
        if self.spec.beats:
            state |= fit_beats(held) | {"fitted_on": fitted_on(names)}
        return replace(self, state=state, fitted_on=tuple(names) if state else ())

    def prepare(self, records: Sequence[Record], *, choose: Choice = None) -> Prepared:
        """Prepare a recording: channels, units, gaps, rate, filters, and where its windows start.

        Returns
        -------
        Prepared
            ``signal`` float32 (channels, samples) at ``spec.fs``, NaN where nothing was measured; ``start`` int64 (n,)
            of each window; ``quality`` float32 (n,), the least that a gate gave it, NaN without a gate; ``beats``
            float32 (n, columns) where the spec asks for them. A window in which a channel that has to be there holds
            no sample, or that a gate stops, is left out; ``about["left out"]`` counts these by reason.

        Raises
        ------
        RecordError
            If a channel that has to be there is not, its unit does not convert, or it has gaps and the spec refuses
            them.
        SignalError
            If the recording is too short: for a window, or, where gaps are taken, for half of one.
        """
        spec = self.spec
        about: dict[str, Any] = {"leads": {}, "gaps": {}}
        leads = find_all(records, spec.channels, choose=choose)
        # every channel goes to its row as soon as it is made: of a day of twelve leads a second copy is gigabytes
        room = max((_samples(lead, spec.fs) for lead in leads if lead is not None), default=0)
        signal = np.empty((len(leads), max(room, spec.length)), np.float32)
        lengths = np.zeros(len(leads), np.int64)
        for k, (lead, channel) in enumerate(zip(leads, spec.channels, strict=True)):
            row = np.empty(0, np.float32) if lead is None else self._channel(lead, channel, about)
            lengths[k] = len(row)
            signal[k, : len(row)], signal[k, len(row) :] = row, np.nan
            del row
        first = records[0]
        there = np.array([lead is not None for lead in leads])
        needed = np.array([not channel.optional for channel in spec.channels])
        counted = there & needed if (there & needed).any() else there
        samples = int(lengths[counted].min(initial=room))
        if samples < (spec.length if spec.gaps == "refuse" else spec.length / 2):
            where, wanted = first.source or first.name, f"{spec.length_s:g} s, a window"
            raise SignalError(f"{where}: signal: got {samples / spec.fs:g} s of the channels, wanted {wanted}")
        # a window's worth at least, so that a recording a little short of it is one with a gap at its end
        signal = np.ascontiguousarray(signal[:, : max(samples, spec.length)])
        signal[:, samples:] = np.nan
        for k in np.flatnonzero(there).tolist() if spec.gaps == "interpolate" else ():
            end = min(int(lengths[k]), samples)
            signal[k, end:] = signal[k, end - 1]
        starts = np.arange(0, signal.shape[1] - spec.length + 1, spec.step, dtype=np.int64)
        held = np.ones(len(starts), np.bool_)
        for k in np.flatnonzero(needed).tolist():
            finite = np.isfinite(signal[k])
            if not finite.all():
                seen = np.concatenate([[0], np.cumsum(finite)])
                held &= seen[starts + spec.length] > seen[starts]
        reasons = Counter({"no sample": int((~held).sum())})
        quality = np.full(len(starts), np.nan, np.float32)
        for gate in spec.gates:
            gated = leads[spec.names.index(gate.channel)]
            if gated is None:
                continue
            for at in np.flatnonzero(held).tolist():
                score, why = _judged(gated, starts[at] / spec.fs, spec.length_s, gate)
                reasons.update(f"{gate.channel} {reason}" for reason in why)
                held[at], quality[at] = not why, np.fmin(quality[at], score)
        about["left out"] = {reason: n for reason, n in sorted(reasons.items()) if n}
        arrays: dict[str, NDArray[Any]] = {"signal": signal, "start": starts[held], "quality": quality[held]}
        if spec.beats:
            inner = choose if not isinstance(choose, Mapping) else of_beats(choose)
            found = BeatPreprocessor(spec.beats).prepare(records, choose=inner)
            at_s = found.arrays["rpeaks"] / spec.beats.fs
            arrays["beats"] = pool(found.arrays["features"], at_s, arrays["start"] / spec.fs, spec.length_s)
        return Prepared(arrays, first.fs, first.signal.shape[1], about)

    def _channel(self, found: Found, channel: Channel, about: dict[str, Any]) -> NDArray[np.float32]:
        """One channel at the rate of the spec, filtered; NaN where it was not measured and the spec masks gaps."""
        spec, record = self.spec, found.record
        about["leads"][channel.name] = found.lead
        x, fs = found.x, record.fs
        if fs * NUMERIC < spec.fs:
            where, wanted = str(record.source or record.name), f"a waveform, {spec.fs / NUMERIC:g} Hz at least"
            raise RecordError(where, f"rate of {found.lead}", f"{fs:g} Hz", wanted, "name the waveform's channel")
        missing = spans(x)
        if len(missing):
            lost_s = float(np.diff(missing).sum()) / fs
            if spec.gaps == "refuse":
                got = f"{lost_s:.3g} s missing, the first at {missing[0, 0] / fs:.2f} s"
                hint = "gaps: mask or interpolate takes it"
                raise RecordError(
                    str(record.source or record.name), f"channel {found.lead}", got, "a whole signal", hint
                )
            about["gaps"][channel.name] = [len(missing), round(lost_s, 3)]
        y = bridge(x)
        if fs != spec.fs:
            y = np.asarray(biotl.signal.resample(y, fs, spec.fs), np.float32)
        for step in channel.filters:
            y = np.asarray(step(y, spec.fs), np.float32)
        if spec.gaps == "mask":
            y = y.copy() if y is x else y
            for a, b in missing * (spec.fs / fs):
                y[int(np.floor(a)) : int(np.ceil(b))] = np.nan
        return by_itself(y) if channel.normalizer == "recording" else y

    def units(self, prepared: Prepared) -> NDArray[np.int64]:
        """Return the span of each window, shape (n, 2), at ``prepared.fs``."""
        start = prepared.arrays["start"]
        both = np.stack([start, start + self.spec.length], axis=1)
        return np.rint(both * (prepared.fs / self.spec.fs)).astype(np.int64)

    def cuts(self, prepared: Prepared) -> Cuts[WindowCut]:
        """Return the windows."""
        start = prepared.arrays["start"]
        return Cuts(len(start), lambda k: WindowCut(k, int(start[k])))

    def reads(self, prepared: Prepared, cut: WindowCut) -> tuple[int, int]:
        """Return the samples of a window, at ``prepared.fs``; its beats are measured against all others."""
        if self.spec.beats:
            return 0, prepared.samples
        scale = prepared.fs / self.spec.fs
        return int(np.rint(cut.start * scale)), int(np.rint((cut.start + self.spec.length) * scale))

    def stretch(self, prepared: Prepared, start: int, stop: int) -> Prepared:
        """Return the signal between two samples, at ``prepared.fs``; no window."""
        first, last = (round(sample * self.spec.fs / prepared.fs) for sample in (start, stop))
        none = {name: array[:0] for name, array in prepared.arrays.items() if name != "signal"}
        return replace(prepared, arrays={"signal": prepared.arrays["signal"][:, first:last], **none})

    def complete(self, prepared: Prepared) -> Prepared:
        """Return the recording as it is: a window needs nothing of the whole."""
        return prepared

    def inputs(self, prepared: Prepared, cut: WindowCut) -> dict[str, NDArray[Any]]:
        """Return one window.

        Returns
        -------
        dict of str to ndarray
            ``signal`` float32 (channels, length), normalised, 0 where nothing was measured; ``measured`` bool, of that
            shape; ``unit`` int64 (), the index of the window; ``beats`` float32 (columns,), about 0 and of about one
            size, where the spec asks for them.

        Raises
        ------
        ConfigError
            If what is normalised by training recordings was not fitted.
        """
        x = prepared.arrays["signal"][:, cut.start : cut.start + self.spec.length]
        y = by_training(x, self.spec.channels, self.state, axis=1)
        own = [k for k, channel in enumerate(self.spec.channels) if channel.normalizer == "window"]
        if own:
            y = np.array(y)
            y[own] = by_itself(x[own])
        measured = np.isfinite(x)
        made = {
            "signal": np.where(measured, y, np.float32(0)),
            "measured": measured,
            "unit": np.asarray(cut.index, np.int64),
        }
        return made | ({"beats": scaled(prepared.arrays["beats"][cut.index], self.state)} if self.spec.beats else {})


def _samples(found: Found, fs: float) -> int:
    """Return how many samples a channel has at a rate, or a little more."""
    return len(found.x) if found.record.fs == fs else int(len(found.x) * fs / found.record.fs) + 2


def _judged(found: Found, start_s: float, length_s: float, gate: Gate) -> tuple[float, tuple[str, ...]]:
    """Return the quality of a window of a raw channel, and why it is not good enough: nothing where it is."""
    fs = found.record.fs
    first = round(start_s * fs)
    x = found.x[first : first + round(length_s * fs)]
    judged = biotl.signal.quality(x, fs, kind=gate.kind, window_s=min(length_s, len(x) / fs))
    if not len(judged.score):
        return 0.0, ("missing",) if gate.least or gate.cycles else ()
    score, reasons = float(judged.score[0]), judged.reasons[0]
    if not gate.least and not gate.cycles:
        return score, ()
    why = () if score >= gate.least else reasons or ("below the bar",)
    why += tuple(reason for reason in reasons if reason in ARTEFACTS and reason not in why)
    if gate.cycles and "few beats" not in why and "missing" not in why:
        find = biotl.signal.rpeaks if gate.kind == "ecg" else biotl.signal.ppg_peaks
        why += ("few beats",) if len(find(bridge(x), fs)) < gate.cycles else ()
    return score, why
