"""EDF, EDF+ and BDF, through edfio."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records.foreign import bring, refused
from biotl.records.mixed import Channel, one_rate, plain_unit
from biotl.records.record import Annotations, Record


def read(path: str | Path, *, channels: Sequence[str] | None = None) -> Record:
    """Read an EDF, EDF+C or BDF file: physical values of the channels of one rate.

    Parameters
    ----------
    path : str or Path
        The file.
    channels : sequence of str, optional
        Names of channels of one rate; see :func:`biotl.records.mixed.one_rate`.

    Returns
    -------
    Record
        Signal float32 of shape (channels, samples). The annotations of EDF+ are ``annotations["edf"]``: notes
        (symbol ``"``) at the rate of the channels read.

    Raises
    ------
    RecordError
        A file that is missing or damaged, holds no signal, or has pauses (EDF+D).
    MissingExtraError
        If edfio is not installed.
    """
    path = Path(path)
    edfio = bring("edfio", "edf")
    with _refused(path):
        with path.open("rb") as file:
            head = file.read(256)
        edf: Any = edfio.read_bdf(path) if head.startswith(b"\xff") else _edf(edfio, path)
        signals = [signal for signal in edf.signals if len(signal.label.strip())]
        rates = [float(signal.sampling_frequency) for signal in signals]
        units = [plain_unit(signal.physical_dimension) for signal in signals]
        labels = [signal.label for signal in signals]
        marks = [(float(mark.onset), str(mark.text)) for mark in edf.annotations]
        pauses = edf.reserved.startswith(("EDF+D", "BDF+D"))
    if pauses:
        hint = "split it at the pauses, by EDFbrowser"
        raise RecordError(str(path), "reserved", "EDF+D, a recording with pauses", "one without, EDF+C", hint)
    if not signals:
        got = f"no signal, {len(marks)} annotations"
        raise RecordError(str(path), "signals", got, "a channel of samples", "name the recording, not its annotations")
    found = [
        Channel(name, unit, rate, partial(_values, path, signal))
        for name, unit, rate, signal in zip(labels, units, rates, signals, strict=True)
    ]
    record = one_rate(path, found, channels)
    if marks:
        record.annotations["edf"] = _notes(marks, record.fs)
    return record


def _edf(edfio: Any, path: Path) -> Any:
    return edfio.read_edf(path, lazy_load_data=True, header_encoding="latin-1")


def _values(path: Path, signal: Any) -> NDArray[np.float32]:
    with _refused(path):
        return np.asarray(signal.data, np.float32)


def _refused(path: Path) -> AbstractContextManager[None]:
    return refused(path, "an EDF or BDF file by its standard", "repair its header, by EDFbrowser")


def _notes(marks: list[tuple[float, str]], fs: float) -> Annotations:
    sample = np.array([round(onset * fs) for onset, _ in marks], np.int64)
    order = np.argsort(sample, kind="stable")
    zeros = np.zeros(len(marks), np.int8)
    texts = tuple(marks[index][1] for index in order)
    return Annotations(sample[order], np.full(len(marks), '"'), texts, zeros, zeros, zeros)
