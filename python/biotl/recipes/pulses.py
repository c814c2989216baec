"""Synthetic pulses beside their ECG and an accelerometer: which stretches a movement spoils is known."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biotl.parallel import in_threads
from biotl.recipes import synthetic
from biotl.records import Record, ecg
from biotl.records.atomic import write_text
from biotl.records.write import write_wfdb

FS = 125.0
STRETCH_S = 10.0
STRETCHES = 6
CHANNELS = ("PPG", "ECG", "ACC_X", "ACC_Y", "ACC_Z")


def pulses(folder: Path, seed: int) -> None:
    """Write a minute of PPG, ECG and acceleration a subject; every 10 s are labelled ``quality`` and ``heart_rate``.

    In half of the stretches the wearer moves: the cadence is in the accelerometer, and leaks into the PPG, which is
    then ``poor``. Interrupted, it goes on: the manifest comes last.
    """
    places = [name for name, n in synthetic.SUBJECTS.items() for _ in range(n)]

    def one(subject: int) -> list[dict[str, str]]:
        record, rows = recording(seed, subject)
        if not (folder / "recordings" / f"{record.name}.hea").is_file():
            write_wfdb(record, folder / "recordings")
        about = {"id": record.name, "file": f"recordings/{record.name}", "subject": record.subject}
        return [{**about, "split": places[subject], **row} for row in rows]

    rows = [row for of in in_threads(one, range(len(places))) for row in of]
    text = io.StringIO()
    table = csv.DictWriter(text, rows[0], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(folder / "manifest.csv", text.getvalue())


def recording(seed: int, subject: int) -> tuple[Record, list[dict[str, str]]]:
    """Return one subject's recording, and one row of labels for each stretch."""
    heart = ecg(seed, subject, duration_s=STRETCHES * STRETCH_S, fs=FS)
    rng = np.random.default_rng([seed, subject, 1])
    peaks, n = heart.annotations["atr"].sample, heart.signal.shape[1]
    t = np.arange(n) / FS
    ppg = _pulse_wave(peaks / FS, t, rng) + 0.1 * np.sin(2 * np.pi * 0.25 * t + rng.uniform(0, 6))
    ppg += 0.02 * rng.standard_normal(n)
    motion = 0.02 * rng.standard_normal((3, n))
    rows = []
    for k in range(STRETCHES):
        start, stop = round(k * STRETCH_S * FS), round((k + 1) * STRETCH_S * FS)
        moves = bool(rng.random() < 0.5)
        if moves:
            shaken = _cadence(t[start:stop], rng)
            motion[:, start:stop] += rng.uniform(0.2, 0.6, (3, 1)) * shaken
            ppg[start:stop] += rng.uniform(1.0, 2.0) * np.roll(shaken, rng.integers(1, 10))
        own = peaks[(peaks >= start) & (peaks < stop)]
        rate = f"{60 * (len(own) - 1) * FS / (own[-1] - own[0]):.2f}" if len(own) > 2 else ""
        span = {"start_s": f"{k * STRETCH_S:g}", "stop_s": f"{(k + 1) * STRETCH_S:g}"}
        rows.append({**span, "quality": "poor" if moves else "good", "heart_rate": rate})
    signal = np.concatenate([ppg[None], heart.signal[:1], motion]).astype(np.float32)
    units = ("NU", "mV", "g", "g", "g")
    return replace(heart, signal=signal, channels=CHANNELS, units=units, annotations={}), rows


def _pulse_wave(beat_s: NDArray[np.float64], t: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a pulse after each beat: a wave and the dicrotic one behind it, smaller after a short interval."""
    transit, width, second = rng.uniform(0.18, 0.3), rng.uniform(0.08, 0.12), rng.uniform(0.15, 0.45)
    rr = np.diff(beat_s, prepend=beat_s[:1] - 0.8)
    wave = np.zeros_like(t)
    for at, before in zip(beat_s + transit, rr, strict=True):
        near = slice(*np.searchsorted(t, [at - 0.4, at + 0.9]))
        x = t[near] - at
        shape = np.exp(-0.5 * (x / width) ** 2) + second * np.exp(-0.5 * ((x - 0.26) / (1.3 * width)) ** 2)
        wave[near] += min(1.2, before / 0.8) * shape
    return wave


def _cadence(t: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return what steps do to an accelerometer: a rhythm with two overtones that drifts."""
    phase = 2 * np.pi * np.cumsum(rng.uniform(1.2, 2.6) + 0.05 * np.sin(t)) / FS
    return np.asarray(sum(a * np.sin((k + 1) * phase + rng.uniform(0, 6)) for k, a in enumerate((1.0, 0.5, 0.25))))
