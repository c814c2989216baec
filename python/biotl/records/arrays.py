"""From named arrays (``.npz``, ``.mat``, HDF5) to a Record: what the names must say, and how they are read."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records import clock, uneven
from biotl.records.mixed import plain_unit
from biotl.records.record import Record

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
# names as they are without case, dots and underscores
_RATE = {"fs", "freq", "frequency", "samplingrate", "samplerate", "samplingfrequency", "samplefrequency", "sfreq"}
_RATE |= {"srate", "samplefreq", "samplingfreq", "hz"}
_NAMES = (
    "channels",
    "names",
    "leads",
    "signame",
    "channelnames",
    "channelname",
    "leadnames",
    "header",
    "titles",
    "labels",
)
_UNITS = ("units", "unit", "unittext")
_SUBJECT = ("subject", "subjectid", "userid", "subjid")
_PLAIN = {"data", "signal", "signals", "y", "v", "x", "value", "values", "wave", "waveform", "samples", "val"}


def from_arrays(path: Path, arrays: Mapping[str, Any], *, fs: float | None = None) -> Record:
    """Build a Record of one array of shape (channels, samples), or of one array a channel.

    The rate is a scalar ``fs`` (``Fs``, ``freq``, ``samplingRate`` and the like), ``NAME_fs`` beside each channel
    ``NAME``, the steps of an array ``t`` or ``time``, or what the caller states. Channel names are ``channels``
    (``names``, ``leads``), units ``units`` or ``NAME_units``; a unit that is not given is ``""``. Times, peaks and
    labels are no channels. The longer axis of a two-dimensional array is time; of several arrays, the one with a row a
    name is the signal. Whole numbers beside a scalar ``scale`` or ``gain`` are multiplied, or divided, by it. Arrays in
    structures are known by the name of the innermost. The exports of LabChart (``data`` cut by ``datastart`` and
    ``dataend``) and of AcqKnowledge (``isi``) are understood.

    Parameters
    ----------
    path : Path
        The file, for the name of the record and for errors.
    arrays : mapping of str to ndarray
        What it holds; a mapping within is a structure.
    fs : float, optional
        Rate in Hz, where the file states none.

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
    arrays = flat(arrays)
    if {"data", "datastart", "dataend", "samplerate"} <= arrays.keys():
        return _labchart(path, arrays)
    signals = {name: np.squeeze(value) for name, value in arrays.items() if _is_signal(name, value)}
    named = [name for name, value in signals.items() if value.ndim == 2 and _is_named(arrays, min(value.shape))]
    if len(signals) > 1 and len(named) == 1:  # as many rows as there are names of channels: the rest is no signal
        signals = {named[0]: signals[named[0]]}
    longest = max((max(value.shape) for value in signals.values()), default=0)
    times = {name: np.ravel(value) for name, value in arrays.items() if _is_time(name, value, longest)}
    shapes = ", ".join(f"{name} {value.shape}" for name, value in signals.items())[:160] or "no numeric array"
    lengths = {value.shape for value in signals.values()}
    if len(signals) == 1 and next(iter(signals.values())).ndim == 2:
        ((key, signal),) = signals.items()
        signal = signal if signal.shape[0] <= signal.shape[1] else signal.T
        names = _texts(arrays, _NAMES, len(signal)) or tuple(f"{key} {i}" for i in range(len(signal)))
        units = _texts(arrays, _UNITS, len(signal)) or ("",) * len(signal)
    elif len(lengths) == 1 and len(next(iter(lengths))) == 1:
        signal = np.stack(list(signals.values()))
        names = _texts(arrays, _NAMES, len(signal)) or tuple(signals)
        own = tuple(next(iter(_texts(arrays, (f"{name}_units", f"{name}_unit"))), "") for name in signals)
        units = _texts(arrays, _UNITS, len(signal)) or own
    else:
        wanted = "one array (channels, samples), or arrays (samples,) of one length"
        raise RecordError(str(path), "signal", shapes, wanted, "save one recording a file")
    for field, texts in (("channels", names), ("units", units)):
        if len(texts) != len(signal):
            raise RecordError(str(path), field, f"{len(texts)} names", f"{len(signal)}, one a channel")
    rate, place = _rate(path, arrays, list(signals), times, fs)
    subject = next(iter(_texts(arrays, _SUBJECT)), "") or path.stem
    values = clock.spread(_physical(arrays, signal), place)
    return Record(path.stem, values, rate, names, tuple(map(plain_unit, units)), subject, source=path)


