"""From the named arrays of an ``.npz`` or ``.mat`` file to a Record: what the names must say, and how they are read."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records.record import Record

_RATE = ("fs", "Fs", "FS", "freq", "sampling_rate", "sample_rate")
_NAMES = ("channels", "names", "leads", "sig_name")
_UNITS = ("units",)
_SUBJECT = ("subject", "subject_id", "userId")


def from_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> Record:
    """Build a Record of one array of shape (channels, samples), or of one array a channel.

    The rate is a scalar ``fs`` (``Fs``, ``freq``, ``sampling_rate``), or ``NAME_fs`` beside each channel ``NAME``.
    Channel names are ``channels`` (``names``, ``leads``), units ``units`` or ``NAME_units``; a unit that is not given
    is ``""``. The longer axis of a two-dimensional array is time.

    Parameters
    ----------
    path : Path
        The file, for the name of the record and for errors.
    arrays : mapping of str to ndarray
        What it holds.

    Returns
    -------
    Record
        Signal float32 of shape (channels, samples).

    Raises
    ------
    RecordError
        If there is no signal or no rate, or more than one of either.

    Examples
    --------
    >>> record = from_arrays(Path("a.npz"), {"ecg": np.zeros(500), "ppg": np.ones(500), "fs": np.array(125)})
    >>> record.channels, record.fs, record.signal.shape
    (('ecg', 'ppg'), 125.0, (2, 500))
    """
    signals = {name: np.squeeze(value) for name, value in arrays.items() if _is_signal(name, value)}
    shapes = ", ".join(f"{name} {value.shape}" for name, value in signals.items()) or "no numeric array"
    lengths = {value.shape for value in signals.values()}
    if len(signals) == 1 and next(iter(signals.values())).ndim == 2:
        ((key, signal),) = signals.items()
        signal = signal if signal.shape[0] <= signal.shape[1] else signal.T
        names = _texts(arrays, _NAMES) or tuple(f"{key} {i}" for i in range(len(signal)))
        units = _texts(arrays, _UNITS) or ("",) * len(signal)
    elif len(lengths) == 1 and len(next(iter(lengths))) == 1:
        signal = np.stack(list(signals.values()))
        names = _texts(arrays, _NAMES) or tuple(signals)
        units = _texts(arrays, _UNITS) or tuple(next(iter(_texts(arrays, (f"{name}_units",))), "") for name in signals)
    else:
        wanted = "one array (channels, samples), or arrays (samples,) of one length"
        raise RecordError(str(path), "signal", shapes, wanted, "save one recording a file")
    for field, texts in (("channels", names), ("units", units)):
        if len(texts) != len(signal):
            raise RecordError(str(path), field, f"{len(texts)} names", f"{len(signal)}, one a channel")
    fs = _rate(path, arrays, list(signals))
    subject = next(iter(_texts(arrays, _SUBJECT)), path.stem)
    return Record(path.stem, np.ascontiguousarray(signal, np.float32), fs, names, units, subject, source=path)


def _is_signal(name: str, value: NDArray[np.generic]) -> bool:
    about = name in {*_RATE, *_NAMES, *_UNITS, *_SUBJECT} or name.endswith(("_fs", "_units")) or name.startswith("__")
    return not about and value.dtype.kind in "fiub" and value.size > 1


def _rate(path: Path, arrays: Mapping[str, NDArray[np.generic]], names: list[str]) -> float:
    keys = [key for key in (*_RATE, *(f"{name}_fs" for name in names)) if key in arrays]
    found = {key: np.ravel(arrays[key]) for key in keys if arrays[key].dtype.kind in "fiu"}
    rates = {float(value) for values in found.values() for value in values}
    got = ", ".join(f"{key} {values.tolist()}" for key, values in found.items()) or "none"
    if len(rates) > 1:
        raise RecordError(str(path), "fs", got, "one rate for all channels", "resample first, or save a file a rate")
    if not rates or not 0 < min(rates) < np.inf:
        hint = (
            "save a scalar fs in Hz, or keep the .hea beside it" if path.suffix == ".mat" else "save a scalar fs in Hz"
        )
        raise RecordError(str(path), "fs", got, "a positive rate in Hz", hint)
    return rates.pop()


def _texts(arrays: Mapping[str, NDArray[np.generic]], keys: tuple[str, ...]) -> tuple[str, ...]:
    for key in keys:
        if key in arrays and arrays[key].dtype.kind in "USOiu":
            # MATLAB cells hold each text in an array of its own
            cells = [np.ravel(cell)[0] if np.size(cell) else "" for cell in np.ravel(arrays[key])]
            texts = (cell.decode("latin-1") if isinstance(cell, bytes) else str(cell) for cell in cells)
            return tuple(text.strip() for text in texts)
    return ()
