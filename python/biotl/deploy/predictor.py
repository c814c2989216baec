"""Prediction from a raw recording with onnxruntime alone: no torch, no scipy, nothing but the one model file."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.channels import find_all
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.preprocessor import Prepared
from biotl.datasets.spec_kinds import parse_spec
from biotl.deploy import judge, metadata, seal
from biotl.deploy.answer import answer
from biotl.deploy.bundle import Bundle
from biotl.deploy.prediction import Prediction
from biotl.errors import BiotlError, ConfigError, MissingExtraError, RecordError, SignalError
from biotl.parallel import in_threads
from biotl.records import Record, read, wfdb

LONG_BYTES = 16e6
"""Of a file: an hour or more of one lead, for which a kernel may take longer than anybody wants to wait."""
SUFFIXES = frozenset({".hea", ".npz", ".mat", ".csv"})


@dataclass(frozen=True)
class Answer:
    """A prediction, and what it was made from."""

    prediction: Prediction
    records: list[Record]
    prepared: Prepared


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
        self._output = self.session.get_outputs()[0].name  # what a decision makes of it comes after
        self._stop = Event()

    def __repr__(self) -> str:
        about = self.bundle.about
        return (
            f"Predictor({str(self.path)!r}: {about.model.name}, {self.decision.kind} of each {self.preprocessor.unit})"
        )

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
            records = [_as_record(records, fs, channels or self.preprocessor.spec.names, self.preprocessor.spec)]
        records = [records] if isinstance(records, Record) else list(records)
        return self.answer(_stated(records, units), lead=lead).prediction

    def answer(self, records: Sequence[Record], *, lead: str | None = None) -> Answer:
        """Do what `predict` does, and keep what was prepared on the way."""
        spec = self.preprocessor.spec
        found, notes = [], []
        leads = find_all(records, spec.channels, choose=lead)
        for channel, one in zip(spec.channels, leads, strict=True):
            if one is not None:
                one, note = judge.clean(one, channel)
                found.append((channel, one))
                notes += [note] if note else []
        # even where training refused gaps no recording is refused for one: nothing is answered there
        bridge = spec.gaps == "refuse"
        mended = judge.mended(records, [one for _, one in found], bridge=bridge)
        self._go_on()
        prepared = self.preprocessor.prepare(mended, choose=lead)
        self._go_on()
        made = answer(self.preprocessor, self.decision, prepared, self._forward)
        options: Any = {"unit": made.unit, "missing": 0.1 if bridge else 0.5, "stop": self._go_on}
        # what a model can do without is no reason to withhold its answer
        needed = [(c, one) for c, one in found if not c.optional]
        judged = [judge.judge(one, judge.kind_of(c), made.span, made.fs, **options) for c, one in needed]
        reasons = list(made.abstained)
        for of in judged:
            reasons = [mine or other for mine, other in zip(reasons, of.reasons, strict=True)]
        notes += [note for of in judged for note in of.notes]
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
        return Answer(prediction, list(records), prepared)

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


def predict_files(
    predictor: Predictor,
    paths: Sequence[str | Path],
    *,
    units: Sequence[str] | str | None = None,
    lead: str | None = None,
    read: Callable[[Path], Record] = read,
) -> Iterator[tuple[Path, Prediction | BiotlError]]:
    """Read and answer recordings, several at a time, and hand them back in the order given.

    Parameters
    ----------
    predictor : Predictor
        The model.
    paths : sequence of str or Path
        What `biotl.records.read` takes, or folders of them; see `recordings`.
    units, lead
        As in `Predictor.predict`.
    read : callable
        How a file is read.

    Yields
    ------
    tuple of Path and (Prediction or BiotlError)
        A recording that is refused comes with the reason; the others go on.
    """

    def one(path: Path) -> Prediction | BiotlError:
        try:
            return predictor.predict(read(path), units=units, lead=lead)
        except RecordError as error:
            return error
        except SignalError as error:  # it knows the array, and not the file
            return SignalError(f"{path}: {error}")

    places = recordings(paths)
    if len(places) == 1 or any(map(is_long, places)):  # in this thread, where Ctrl-C reaches the kernels
        yield from ((path, one(path)) for path in places)
        return
    threads = max(1, min(int(os.environ.get("OMP_NUM_THREADS", "4")), 4))
    try:
        yield from zip(places, in_threads(one, places, threads), strict=True)
    except KeyboardInterrupt:
        predictor.stop()
        raise


def recordings(paths: Sequence[str | Path]) -> list[Path]:
    """Return the recordings that paths name, each once: a folder stands for all that lie in it.

    The header, the samples and the marks of one WFDB record are one recording, however it is spelled.

    Raises
    ------
    RecordError
        If a folder holds none.
    """
    found: dict[Path, Path] = {}
    for given in map(Path, paths):
        inside = [given]
        if given.is_dir():
            inside = sorted(path for path in given.iterdir() if path.suffix.lower() in SUFFIXES)
            if not inside:
                raise RecordError(str(given), "folder", "no recording", "a folder with .hea, .npz, .mat or .csv files")
            headers = {path.stem for path in inside if path.suffix.lower() == ".hea"}
            inside = [path for path in inside if path.suffix.lower() != ".mat" or path.stem not in headers]
        for path in inside:
            found.setdefault(Path(os.path.realpath(wfdb.stem(path))), wfdb.stem(path) if given.is_dir() else path)
    return list(found.values())


def is_long(path: Path) -> bool:
    """Say whether a recording's files are larger than `LONG_BYTES`."""
    stem = wfdb.stem(path)
    files = [path] if path.suffix and path.is_file() else stem.parent.glob(f"{stem.name}.*")
    return sum(file.stat().st_size for file in files if file.is_file()) > LONG_BYTES


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


def _as_record(x: NDArray[Any], fs: float | None, channels: Sequence[str], spec: Any) -> Record:
    if fs is None:
        raise ConfigError("fs: got nothing, wanted the rate of the array in Hz")
    x = np.asarray(x, np.float32)
    x = x[None] if x.ndim == 1 else x
    if x.ndim != 2 or len(x) != len(channels):
        transposed = x.ndim == 2 and x.shape[1] == len(channels)
        hint = "; pass x.T" if transposed else "; name its channels with channels="
        raise ConfigError(f"array: got shape {x.shape}, wanted ({len(channels)}, samples), one row a channel{hint}")
    known = {channel.name: channel.unit for channel in spec.channels}
    return Record("array", x, float(fs), tuple(channels), tuple(known.get(name, "") for name in channels), "array")


def _stated(records: Sequence[Record], units: Sequence[str] | str | None) -> list[Record]:
    if units is None:
        return list(records)
    out = []
    for record in records:
        given = (units,) * len(record.channels) if isinstance(units, str) else tuple(units)
        if len(given) != len(record.channels):
            wanted = f"{len(record.channels)}, one each for {', '.join(record.channels)}, or one for all"
            raise ConfigError(f"units: got {len(given)}, wanted {wanted}")
        out.append(replace(record, units=given))
    return out


def _lowest(qualities: Sequence[NDArray[np.float32]], n: int) -> NDArray[np.float32]:
    """Return the lowest quality of the channels that were judged; NaN where none was."""
    none = np.full((1, n), np.inf, np.float32)
    least = np.concatenate([none, *(np.where(np.isnan(q), np.inf, q)[None] for q in qualities)]).min(axis=0)
    return np.where(np.isfinite(least), least, np.nan).astype(np.float32)
