"""How an exported model does on annotated recordings, without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from biotl.datasets.beats import BINARY, BeatScore, binary, label_beats, reference_beats, score
from biotl.deploy.predictor_before import Prediction, Predictor, predict_files
from biotl.errors import BiotlError, RecordError
from biotl.records import read


@dataclass(frozen=True)
class Evaluation:
    """The beats of all recordings scored together and recording by recording, and the recordings that were refused."""

    total: BeatScore
    recordings: dict[str, BeatScore]
    refused: list[BiotlError]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a class, in per cent, of all recordings together."""
        return [
            {key: round(value, 1) if isinstance(value, float) else value for key, value in row.items()}
            for row in self.total.table()
            if row["beats"]
        ]


def evaluate_files(predictor: Predictor, paths: Sequence[str | Path]) -> Evaluation:
    """Predict raw recordings and score them against their own annotations.

    Parameters
    ----------
    predictor : Predictor
        With AAMI classes, or ``normal`` and ``abnormal``.
    paths : sequence of str or Path
        Recordings with an ``.atr`` file beside them.

    Returns
    -------
    Evaluation
        A beat that is not detected within 150 ms, or detected where there is none, counts as an error (AAMI EC57).

    Raises
    ------
    RecordError
        If every recording is refused; the first reason.
    """
    found: dict[str, tuple[Any, Any, Any]] = {}
    refused: list[BiotlError] = []
    for path, outcome in predict_files(predictor, paths):
        if not isinstance(outcome, Prediction):
            refused.append(outcome)
            continue
        annotations = read(path).annotations
        if "atr" not in annotations:
            refused.append(RecordError(str(path), "annotations", "none", "atr", "lay the .atr file beside the header"))
            continue
        beats = label_beats(reference_beats(annotations["atr"]), outcome.sample, outcome.fs)
        label, missed = beats.label, beats.missed
        if predictor.labels == BINARY:
            label, missed = np.where(label < 0, label, binary(label)), binary(missed)
        found[str(path)] = (label, outcome.label, missed)
    if not found:
        raise refused[0]
    label, predicted, missed = (np.concatenate(column) for column in zip(*found.values(), strict=True))
    total = score(label, predicted, missed, predictor.labels)
    return Evaluation(total, {path: score(*of, predictor.labels) for path, of in found.items()}, refused)
