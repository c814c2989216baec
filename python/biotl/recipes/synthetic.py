"""Synthetic recordings with a manifest, for a demo of each recipe: no data, no network, and the truth is known."""

import csv
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from biotl.parallel import in_threads
from biotl.recipes.exercise import workout
from biotl.records import Record, ecg
from biotl.records.atomic import write_text
from biotl.records.write import write_wfdb

SUBJECTS = {"train": 40, "validation": 10, "test": 14}
"""Enough that a model learns something and a subject bootstrap has subjects to draw, few enough for minutes."""
CONDUCTION = {"L": "left block", "R": "right block"}


def beats(folder: Path, seed: int) -> None:
    """Write three minutes of two-lead ECG a subject; every beat is annotated."""
    _ecg(folder, seed, 180.0, 360.0, lambda _: {})


def rhythms(folder: Path, seed: int) -> None:
    """Write a minute of two-lead ECG a subject, with how ventricles are conducted to, and 1 for a block."""

    def label(record: Record) -> dict[str, str]:
        symbol, _ = Counter(record.annotations["atr"].symbol.tolist()).most_common(1)[0]
        return {"conduction": CONDUCTION.get(symbol, "normal"), "label": str(int(symbol in CONDUCTION))}

    _ecg(folder, seed, 60.0, 250.0, label)


def rates(folder: Path, seed: int) -> None:
    """Write a minute of two-lead ECG a subject, with the heart rate in bpm."""

    def label(record: Record) -> dict[str, str]:
        peaks = record.annotations["atr"].sample
        return {"heart_rate": f"{60 * (len(peaks) - 1) * record.fs / (peaks[-1] - peaks[0]):.2f}"}

    _ecg(folder, seed, 60.0, 250.0, label)


def workouts(folder: Path, seed: int) -> None:
    """Write forty simulated minutes of running, riding or walking a subject, see `biotl.recipes.exercise`."""
    _write(folder, lambda subject: workout(seed, subject), lambda _: {})


def _ecg(folder: Path, seed: int, duration_s: float, fs: float, label: Callable[[Record], dict[str, str]]) -> None:
    _write(folder, lambda subject: ecg(seed, subject, duration_s=duration_s, fs=fs), label)


def _write(folder: Path, make: Callable[[int], Record], label: Callable[[Record], dict[str, str]]) -> None:
    """Write what is not there yet, the manifest last: interrupted, it goes on."""
    places = [name for name, n in SUBJECTS.items() for _ in range(n)]

    def one(subject: int) -> dict[str, str]:
        record = make(subject)
        if not (folder / "recordings" / f"{record.name}.hea").is_file():  # the header is written last
            write_wfdb(record, folder / "recordings")
        row = {"id": record.name, "file": f"recordings/{record.name}", "subject": record.subject}
        return {**row, "split": places[subject], **label(record)}

    rows = list(in_threads(one, range(len(places))))
    text = io.StringIO()
    table = csv.DictWriter(text, rows[0], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(folder / "manifest.csv", text.getvalue())
