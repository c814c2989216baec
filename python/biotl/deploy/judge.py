"""Whether a signal is what the model was made for, and where it is too poor to answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets import gaps
from biotl.datasets.channels import Found, convert_unit
from biotl.datasets.spec import Channel
from biotl.errors import RecordError, SignalError
from biotl.records import Record
from biotl.signal import quality

WINDOW_S = 10.0
CHUNK = 30  # windows between two looks at whether to stop
PLAUSIBLE_MV = 1e3  # no electrode gives a volt: the unit is wrong
# what 2 s of an ECG span, a QRS among them, and how fast people run and ride: in all of 1,590 leads of 15 databases and
# of 29 workouts the upper tenth is at least 0.28 mV and 4.8 km/h, the lower at most 5.1 mV and 22 km/h
SPAN_S, SIZES = 2.0, {"mV": (0.05, 20.0), "km/h": (1.0, 150.0)}
SPIKE = 1e4  # times the 99th percentile: no sensor has that range
# windows of MIT-BIH DS1 lie below this score in 0.5 % of cases, most of them flutter and electrode noise of record 207
LEAST_SCORE = 0.1
# median share of the power from 1 to 25 Hz that lies above 8 Hz: at least 0.073 in 137 leads of MIT-BIH DS1, BIDMC and
# CapnoBase, at most 0.023 in 42 of their pulse waves
SHARP_HZ, BAND_HZ, LEAST_SHARP = 8.0, (1.0, 25.0), 0.04
ENOUGH = 1_000_000  # samples that a recording is judged by as a whole
LEAST_FS = {"ecg": 50.0, "ppg": 20.0}
BESIDE_BEAT_S = 0.3
_LEADS = {"i", "ii", "iii", "mlii", "ecg", "v1", "v2", "v5", "ecgii"}
_PULSE = ("ppg", "pleth", "bvp")


@dataclass(frozen=True)
class Judged:
    """Quality of the signal at each unit, why not to answer there, and what a reader must know."""

    quality: NDArray[np.float32]
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()


def kind_of(channel: Channel) -> str:
    """Say whether a channel is an ``ecg``, a ``ppg`` or something that is not judged, by its name."""
    name = channel.name.casefold().replace("_", "").replace(" ", "")
    if name.startswith(_PULSE):
        return "ppg"
    return "ecg" if channel.normalizer == "qrs" or name in _LEADS or name.startswith("ecg") else ""


def clean(found: Found, channel: Channel) -> tuple[Found, str]:
    """Take samples that no sensor gives for missing, and say so.

    Raises
    ------
    RecordError
        If a voltage is beyond a volt throughout: its unit is wrong.
    """
    x, where = found.x, str(found.record.source or found.record.name)
    known = np.isfinite(x)
    # of a day's recording some samples tell as much as all, and Ctrl-C does not wait for their sorting
    some = x[known][:: max(1, len(x) // ENOUGH)].astype(np.float64)
    middle = float(np.median(some)) if len(some) else 0.0
    away = np.abs(x.astype(np.float64) - middle)
    usual = float(np.quantile(np.abs(some - middle), 0.99)) if len(some) else 0.0
    wild = known & (away > max(SPIKE * usual, 0.0)) & (usual > 0)
    largest = float(np.abs(x[known & ~wild]).max(initial=0))
    if channel.unit == "mV" and largest > PLAUSIBLE_MV:
        got, hint = f"values up to {largest:.3g} mV", "state the unit that it is in"
        raise RecordError(where, f"unit of {found.lead}", got, f"at most {PLAUSIBLE_MV:g} mV", hint)
    if not wild.any():
        return found, ""
    first = int(np.flatnonzero(wild)[0])
    what = f"{x[first]:.3g} at {first / found.record.fs:.2f} s"
    note = f"{found.lead}: {int(wild.sum())} samples that no sensor gives are taken as missing ({what})"
    return replace(found, x=np.where(wild, np.float32(np.nan), x)), note


def mended(records: Sequence[Record], found: Sequence[Found], *, bridge: bool) -> list[Record]:
    """Return the records with the channels that were found as `clean` left them, gaps bridged by straight lines."""
    out = []
    for record in records:
        signal = record.signal
        for one in found:
            if one.record is not record:
                continue
            signal = signal.copy() if signal is record.signal else signal
            index = record.channels.index(one.lead)
            gone = ~np.isfinite(one.x)
            raw = np.where(gone, np.float32(np.nan), record.signal[index])
            signal[index] = gaps.bridge(raw) if bridge else raw
        out.append(record if signal is record.signal else replace(record, signal=signal))
    return out


def judge(
    found: Found,
    kind: str,
    span: NDArray[np.int64],
    fs: float,
    *,
    unit: str,
    missing: float,
    stop: Callable[[], None] = lambda: None,
) -> Judged:
    """Judge one channel at each unit.

    Parameters
    ----------
    found : Found
        The channel, NaN where a sample is missing.
    kind : str
        As of `kind_of`.
    span : ndarray of int64, shape (n, 2)
        Samples of each unit at ``fs``.
    fs : float
        Rate of ``span`` in Hz.
    unit : str
        ``beat``, ``window`` or ``step``.
    missing : float
        Share of a unit that may be missing.
    stop : callable
        Asked now and then: it raises to end the work.
    """
    lead, x, own = found.lead, found.x, found.record.fs
    start, end = (np.clip(np.rint(column * (own / fs)).astype(np.int64), 0, len(x)) for column in span.T)
    n, beside = len(span), round(BESIDE_BEAT_S * own) if unit == "beat" else 0
    gone = np.concatenate([[0], np.cumsum(~np.isfinite(x))])
    a, b = np.maximum(start - beside, 0), np.minimum(np.maximum(end, start + 1) + beside, len(x))
    reasons = np.where((gone[b] - gone[a]) / np.maximum(b - a, 1) > missing, f"{lead}: missing", "").astype(object)
    score = np.full(n, np.nan, np.float32)
    notes = missing_note(found)
    if found.flat:
        return Judged(np.zeros(n, np.float32), (f"{lead}: flat",) * n, notes)
    if kind and own < LEAST_FS[kind]:
        why = f"{lead}: {own:g} Hz, wanted at least {LEAST_FS[kind]:g} Hz"
        return Judged(score, (why,) * n, notes)
    if not kind or len(x) < 4 * own:
        return Judged(score, tuple(reasons), notes)
    if kind == "ecg" and (sharp := sharpness(x, own)) < LEAST_SHARP:
        why = f"{lead}: no ECG: {100 * sharp:.1f} % of its power is above {SHARP_HZ:g} Hz, an ECG has 7 % or more"
        return Judged(score, (why,) * n, notes)
    scores, flat, words = _windows(x, own, kind, stop)
    at = np.minimum(((start + end) // 2 / (WINDOW_S * own)).astype(np.int64), len(scores) - 1)
    # flutter looks like noise: a window that may be one is answered, beats in it cannot be told
    poor = scores < LEAST_SCORE if kind == "ecg" and unit == "beat" else np.zeros(len(scores), bool)
    said = [f"{lead}: {', '.join(w) or 'poor signal'}" for w in words]
    here = np.where(flat > 0.5, f"{lead}: flat", np.where(poor, said, "")).astype(object)[at]
    return Judged(scores[at], tuple(np.where(reasons == "", here, reasons)), notes)


def size_note(found: Found, channel: Channel) -> tuple[str, ...]:
    """Return that an ECG, or a speed, is nearly throughout far smaller or larger than people's; nothing without a unit.

    Examples
    --------
    >>> record = Record("a", np.full((1, 9), 12e3, np.float32), 1.0, ("speed",), ("km/h",), "a")
    >>> size_note(Found("speed", record.signal[0], record, flat=False), Channel(name="speed", unit="km/h"))
    ('speed: about 10000 km/h, those of people 1 to 150 km/h: is the gain or the unit right? --units states another',)
    """
    record, x = found.record, found.record.signal[found.record.channels.index(found.lead)]
    unit = "mV" if kind_of(channel) == "ecg" else channel.unit
    if unit not in SIZES:
        return ()
    if unit == "mV":
        size = max(1, min(round(SPAN_S * record.fs), len(x)))
        frames = x[: len(x) // size * size].reshape(-1, size)
        x = np.ptp(frames[:: max(1, frames.size // ENOUGH)].astype(np.float64), axis=1)
    try:
        x = convert_unit(np.abs(x[np.isfinite(x) & (x != 0)]), record.units[record.channels.index(found.lead)], unit)
    except SignalError:
        return ()
    (least, most), what = SIZES[unit], f"{SPAN_S:g} s span " * (unit == "mV")
    low, middle, high = np.quantile(x, (0.1, 0.5, 0.9)) if len(x) else (most, most, most)
    if high >= least and low <= most:
        return ()
    usual, hint = f"{least:g} to {most:g} {unit}", "is the gain or the unit right? --units states another"
    return (f"{found.lead}: {what}about {float(f'{middle:.1g}'):g} {unit}, those of people {usual}: {hint}",)


def missing_note(found: Found) -> tuple[str, ...]:
    """Return how many samples of a channel are missing, where any is."""
    gone = int((~np.isfinite(found.x)).sum())
    return (f"{found.lead}: {gone} of {len(found.x)} samples are missing",) if gone else ()


def _windows(
    x: NDArray[np.float32], fs: float, kind: Any, stop: Callable[[], None]
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[tuple[str, ...]]]:
    """Return score, flat share and reasons of each window of 10 s, or of the whole if it is shorter."""
    window_s = min(WINDOW_S, len(x) / fs)
    size = CHUNK * round(window_s * fs)
    found = []
    for first in range(0, max(1, len(x) - round(window_s * fs) // 2), size):
        stop()
        found.append(quality(x[first : first + size], fs, kind=kind, window_s=window_s))
    score, flat = (np.concatenate([getattr(q, name) for q in found]) for name in ("score", "flat"))
    return score, flat, [why for q in found for why in q.reasons]


def sharpness(x: NDArray[np.float32], fs: float) -> float:
    """Return the median share of the power from 1 to 25 Hz that lies above 8 Hz, over windows of 10 s that are whole.

    Examples
    --------
    >>> bool(sharpness(np.sin(np.arange(5000) * 0.05).astype(np.float32), 125.0) < 0.01)
    True
    """
    size = round(min(WINDOW_S, len(x) / fs) * fs)
    frames = x[: len(x) // size * size].reshape(-1, size)
    frames = frames[:: max(1, frames.size // ENOUGH)].astype(np.float64)
    frames = frames[np.isfinite(frames).all(axis=1) & (np.ptp(frames, axis=1) > 0)]
    if not len(frames):
        return 1.0
    power = np.square(np.abs(np.fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * np.hanning(size), axis=1)))
    f = np.fft.rfftfreq(size, 1 / fs)
    whole = power[:, (f >= BAND_HZ[0]) & (f <= BAND_HZ[1])].sum(axis=1)
    above = power[:, (f >= SHARP_HZ) & (f <= BAND_HZ[1])].sum(axis=1)
    return float(np.median(above / np.maximum(whole, 1e-300)))
