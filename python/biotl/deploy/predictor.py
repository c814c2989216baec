"""Prediction from a raw recording with onnxruntime alone: no torch, no scipy, nothing but the one model file."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.channels import Choice, find_all, leads_of
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.preprocessor import Prepared
from biotl.datasets.spec import Channel
from biotl.datasets.spec_kinds import SequenceSpec, parse_spec
from biotl.deploy import judge, metadata, raw, seal
from biotl.deploy.answer import Forward, answer
from biotl.deploy.arrays import as_record, between, stated
from biotl.deploy.blocks import LONG_S, Reach, reach
from biotl.deploy.bundle import Bundle, content
from biotl.deploy.prediction import Prediction, joined
from biotl.errors import MissingExtraError, RecordError
from biotl.records import Record

if TYPE_CHECKING:
    from biotl.deploy.stream import PredictionStream


@dataclass(frozen=True)
class Answer:
    """A prediction, and what it was made from; the content is a digest of the samples, however they are spelled."""

    prediction: Prediction
    records: list[Record]
    prepared: Prepared
    content: str


class Predictor:
    """An exported model, and all that it needs to read a raw recording.

    Parameters
    ----------
    path : str or Path
        An ``.onnx`` file that `biotl.deploy.export` wrote.
    threads : int, optional
        Threads of onnxruntime; by default ``OMP_NUM_THREADS``, else all cores.

    Attributes
    ----------
    bundle : Bundle
        What the file says of itself.
    preprocessor : Preprocessor
        From a recording to model inputs.
    decision : Classes, Value or Vector
        From raw output to an answer.
    rates : dict of str to float
        Of a file that takes raw samples: the rate in Hz of each input; else empty.

    Raises
    ------
    RecordError
        If the file is no model of biotl, or a bit of it was changed after it was exported.
    MissingExtraError
        If onnxruntime is not installed.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        self.path = Path(path)
        try:
            data = self.path.read_bytes()
        except OSError as error:
            hint = "export one with `biotl export`"
            raise RecordError(str(path), "file", error.strerror or "nothing", "an ONNX model", hint) from None
        self.digest = seal.check(data, self.path)
        self.session = _session(data, self.path, threads)
        stored = self.session.get_modelmeta().custom_metadata_map
        self.bundle = Bundle.from_json(stored.get(metadata.BUNDLE, ""), str(path))
        self.decision = self.bundle.decision
        self.preprocessor = make_preprocessor(parse_spec(self.bundle.spec, source=f"{path}: spec"), self.bundle.state)
        self._inputs = [item.name for item in self.session.get_inputs()]
        self.rates, self._note = raw.rates_of(stored), raw.note_of(stored)  # of a file that takes raw samples
        self._output = self.session.get_outputs()[0].name  # what a decision makes of it comes after
        self._stop = Event()

    def __repr__(self) -> str:
        about = self.bundle.about
        return (
            f"Predictor({str(self.path)!r}: {about.model.name}, {self.decision.kind} of each {self.preprocessor.unit})"
        )

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What the model reads, in order."""
        return self.preprocessor.spec.channels

    def predict(
        self,
        records: Record | Sequence[Record] | NDArray[Any],
        *,
        fs: float | None = None,
        units: Sequence[str] | str | None = None,
        channels: Sequence[str] | None = None,
        lead: str | None = None,
    ) -> Prediction:
        """Answer every beat, window or step of a raw recording.

        Parameters
        ----------
        records : Record, sequence of Record or ndarray
            The recording; several records are its files, each at its own rate. An array has shape (samples,) or
            (channels, samples).
        fs : float, optional
            Rate of an array in Hz, which it must have.
        units : str or sequence of str, optional
            Of every channel, or one each, where the recording does not state them or states them wrong; an array is
            taken to be in the units that the model reads.
        channels : sequence of str, optional
            Names of the channels of an array, by default those of the model.
        lead : str, optional
            Which channel of the recording is the model's first, instead of the first that fits by name.

        Returns
        -------
        Prediction
            Empty where there is nothing to answer. Where the signal is missing, flat, too poor or not what the model
            reads it abstains, and says why.

        Raises
        ------
        RecordError
            If a channel that the model needs is not there, or its unit cannot be right.
        SignalError
            If the signal is too short.
        ConfigError
            If an array comes without its rate, or lies the wrong way round.
        """
        if isinstance(records, np.ndarray):
            names = channels or [channel.name for channel in self.channels]
            records = [as_record(records, fs, names, self.preprocessor.spec)]
        records = [records] if isinstance(records, Record) else list(records)
        return self.answer(stated(records, units), lead=lead).prediction

    def answer(self, records: Sequence[Record], *, lead: str | None = None) -> Answer:
        """Do what `predict` does, and keep what was prepared on the way: of a long recording its rate and length."""
        records, cut = list(records), self._cut(records)
        if cut is None:
            made, prepared = self.block(records, lead)
            return Answer(made, records, prepared, content(prepared))
        found = find_all(records, self.preprocessor.spec.channels, choose=lead)
        leads = leads_of(records, self.preprocessor.spec, choose=lead)
        samples, parts = min(record.signal.shape[1] for record in records), []
        for first in range(0, samples, cut.hop):
            start, stop = cut.start(first), min(first + cut.hop + cut.ahead, samples)
            part, _ = self.block([between(record, start, stop) for record in records], leads)
            inside = (part.sample >= first - start) & (part.sample < first - start + cut.hop)
            parts.append(part.part(inside, start))
        made = joined(parts)
        if not cut.exact:
            note = f"longer than {LONG_S / 3600:g} h: what is usual in it is that of the {LONG_S / 3600:g} h around"
            made = replace(made, notes=(*made.notes, note))
        digest = hashlib.sha256()
        for one in found:
            digest.update(b"" if one is None else np.ascontiguousarray(one.x).data)
        return Answer(made, records, Prepared({}, records[0].fs, samples), digest.hexdigest()[:16])

    def _cut(self, records: Sequence[Record]) -> Reach | None:
        """Return how a long recording is cut into blocks; none where it is short, slow or of several rates."""
        spec, first = self.preprocessor.spec, records[0]
        if first.signal.shape[1] <= LONG_S * first.fs or isinstance(spec, SequenceSpec):
            return None
        return reach(spec, first.fs, long=True) if {record.fs for record in records} == {first.fs} else None

    def block(self, records: Sequence[Record], leads: Choice = None) -> tuple[Prediction, Prepared]:
        """Answer a recording at once.

        Parameters
        ----------
        records : sequence of Record
            Its files.
        leads : str or mapping of str to str, optional
            As of `biotl.datasets.channels.find_all`.

        Returns
        -------
        Prediction
            As of `predict`.
        Prepared
            What the model read.
        """
        spec = self.preprocessor.spec
        found, notes = [], [self._note] if self._note else []
        for channel, one in zip(spec.channels, find_all(records, spec.channels, choose=leads), strict=True):
            if one is not None:
                one, note = judge.clean(one, channel)
                found.append((channel, one))
                notes += [*filter(None, [note]), *judge.size_note(one, channel)]
        # even where training refused gaps no recording is refused for one: nothing is answered there
        bridge = spec.gaps == "refuse"
        mended = judge.mended(records, [one for _, one in found], bridge=bridge)
        self._go_on()
        prepared = self.preprocessor.prepare(mended, choose=leads)
        self._go_on()
        ask: Forward = self._forward
        if self.rates:
            ask = raw.forward(self._whole, self.preprocessor, prepared, mended, self.rates, choose=leads)
        made = answer(self.preprocessor, self.decision, prepared, ask)
        options: Any = {"unit": made.unit, "missing": 0.1 if bridge else 0.5, "stop": self._go_on}
        # what a model can do without is no reason to withhold its answer, unless it has nothing at all
        needed = [(c, one) for c, one in found if not c.optional]
        judged = [judge.judge(one, judge.kind_of(c), made.span, made.fs, **options) for c, one in needed or found]
        each = zip(*(of.reasons for of in judged), strict=True) if judged else [()] * len(made)
        agreed = any if needed else all
        other = [next(filter(None, why), "") if agreed(why) else "" for why in each]
        reasons = [mine or why for mine, why in zip(made.abstained, other, strict=True)]
        notes += [note for of in judged for note in of.notes]
        notes += [note for c, one in found if needed and c.optional for note in judge.missing_note(one)]
        silent = np.array([bool(why) for why in reasons], bool)
        withheld = -1 if made.value.dtype.kind == "i" else np.nan
        silent_rows = silent[:, None] if made.value.ndim == 2 else silent
        first = records[0]
        prediction = replace(
            made,
            record=first.name,
            path=str(first.source or ""),
            value=np.where(silent_rows, withheld, made.value).astype(made.value.dtype),
            quality=_lowest([of.quality for of in judged], len(made)),
            abstained=tuple(reasons),
            leads={channel.name: one.lead for channel, one in found},
            notes=(*notes, *made.notes),
        )
        return prediction, prepared

    def stream(
        self,
        *,
        fs: float,
        channels: Sequence[str] | None = None,
        units: Sequence[str] | str | None = None,
        lead: str | None = None,
    ) -> "PredictionStream":
        """Return a stream that answers a signal as it comes, in parts of any size.

        Parameters
        ----------
        fs, channels, units, lead
            As in `predict` for an array.

        Returns
        -------
        PredictionStream
            Its ``push(x)``, ``finish()``, ``delay_s`` and ``save(path)``.
        """
        from biotl.deploy.stream import PredictionStream

        return PredictionStream(self, fs=fs, channels=channels, units=units, lead=lead)

    def _whole(self, fed: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """Ask a file that takes raw samples."""
        out: NDArray[Any] = self.session.run([self._output], fed)[0]
        return out

    def _forward(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        self._go_on()
        if missing := [name for name in self._inputs if name not in inputs]:
            raise RecordError(str(self.path), "graph inputs", ", ".join(missing), f"some of {', '.join(inputs)}")
        out: NDArray[Any] = self.session.run([self._output], {name: inputs[name] for name in self._inputs})[0]
        return out

    def stop(self) -> None:
        """Let every prediction that is under way, in whichever thread, end at its next batch."""
        self._stop.set()

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt


def _session(data: bytes, path: Path, threads: int | None) -> Any:
    try:
        import onnxruntime
    except ImportError:
        if find_spec("onnxruntime") is None:
            raise MissingExtraError("onnxruntime", "onnx") from None
        raise  # it is there, and was interrupted while it loaded, or cannot load
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or int(os.environ.get("OMP_NUM_THREADS", "0"))
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no base class
        reason = str(error).splitlines()[0]
        raise RecordError(str(path), "graph", reason, "an ONNX model", "export it again") from None


def _lowest(qualities: Sequence[NDArray[np.float32]], n: int) -> NDArray[np.float32]:
    """Return the lowest quality of the channels that were judged; NaN where none was."""
    none = np.full((1, n), np.inf, np.float32)
    least = np.concatenate([none, *(np.where(np.isnan(q), np.inf, q)[None] for q in qualities)]).min(axis=0)
    return np.where(np.isfinite(least), least, np.nan).astype(np.float32)
