"""Prediction from a raw recording with onnxruntime alone: no torch, no scipy, nothing but the one model file."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, Json, ValidationError

from biotl.datasets import SignalSpec, Vocabulary
from biotl.datasets.sentences import Sentence, prepare, window_arrays, windows
from biotl.errors import BiotlError, MissingExtraError, RecordError, SignalError
from biotl.parallel import in_threads
from biotl.records import Annotations, Record, read

WINDOW = ("tokens", "wave", "mask", "patches", "features")
"""What a model may read of `window_arrays`."""
BATCH = 32
WFDB_BEATS = frozenset("NSVFQ")


@dataclass(frozen=True)
class Prediction:
    """What a model says of each beat of a recording.

    Parameters
    ----------
    record : str
        Name of the recording.
    fs : float
        Rate of the recording in Hz.
    sample : ndarray of int64, shape (n,)
        R peak of each beat, at ``fs``.
    label : ndarray of int64, shape (n,)
        Index of the predicted class.
    probability : ndarray of float32, shape (n, classes)
        Of every class; a row sums to 1.
    labels : tuple of str
        Class names.
    """

    record: str
    fs: float
    sample: NDArray[np.int64]
    label: NDArray[np.int64]
    probability: NDArray[np.float32]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sample)

    @property
    def time_s(self) -> NDArray[np.float64]:
        """Time of each beat from the start of the recording, shape (n,)."""
        return self.sample / self.fs

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the predicted class of each beat."""
        return tuple(self.labels[i] for i in self.label)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a beat: ``record``, ``sample``, ``time_s``, ``label`` and that label's ``probability``."""
        chosen = self.probability[np.arange(len(self)), self.label]
        beats = zip(self.sample.tolist(), self.time_s.tolist(), self.names, chosen.tolist(), strict=True)
        return [
            {"record": self.record, "sample": s, "time_s": round(t, 4), "label": name, "probability": round(p, 4)}
            for s, t, name, p in beats
        ]

    def counts(self) -> dict[str, int]:
        """Return how many beats got each label."""
        return {name: int(np.sum(self.label == i)) for i, name in enumerate(self.labels)}

    def annotations(self) -> Annotations:
        """Return the beats as WFDB marks.

        The symbol is the label where that is an AAMI class, N for ``normal``, and Q for anything else; the text holds
        the label and its probability.
        """
        symbol = [name if name in WFDB_BEATS else "N" if name == "normal" else "Q" for name in self.names]
        aux = tuple(f"{row['label']} {row['probability']:.3f}" for row in self.rows())
        zeros = np.zeros(len(self), np.int8)
        return Annotations(self.sample, np.array(symbol, dtype="<U1"), aux, zeros, zeros, zeros)


class _Metadata(BaseModel):
    """What the file carries beside the graph, each a JSON text."""

    spec: Json[SignalSpec]
    vocabulary: str
    labels: Json[tuple[str, ...]]
    thresholds: Json[tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...]]
    model: Json[dict[str, Any]]


