"""Synthetic pulses beside their ECG and an accelerometer: which stretches a movement spoils is known."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np

from biotl.parallel import in_threads
from biotl.recipes import synthetic
from biotl.records import Record
from biotl.records.atomic import write_text
from biotl.records.pulse import pulses as synthesise
from biotl.records.write import write_wfdb

FS = 125.0
STRETCH_S = 10.0
STRETCHES = 6


def pulses(folder: Path, seed: int) -> None:
    """Write a minute of PPG, ECG and acceleration a subject; every 10 s have ``quality`` and ``heart_rate``.

    In half of the stretches the wearer moves: the cadence is in the accelerometer, and leaks into the PPG, which is
    then ``poor``, or a ``label`` of 0. Interrupted, it goes on: the manifest comes last.
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
    moves = np.flatnonzero(np.random.default_rng([seed, subject, 1]).random(STRETCHES) < 0.5).tolist()
    spans = tuple((k * STRETCH_S, (k + 1) * STRETCH_S) for k in moves)
    made = synthesise(seed, subject, duration_s=STRETCHES * STRETCH_S, fs=FS, moves_s=spans).record
    peaks, rows = made.annotations["atr"].sample, []
    for k in range(STRETCHES):
        start, stop = round(k * STRETCH_S * FS), round((k + 1) * STRETCH_S * FS)
        own = peaks[(peaks >= start) & (peaks < stop)]
        rate = f"{60 * (len(own) - 1) * FS / (own[-1] - own[0]):.2f}" if len(own) > 2 else ""
        span = {"start_s": f"{k * STRETCH_S:g}", "stop_s": f"{(k + 1) * STRETCH_S:g}"}
        word = "poor" if k in moves else "good"
        rows.append({**span, "quality": word, "label": str(int(word == "good")), "heart_rate": rate})
    return replace(made, annotations={}), rows
