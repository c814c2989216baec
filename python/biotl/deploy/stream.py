"""Answers while a signal is being recorded: those of the whole file, a stated time later, in flat memory."""

import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl.datasets.channels import Choice, leads_of
from biotl.datasets.preprocessor import Preprocessor
from biotl.deploy.answer import say
from biotl.deploy.arrays import as_record, stated
from biotl.deploy.blocks import reach
from biotl.deploy.decision import Decision
from biotl.deploy.events import Event, Events
from biotl.deploy.prediction import Prediction, joined
from biotl.errors import RecordError, SignalError
from biotl.records import Record
from biotl.records.atomic import write_bytes

FORMAT = "biotl.stream/1"


class _Predictor(Protocol):
    """What is asked of a `biotl.deploy.predictor.Predictor`."""

    preprocessor: Preprocessor
    decision: Decision
    digest: str

    def block(self, records: Sequence[Record], leads: Choice = None) -> tuple[Prediction, Any]: ...


class PredictionStream:
    """A model that reads a signal in parts of any size; made by `Predictor.stream`.

    The signal is answered in blocks that begin at fixed times, so the parts that it comes in change nothing. A model of
    windows or steps gives the answers of the whole recording; one that compares a beat with its recording, or whose
    spec normalises by the recording, compares with the last five minutes (`exact` says which): it gives the answers of
    its own past, and those of the whole recording where five minutes say of it what all of it says. Whether a signal is
    an ECG at all is judged by each block: it may abstain in flutter where the file is answered. Memory is flat,
    but for steps of which something is derived from the beginning on: then all of the signal is kept, and compared.

    Parameters
    ----------
    predictor : Predictor
        The model.
    fs, channels, units, lead
        As of `Predictor.stream`.

    Attributes
    ----------
    delay_s : float
        Longest time from the beginning of a beat, window or step to its answer; a pause of a workout that spans the
        end of what is read is waited for as long again as a sequence lasts.
    exact : bool
        See above.
    events : list of Event
        Runs of the same answer that ended with the last `push` or `finish`.
    heard_s, busy_s : float
        Signal heard, and time spent on it, in seconds.

    Raises
    ------
    RecordError
        If a channel that the model needs is not there, or its unit cannot be converted.
    """

    def __init__(
        self,
        predictor: _Predictor,
        *,
        fs: float,
        channels: Sequence[str] | None = None,
        units: Sequence[str] | str | None = None,
        lead: str | None = None,
    ) -> None:
        spec = predictor.preprocessor.spec
        self.predictor = predictor
        names = tuple(channels or [channel.name for channel in spec.channels])
        template = as_record(np.zeros((len(names), 0), np.float32), fs, names, spec)
        (template,) = stated([template], units)
        # all that can be refused by name and unit is refused before anything was heard
        two = np.tile(np.array([0, 1], np.float32), (len(names), 1))
        leads_of(replace(template, signal=two), spec, choose=lead)
        self._of = replace(template, name="stream")
        self._lead = lead
        self._reach = reach(spec, template.fs)
        self.exact = self._reach.exact
        self.delay_s = (self._reach.hop + self._reach.ahead) / template.fs
        self.busy_s = 0.0
        self.events: list[Event] = []
        self._merged = Events()
        self._leads: Mapping[str, str] | None = None
        self._held = template.signal  # from sample `_first` on
        self._parts: list[NDArray[np.float32]] = []
        self._first = self._done = self._heard = 0

    def __repr__(self) -> str:
        return f"PredictionStream({self.predictor!r}: {self.heard_s:.0f} s heard, {self.delay_s:g} s late)"

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels that are pushed, in order."""
        return self._of.channels

    @property
    def fs(self) -> float:
        """Rate of what is pushed, in Hz."""
        return self._of.fs

    @property
    def heard_s(self) -> float:
        """Seconds of signal so far."""
        return self._heard / self._of.fs

    def push(self, x: ArrayLike) -> Prediction:
        """Take the next samples; return the answers that are now sure.

        Parameters
        ----------
        x : array_like, shape (samples,) or (channels, samples)
            NaN where a sample is missing.

        Returns
        -------
        Prediction
            Of none, one or many units; their samples count from the beginning of the stream.

        Raises
        ------
        SignalError
            If the number of channels is another; the stream then stays as it was.
        """
        part = np.asarray(x, np.float32)
        part = part[None] if part.ndim == 1 else part
        if part.ndim != 2 or len(part) != len(self._of.channels):
            wanted = f"({len(self._of.channels)}, samples), one row each for {', '.join(self._of.channels)}"
            raise SignalError(f"x: got shape {np.shape(x)}, wanted {wanted}")
        made = [self._nothing()]
        self.events = []
        while part.shape[1]:
            n = self._next(part)
            self._parts.append(part[:, :n].copy())
            self._heard += n
            while self._heard >= self._wanted and (self._closed() or self._heard >= self._wanted + self._reach.wait):
                made.append(self._answer(self._done + self._reach.hop))
            part = part[:, n:]
        return self._told(made)

    @property
    def _wanted(self) -> int:
        """Sample up to which the next block is read."""
        return self._done + self._reach.hop + self._reach.ahead

    def _closed(self) -> bool:
        """Say whether no gap is open: what lies in one is known when it ends."""
        last = self._parts[-1] if self._parts else self._held
        return bool(np.isfinite(last[:, -1]).all())

    def _next(self, part: NDArray[np.float32]) -> int:
        """Return how many samples complete the next block: to its end, or that of a gap which spans its end."""
        room = self._wanted - self._heard
        first, most = max(room - 1, 0), min(part.shape[1], room + self._reach.wait)
        whole = np.flatnonzero(np.isfinite(part[:, first:most]).all(axis=0))
        return first + int(whole[0]) + 1 if len(whole) else most

    def finish(self) -> Prediction:
        """End the recording and return the answers that are still held back.

        Raises
        ------
        SignalError
            If all of it was too short for an answer.
        """
        self.events = []
        made = self._told([self._nothing(), *([self._answer(None)] if self._heard > self._done else [])])
        self.events += self._merged.finish()
        return made

    def _told(self, made: list[Prediction]) -> Prediction:
        told = joined([part for part in made if len(part)] or made[-1:])
        self.events += self._merged.push(told)
        return told

    def _nothing(self) -> Prediction:
        width = self.predictor.decision.widths[-1]
        empty = np.zeros((0, width), np.float32)
        made = say(
            self.predictor.preprocessor.unit, self.predictor.decision, self._of.fs, np.zeros((0, 2), np.int64), empty
        )
        return replace(made, record=self._of.name, leads=_shown(self._leads))

    def _answer(self, stop: int | None) -> Prediction:
        """Answer what begins before sample `stop`, or all that is left, and forget what no later answer needs."""
        began = time.perf_counter()
        held = np.concatenate([self._held, *self._parts], axis=1)
        self._held, self._parts = held, []
        start = self._reach.start(self._done)
        held = held[:, start - self._first :]
        record = replace(self._of, signal=held)
        if self._leads is None:
            self._leads = self._chosen(record)
        made = self._nothing()
        if self._leads is not None:
            part, _ = self.predictor.block([record], self._leads)
            sample = part.sample + start
            kept = (sample >= self._done) & (sample < (self._heard if stop is None else stop))
            made = part.part(np.asarray(kept), start)
        self._done = self._heard if stop is None else stop
        following = self._reach.start(self._done)
        self._held, self._first = held[:, following - start :].copy(), following
        self.busy_s += time.perf_counter() - began
        return made

    def _chosen(self, record: Record) -> Mapping[str, str] | None:
        """Return the lead of each channel, chosen once; none before one that is needed has a sample."""
        try:
            return leads_of(record, self.predictor.preprocessor.spec, choose=self._lead)
        except RecordError as error:
            if not error.field.startswith("channel "):
                raise
            return None

    def save(self, path: Path | str) -> None:
        """Write all that the stream remembers, whole or not at all: NumPy's ``.npz``, no pickle.

        `PredictionStream.load` goes on from there, in another process if need be, to the same answers.
        """
        state = {
            "format": FORMAT,
            "model": self.predictor.digest,
            "fs": self._of.fs,
            "channels": self._of.channels,
            "units": self._of.units,
            "lead": self._lead,
            "leads": self._leads,
            "first": self._first,
            "done": self._done,
            "heard": self._heard,
            "event": self._merged.state,
        }
        held = np.concatenate([self._held, *self._parts], axis=1)
        file = io.BytesIO()
        np.savez(file, held=held, state=np.frombuffer(json.dumps(state).encode(), np.uint8))
        write_bytes(Path(path), file.getvalue())

    @classmethod
    def load(cls, predictor: _Predictor, path: Path | str) -> "PredictionStream":
        """Take a stream up again.

        Parameters
        ----------
        predictor : Predictor
            The same model.
        path : Path or str
            What `save` wrote.

        Raises
        ------
        RecordError
            If the file is no such state, or that of another model.
        """
        try:
            with np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False) as file:
                held = np.asarray(file["held"], np.float32)
                state = json.loads(file["state"].tobytes())
            known = state["format"] == FORMAT and held.shape == (
                len(state["channels"]),
                state["heard"] - state["first"],
            )
        except FileNotFoundError:
            raise RecordError(str(path), "file", "nothing", "the state of a stream") from None
        except Exception:  # zipfile, NumPy and json each have their own way of saying so
            known = False
        if not known:
            raise RecordError(str(path), "state", "something else", FORMAT, "begin the stream again")
        if state["model"] != predictor.digest:
            got, wanted = f"{state['model'][:16]}...", f"{predictor.digest[:16]}..."
            raise RecordError(str(path), "model", got, wanted, "give the model that the stream began with")
        stream = cls(predictor, fs=state["fs"], channels=state["channels"], units=state["units"], lead=state["lead"])
        stream._held, stream._leads = held, state["leads"]
        stream._first, stream._done, stream._heard = state["first"], state["done"], state["heard"]
        stream._merged = Events(state["event"])
        return stream


def _shown(leads: Mapping[str, str] | None) -> dict[str, str]:
    return {name: lead for name, lead in (leads or {}).items() if not name.startswith("beats.")}