class Predictor:
    """An exported model, and all that it needs to read a raw recording.

    Parameters
    ----------
    path : str or Path
        An ``.onnx`` file that `biotl.deploy.export` wrote.
    threads : int, optional
        Threads of onnxruntime; by default ``OMP_NUM_THREADS``, else all cores.

    Raises
    ------
    RecordError
        If the file is no ONNX model, or graph and biotl's metadata do not fit each other.
    MissingExtraError
        If onnxruntime is not installed.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtraError("onnxruntime", "onnx") from None
        path = Path(path)
        if not path.is_file():
            raise RecordError(str(path), "file", "nothing", "an ONNX model", "export one with `biotl export`")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or int(os.environ.get("OMP_NUM_THREADS", "0"))
        try:
            self.session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exceptions share no base class
            reason = str(error).splitlines()[0]
            raise RecordError(str(path), "graph", reason, "an ONNX model", "export it again") from None
        stored = self.session.get_modelmeta().custom_metadata_map
        try:
            about = _Metadata(**{key: stored.get(f"biotl.{key}") for key in _Metadata.model_fields})
        except ValidationError as error:
            item = error.errors()[0]
            field = ".".join(map(str, item["loc"]))
            got = "nothing" if item["input"] is None else repr(item["input"])
            wanted = "JSON" if item["type"].startswith("json") else item["msg"].removeprefix("Input should be ")
            hint = "export it with `biotl export`"
            raise RecordError(str(path), f"metadata biotl.{field}", got, wanted, hint) from None
        self.spec, self.labels, self.about = about.spec, about.labels, about.model
        self.vocabulary = Vocabulary.from_json(about.vocabulary, f"{path} (biotl.vocabulary)")
        self.thresholds = np.array(about.thresholds, np.float32)
        self._inputs = [item.name for item in self.session.get_inputs()]
        width: Any = {item.name: item.shape[-1] for item in self.session.get_outputs()}.get("logits")
        classes = {1: 2}.get(width, width)  # one logit is two classes
        known = [name for name in self._inputs if name in WINDOW]
        fits: list[tuple[str, Any, Any]] = [
            ("graph inputs", self._inputs, known or list(WINDOW)),
            ("number of labels", len(set(self.labels)), classes),
            ("number of thresholds", len(self.thresholds), classes),
            ("vocabulary digest", self.vocabulary.digest(), self.spec.vocabulary),
            ("spec digest", self.spec.digest(), self.vocabulary.spec_digest),
        ]
        for name, found, wants in fits:
            if found != wants:
                raise RecordError(str(path), name, str(found), str(wants), "export it again")

    def predict(self, record: Record) -> Prediction:
        """Classify every beat of a raw recording.

        Parameters
        ----------
        record : Record
            Any rate; one of its leads must be one that the spec names, in a unit of voltage.

        Returns
        -------
        Prediction
            Empty where no beat is found.

        Raises
        ------
        RecordError
            If no lead fits the spec.
        SignalError
            If the signal is too short or not finite.
        """
        sentence = prepare(record, self.spec, self.vocabulary)
        probability = np.zeros((len(sentence.rpeaks), len(self.labels)), np.float32)
        for batch in self._batches(sentence):
            feed = {name: batch[name] for name in self._inputs}
            logits = self.session.run(["logits"], feed)[0]
            scored = batch["beat"] >= 0
            probability[batch["beat"][scored]] = probabilities(logits[scored])
        sample = np.rint(sentence.rpeaks * (record.fs / self.spec.fs)).astype(np.int64)
        label = decide(probability, self.thresholds)
        return Prediction(record.name, record.fs, sample, label, probability, self.labels)

    def _batches(self, sentence: Sentence) -> Iterator[dict[str, NDArray[Any]]]:
        cuts = [window_arrays(sentence, window, self.spec) for window in windows(sentence, self.spec)]
        for start in range(0, len(cuts), BATCH):
            group = cuts[start : start + BATCH]
            yield {name: np.stack([cut[name] for cut in group]) for name in group[0]}


def predict_files(predictor: Predictor, paths: Sequence[str | Path]) -> Iterator[tuple[Path, Prediction | BiotlError]]:
    """Read and classify recordings, several at a time, and hand them back in the order given.

    Parameters
    ----------
    predictor : Predictor
        The model.
    paths : sequence of str or Path
        What `biotl.records.read` takes.

    Yields
    ------
    tuple of Path and (Prediction or BiotlError)
        A recording that is refused comes with the reason; the others go on.
    """

    def one(path: Path) -> Prediction | BiotlError:
        try:
            return predictor.predict(read(path))
        except RecordError as error:
            return error
        except SignalError as error:  # it knows the array, and not the file
            return SignalError(f"{path}: {error}")

    places = [Path(path) for path in paths]
    threads = max(1, min(int(os.environ.get("OMP_NUM_THREADS", "4")), 4))
    yield from zip(places, in_threads(one, places, threads), strict=True)


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return class probabilities, shape (n, classes): softmax, or of a single logit the logistic pair.

    Parameters
    ----------
    logits : ndarray of float32, shape (n, classes) or (n, 1)
        What the model gives.

    Examples
    --------
    >>> probabilities(np.zeros((1, 1), np.float32))
    array([[0.5, 0.5]], dtype=float32)
    """
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    power = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(power / power.sum(axis=1, keepdims=True), np.float32)


def decide(probability: NDArray[np.float32], thresholds: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the class whose probability is largest relative to its threshold, shape (n,).

    With two classes this is the usual threshold: class 1 from ``p >= t`` for thresholds ``(1 - t, t)``.

    Parameters
    ----------
    probability : ndarray of float32, shape (n, classes)
        Rows sum to 1.
    thresholds : ndarray of float32, shape (classes,)
        Positive; all equal means the most probable class.

    Examples
    --------
    >>> decide(np.array([[0.7, 0.3]], np.float32), np.array([0.8, 0.2], np.float32))
    array([1])
    """
    return np.asarray((probability / thresholds).argmax(axis=1), np.int64)