def flat(arrays: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Arrays of all levels by the name of the innermost; that of its structure where the name says nothing.

    Examples
    --------
    >>> sorted(flat({"ecg": {"data": np.zeros(3), "fs": np.array(1)}, "x": np.zeros(2)}))
    ['ecg', 'fs', 'x']
    """
    out: dict[str, NDArray[Any]] = {}
    for name, value in arrays.items():
        if isinstance(value, Mapping):
            for inner, array in flat(value).items():
                known = _plain(inner) in _PLAIN or inner in out
                out[name if known and name not in out else inner if inner not in out else f"{name}.{inner}"] = array
        else:
            out[name if name not in out else f"{name}.{name}"] = np.asarray(value)
    return out


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.rpartition(".")[2].lower())


def _is_known(name: str) -> bool:
    """Whether a name belongs to something else than samples: times, labels, peaks, facts."""
    plain = _plain(name)
    words = clock.words(name) - {""}
    about = plain in _RATE or plain in {*_NAMES, *_UNITS, *_SUBJECT} or name.endswith(("_fs", "_units", "_unit"))
    peaks = plain.endswith(("peaks", "peak", "onsets", "onset", "annotations", "labels", "beats", "idx", "indices"))
    return (
        about
        or peaks
        or bool(words & (clock.LABEL | clock.TIME - {"t"}))
        or name in {"t", "ts"}
        or name.startswith("__")
    )


def _is_signal(name: str, value: NDArray[Any]) -> bool:
    return not _is_known(name) and value.dtype.kind in "fiub" and value.size > 1


def _is_named(arrays: Arrays, n: int) -> bool:
    return n > 1 and len(_texts(arrays, _NAMES, n)) == n


def _physical(arrays: Arrays, signal: NDArray[Any]) -> NDArray[np.float32]:
    """Values as float32; whole numbers beside a scalar ``scale`` or ``gain`` are steps of it."""
    factors = {key: float(np.ravel(arrays[key])[0]) for key in ("scale", "gain") if _is_scalar(arrays.get(key))}
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if signal.dtype.kind in "iu" and factors:
            signal = signal * factors.get("scale", 1.0) / factors.get("gain", 1.0)
        return np.ascontiguousarray(signal, np.float32)


def _is_scalar(value: NDArray[Any] | None) -> bool:
    return value is not None and value.size == 1 and value.dtype.kind in "fiu"


def _is_time(name: str, value: NDArray[Any], n: int) -> bool:
    named = name in {"t", "ts"} or bool(clock.words(name) & clock.TIME)
    return named and value.dtype.kind in "fiu" and value.size == n > 1


def _rate(
    path: Path, arrays: Arrays, names: list[str], times: Mapping[str, NDArray[Any]], asked: float | None
) -> tuple[float, NDArray[np.int64] | None]:
    keys = [key for key in arrays if _plain(key) in _RATE or key in {f"{name}_fs" for name in names}]
    found = {key: _numbers(arrays[key]) for key in keys}
    found = {key: values for key, values in found.items() if values.size}
    rates = {float(value) for values in found.values() for value in values}
    if not rates and "isi" in arrays:  # AcqKnowledge: the interval between samples
        unit = next(iter(_texts(arrays, ("isiunits",))), "ms")
        step = float(np.ravel(arrays["isi"])[0]) * clock.TO_SECONDS.get(unit, 1e-3)
        rates, found = ({1 / step} if step > 0 else set()), {"isi": np.ravel(arrays["isi"])}
    got = ", ".join(f"{key} {values.tolist()}" for key, values in found.items())[:160] or "none"
    if len(rates) > 1:
        raise RecordError(str(path), "fs", got, "one rate for all channels", "resample first, or save a file a rate")
    if rates and 0 < min(rates) < np.inf:
        return rates.pop(), None
    if not rates:
        first = None
        for name, values in times.items():
            seconds = clock.in_seconds(path, name, "", values.astype(np.float64), asked)
            try:
                return clock.lattice(path, seconds, field=name)
            except RecordError:
                if asked is None:
                    raise
                first = first or (name, seconds)
        if asked is not None:
            return asked, uneven.places(path, first[1], asked, field=first[0]) if first else None
    state = "save a scalar fs in Hz, or state it: fs=250, --fs 250"
    hint = f"{state}; or keep the .hea beside it" if path.suffix == ".mat" else state
    raise RecordError(str(path), "fs", got, "a positive rate in Hz", hint)


def _numbers(value: NDArray[Any]) -> NDArray[Any]:
    """Numbers, also those written as text; none where it is neither."""
    if value.dtype.kind not in "fiuUS":
        return np.zeros(0)
    try:
        return np.ravel(value).astype(np.float64) if value.dtype.kind in "US" else np.ravel(value)
    except ValueError:
        return np.zeros(0)


def _texts(arrays: Arrays, keys: tuple[str, ...], n: int | None = None) -> tuple[str, ...]:
    for key in keys:
        for name, value in arrays.items():
            if name != key and _plain(name) != key:
                continue
            if value.dtype.kind not in "USOiu":
                continue
            # MATLAB cells hold each text in an array of its own
            cells = [np.ravel(cell)[0] if np.size(cell) else "" for cell in np.ravel(value)]
            texts = [cell.decode("latin-1") if isinstance(cell, bytes) else str(cell) for cell in cells]
            if value.dtype.kind in "iu" and key not in _SUBJECT:
                continue  # labels of samples, not names of channels
            if key in _UNITS and n is not None and len(texts) == 1:
                texts *= n
            if key == "labels" and len(texts) != n:
                continue
            return tuple(text.strip() for text in texts)
    return ()


def _labchart(path: Path, arrays: Arrays) -> Record:
    """Read a LabChart export: one row of samples, cut where ``datastart`` and ``dataend`` say, counted from 1."""
    data = np.ravel(arrays["data"])
    titles = _texts(arrays, ("titles",))
    keys = ("datastart", "dataend", "samplerate")
    # loadmat squeezes: one channel of several blocks looks like several channels, but for the titles
    bounds = [np.ravel(arrays[key]).astype(np.float64) for key in keys]
    blocks = len(bounds[0]) / max(len(titles), 1) if titles else 1
    if len({bound.shape for bound in bounds}) != 1 or blocks != 1:
        got = f"{[len(bound) for bound in bounds]} bounds of {len(titles)} channels"
        raise RecordError(str(path), "datastart", got, "one block of each channel", "export one block a file")
    start, end, rate = bounds
    some = start > 0  # a channel without samples says -1
    if not some.any():
        raise RecordError(str(path), "datastart", "no channel with samples", "one or more")
    sizes = set((end - start)[some].tolist())
    if len(sizes) != 1 or len(set(rate[some].tolist())) != 1 or not 0 < rate[some][0] < np.inf:
        raise RecordError(str(path), "samplerate", str(sorted(set(rate.tolist())))[:80], "one rate for all channels")
    if not (start[some].min() >= 1 and end[some].max() <= len(data) and min(sizes) >= 1):
        raise RecordError(str(path), "dataend", f"{end[some].max():g}", f"within the {len(data)} samples of data")
    rows = [data[int(a) - 1 : int(b)] for a, b in zip(start[some], end[some], strict=True)]
    titles = titles or tuple(f"channel {i + 1}" for i in range(len(start)))
    units = _texts(arrays, ("unittext",))
    map_ = np.ravel(arrays.get("unittextmap", np.zeros(0))).astype(int)
    of = [units[map_[i] - 1] if i < len(map_) and 0 < map_[i] <= len(units) else "" for i in range(len(start))]
    kept = [i for i in range(len(start)) if some[i]]
    signal = np.array(rows, np.float32)
    names, of_kept = tuple(titles[i] for i in kept), tuple(plain_unit(of[i]) for i in kept)
    return Record(path.stem, signal, float(rate[some][0]), names, of_kept, path.stem, source=path)
