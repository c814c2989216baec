"""What a report is made of: plain data, so that any run can be shown and nothing is recomputed to show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Strip:
    """Some seconds of a recording with what was predicted of each beat.

    Parameters
    ----------
    record : str
        Name of the recording.
    start_s : float
        Where the strip begins in the recording.
    fs : float
        Sampling rate in Hz.
    signal : ndarray of float32, shape (samples,)
        The lead in mV.
    time_s : ndarray of float, shape (n,)
        Time of each predicted beat from the start of the recording.
    label : tuple of str, length n
        Predicted class of each beat.
    truth : tuple of str, length n
        Reference class of each beat; empty where it is not known.
    caption : str
        What is to be seen.
    """

    record: str
    start_s: float
    fs: float
    signal: NDArray[np.float32]
    time_s: NDArray[np.float64]
    label: tuple[str, ...]
    truth: tuple[str, ...] = ()
    caption: str = ""


@dataclass(frozen=True)
class ReportContent:
    """A finished run.

    Parameters
    ----------
    title, question : str
        What was learnt, and the one sentence that says of what, on whom.
    headline : sequence of (figure, name, note)
        The few figures that matter, in words ready to print.
    labels : tuple of str
        Class names.
    scores : mapping of str to sequence of rows
        By model name, the model of this run first, then its baselines: one row a class with ``class``, ``beats``,
        ``Se``, ``PPV`` and ``F1`` in per cent.
    macro_f1 : mapping of str to float
        Macro-F1 in per cent, by the same names.
    confusion : ndarray of int64, shape (classes + 1, classes + 1)
        Reference by prediction; the last row holds false detections, the last column missed beats.
    per_record : sequence of rows
        One row a test recording; keys are the column names.
    history : sequence of rows
        The lines of ``metrics.jsonl``.
    strips : sequence of Strip
        Example stretches.
    data, settings, lineage : mapping of str to text
        Two-column tables: what was learnt from, how, and what the model came from.
    limits : sequence of str
        What the figures do not say.
    """

    title: str
    question: str
    headline: Sequence[tuple[str, str, str]]
    labels: tuple[str, ...]
    scores: Mapping[str, Sequence[Mapping[str, Any]]]
    macro_f1: Mapping[str, float]
    confusion: NDArray[np.int64]
    per_record: Sequence[Mapping[str, Any]] = ()
    history: Sequence[Mapping[str, Any]] = ()
    strips: Sequence[Strip] = ()
    data: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    lineage: Mapping[str, str] = field(default_factory=dict)
    limits: Sequence[str] = ()
