"""How an exported model does on recordings with a reference, without torch."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.labels import Target
from biotl.datasets.manifest import Entry
from biotl.deploy.predictor import Answer, Predictor
from biotl.deploy.recordings import is_long
from biotl.errors import BiotlError, ConfigError, RecordError, SignalError
from biotl.parallel import in_threads
from biotl.scoring.answers import Answered

Found = tuple[Answer, dict[str, NDArray[Any]]]


def evaluate_entries(
    predictor: Predictor, entries: Sequence[Entry], target: Target
) -> tuple[list[Answered], list[BiotlError], list[str]]:
    """Answer raw recordings beside their reference; each file is read once.

    Parameters
    ----------
    predictor : Predictor
        A model of classes or values.
    entries : sequence of Entry
        Recordings with what is known of them.
    target : Target
        How the reference is read; its classes are those of the model, in any order.

    Returns
    -------
    list of Answered
        One a recording; one that is given under two names or spellings is counted once.
    list of BiotlError
        Why a recording was refused.
    list of str
        What a reader of the figures must know: recordings that were given twice, or that the model was trained on.

    Raises
    ------
    ConfigError
        If the reference has other classes than the model.
    RecordError
        If every recording is refused; the first reason.
    """
    order = _order(predictor, target)
    name, known = predictor.bundle.about.model.name, set(predictor.bundle.about.data.recordings)

    def one(entry: Entry) -> Found | BiotlError:
        try:
            answer = predictor.answer(entry.read(target.annotators))
            return answer, target.of(entry, answer.records, answer.prepared, answer.prediction.span)
        except RecordError as error:
            return error
        except SignalError as error:
            return error.at(entry.id)

    answered: list[Answered] = []
    refused: list[BiotlError] = []
    first: dict[str, str] = {}
    twice: list[str] = []
    learnt: list[str] = []
    threads = max(1, min(int(os.environ.get("OMP_NUM_THREADS", "4")), 4))
    long = len(entries) == 1 or any(is_long(path) for entry in entries for path in entry.files)
    try:
        for entry, outcome in zip(
            entries, map(one, entries) if long else in_threads(one, entries, threads), strict=True
        ):
            if isinstance(outcome, BiotlError):
                refused.append(outcome)
                continue
            answer, reference = outcome
            mark = answer.content
            if mark in first:
                twice.append(f"{entry.id} (as {first[mark]})")
                continue
            first[mark] = entry.id
            learnt += [entry.id] if mark in known else []
            answered.append(_answered(entry, name, answer, reference, order))
    except KeyboardInterrupt:
        predictor.stop()
        raise
    if refused and not answered:
        raise refused[0]
    notes = [f"counted once, though given again: {_listed(twice)}"] if twice else []
    return answered, refused, notes + ([f"the model was trained on: {_listed(learnt)}"] if learnt else [])


def _order(predictor: Predictor, target: Target) -> NDArray[np.int64]:
    """Return the model's index of each class of the reference."""
    labels = getattr(predictor.decision, "labels", ())
    if bool(labels) != bool(target.labels) or not set(target.labels) <= set(labels):
        theirs, ours = ", ".join(target.labels) or "values", ", ".join(labels) or "values"
        raise ConfigError(f"labels: the reference has {theirs}, the model tells {ours}; map them with data.classes")
    return np.array([labels.index(label) for label in target.labels], np.int64)


def _answered(
    entry: Entry, name: str, answer: Answer, reference: dict[str, NDArray[Any]], order: NDArray[np.int64]
) -> Answered:
    made = answer.prediction
    missed = np.zeros(0, np.int64)
    if "labels" in reference:
        truth = _renamed(reference["labels"], order)
        missed = _renamed(reference.get("missed", missed), order)
    else:
        truth = np.where(reference["mask"], reference["target"], np.nan)
    return Answered(
        id=entry.id,
        subject=entry.subject,
        unit=made.unit,
        fs=made.fs,
        span=made.span,
        truth=truth,
        answers={name: made.value},
        missed=missed,
        probability=made.probability,
        low=made.low,
        high=made.high,
    )


def _renamed(label: NDArray[Any], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return classes of the reference as classes of the model; what is no class stays as it is."""
    return np.where(label < 0, label, order[np.maximum(label, 0)]) if len(order) else label


def _listed(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
