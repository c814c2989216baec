"""Recordings made worse on purpose: noise at a stated ratio, leads lost or turned over, another rate, another gain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

import biotl.signal
from biotl.datasets.gaps import bridge
from biotl.datasets.manifest import Entry
from biotl.records import Record, read

Change = Callable[[Record], Record]
NSTDB = {"baseline wander": "bw", "electrode motion": "em", "muscle": "ma"}
"""Records of the MIT-BIH Noise Stress Test Database (Moody, Muldrow, Mark 1984), by what they hold."""
SNR_DB = (24, 12, 6, 0)
RATES_HZ = (500, 250, 125)
MAINS_HZ = 50.0
REACH_S = 0.05
UNCHANGED = "as recorded"


def unchanged(record: Record) -> Record:
    """Return the recording as it is."""
    return record


@dataclass(frozen=True)
class Changed(Entry):
    """A recording that is changed each time it is read; its reference stays what it was."""

    change: Change = unchanged

    @classmethod
    def of(cls, entry: Entry, change: Change) -> "Changed":
        """Return an entry with a change."""
        return cls(**{name: getattr(entry, name) for name in entry.__dataclass_fields__}, change=change)

    def read(self, annotators: Sequence[str] | None = None) -> list[Record]:
        """Read the files, and change them."""
        return [self.change(record) for record in super().read(annotators)]


def changes(noise: Path) -> dict[str, dict[str, Change]]:
    """Return what a stress test does to a recording: by kind, then by level from mild to strong, after `UNCHANGED`.

    Parameters
    ----------
    noise : Path
        Folder of the noise records ``bw``, ``em`` and ``ma``.

    Raises
    ------
    RecordError
        If one of them is not there.
    """
    found: dict[str, dict[str, Change]] = {}
    for kind, name in NSTDB.items():
        part = read(noise / name)
        found[kind] = {f"{db} dB": partial(with_noise, noise=part.signal, fs=part.fs, snr_db=db) for db in SNR_DB}
    found["mains hum"] = {f"{db} dB": partial(with_mains, snr_db=db) for db in SNR_DB}
    found["leads"] = {
        "swapped": partial(with_leads, order=(1, 0)),
        "first turned over": partial(with_leads, sign=(-1, 1)),
        "all turned over": partial(with_leads, sign=(-1, -1)),
        "first alone": partial(with_leads, order=(0,)),
        "second alone": partial(with_leads, order=(1,)),
    }
    found["rate"] = {f"{fs} Hz": partial(with_rate, fs=float(fs)) for fs in RATES_HZ}
    found["gain"] = {"halved": partial(with_gain, gain=0.5), "doubled": partial(with_gain, gain=2)}
    return {kind: {UNCHANGED: unchanged, **levels} for kind, levels in found.items()}


def with_noise(record: Record, *, noise: NDArray[np.float32], fs: float, snr_db: float) -> Record:
    """Add recorded noise to every lead, from the first sample to the last.

    The ratio is that of the noise stress test: signal power is an eighth of the squared peak-to-peak amplitude of the
    median QRS complex of the lead, noise power its variance (WFDB's ``nst``). Where the noise begins depends on the
    record's name alone.

    Parameters
    ----------
    record : Record
        ECG.
    noise : ndarray of float32, shape (channels, samples)
        In any unit; leads take its channels in turn, and it is repeated where it is too short.
    fs : float
        Rate of the noise in Hz.
    snr_db : float
        Signal to noise in dB.

    Examples
    --------
    >>> from biotl.records import ecg
    >>> clean = ecg(1, 3, duration_s=30.0)
    >>> noise = np.random.default_rng(0).normal(size=(1, 9000)).astype(np.float32)
    >>> bool(with_noise(clean, noise=noise, fs=300.0, snr_db=0).signal.std() > clean.signal.std())
    True
    """
    part = noise if fs == record.fs else np.asarray(biotl.signal.resample(noise, fs, record.fs), np.float32)
    n = record.signal.shape[1]
    at = (crc32(record.name.encode()) % part.shape[1] + np.arange(n)) % part.shape[1]
    return _added(record, np.stack([part[k % len(part), at] for k in range(len(record.signal))]), snr_db)


def with_mains(record: Record, *, snr_db: float) -> Record:
    """Add a hum of 50 Hz with a fifth of its third harmonic; the ratio is that of `with_noise`."""
    t = np.arange(record.signal.shape[1]) / record.fs
    third = 0.2 * np.sin(6 * np.pi * MAINS_HZ * t) if record.fs > 6 * MAINS_HZ else 0
    hum = np.sin(2 * np.pi * MAINS_HZ * t) + third
    return _added(record, np.tile(hum.astype(np.float32), (len(record.signal), 1)), snr_db)


def _added(record: Record, noise: NDArray[np.float32], snr_db: float) -> Record:
    whole = np.stack([bridge(lead) for lead in record.signal])
    reach = round(REACH_S * record.fs)
    peaks = biotl.signal.rpeaks(whole, record.fs)
    peaks = peaks[(peaks >= reach) & (peaks < whole.shape[1] - reach)]
    # without a beat nothing says how large the signal is, and nothing is added
    around = whole[:, peaks[:, None] + np.arange(-reach, reach + 1)] if len(peaks) else whole[:, :1, None] * 0
    power = np.median(np.ptp(around, axis=2), axis=1) ** 2 / 8
    apart = noise - noise.mean(axis=1, keepdims=True)
    gain = np.sqrt(power / 10 ** (snr_db / 10) / np.maximum(apart.var(axis=1), 1e-30))
    return replace(record, signal=(record.signal + gain[:, None] * apart).astype(np.float32))


def with_leads(record: Record, *, order: Sequence[int] = (), sign: Sequence[int] = ()) -> Record:
    """Return some of the first two leads in another order, or turned over; names stay where they were.

    A recording of one lead has no second to take: it stays as it is, or is turned over.
    """
    count = len(record.signal)
    if sign:
        turned = np.array([*sign, *([1] * count)][:count], np.float32)
        return replace(record, signal=record.signal * turned[:, None])
    if count < 2:
        return record
    if len(order) == 1:
        return record.select(record.channels[order[0]])
    rest = range(len(order), count)
    return replace(record, signal=record.signal[[*order, *rest]])


def with_rate(record: Record, *, fs: float) -> Record:
    """Return the recording as a recorder of another rate would have made it, with its marks where they were in time."""
    scale = fs / record.fs
    signal = np.asarray(biotl.signal.resample(np.stack([bridge(x) for x in record.signal]), record.fs, fs), np.float32)
    moved: Mapping[str, NDArray[np.int64]] = {
        name: np.rint(of.sample * scale).astype(np.int64) for name, of in record.annotations.items()
    }
    marks = {name: replace(of, sample=moved[name]) for name, of in record.annotations.items()}
    return replace(record, signal=signal, fs=fs, annotations=marks)


def beginning(record: Record, *, minutes: float) -> Record:
    """Return the first minutes of a recording, with the marks in them."""
    samples = round(60 * minutes * record.fs)
    marks = {}
    for name, of in record.annotations.items():
        kept = of.sample < samples
        fields = {key: getattr(of, key)[kept] for key in ("sample", "symbol", "subtype", "channel", "number")}
        marks[name] = replace(of, aux=tuple(text for text, in_it in zip(of.aux, kept, strict=True) if in_it), **fields)
    return replace(record, signal=record.signal[:, :samples], annotations=marks)


def with_gain(record: Record, *, gain: float) -> Record:
    """Return the recording with another gain."""
    return replace(record, signal=(record.signal * np.float32(gain)).astype(np.float32))
