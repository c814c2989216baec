"""Write recordings as a user would bring them; they stand for your own, and their truth is known.

python examples/make_recordings.py beats FOLDER      WFDB records with annotations of their own extension, .man
python examples/make_recordings.py classes FOLDER    a CSV file for each recording, and a class for each file
python examples/make_recordings.py values FOLDER     a CSV file for each recording, and a number for each file
"""

import csv
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from biotl.records import Record, ecg
from biotl.records.write import write_wfdb

SPLIT = ["train"] * 12 + ["validation"] * 4 + ["test"] * 4
HELD = range(len(SPLIT), len(SPLIT) + 3)
"""Subjects who are in no split: what `biotl evaluate` is asked about afterwards."""


def beats(folder: Path, subject: int) -> dict[str, str]:
    """Write a WFDB record whose beats are annotated in a file of an extension of one's own."""
    record = ecg(0, subject, duration_s=60.0)
    record = replace(record, annotations={"man": record.annotations["atr"]})
    write_wfdb(record, folder)
    return {"file": record.name}


def classes(folder: Path, subject: int) -> dict[str, str]:
    """Write a CSV file; its class is how the ventricles are conducted to."""
    record = table(folder, subject)
    symbol, _ = Counter(record.annotations["atr"].symbol.tolist()).most_common(1)[0]
    return {"file": f"{record.name}.csv", "conduction": {"L": "block", "R": "block"}.get(symbol, "normal")}


def values(folder: Path, subject: int) -> dict[str, str]:
    """Write a CSV file; its number is the heart rate."""
    record = table(folder, subject)
    peaks = record.annotations["atr"].sample
    return {"file": f"{record.name}.csv", "heart_rate": f"{60 * (len(peaks) - 1) * record.fs / np.ptp(peaks):.1f}"}


def table(folder: Path, subject: int) -> Record:
    """Write one lead as a table with a column of times."""
    record = ecg(0, subject, duration_s=60.0, fs=125.0)
    time_s = np.arange(record.signal.shape[1]) / record.fs
    rows = np.stack([time_s, record.signal[0]], axis=1)
    folder.mkdir(parents=True, exist_ok=True)
    np.savetxt(folder / f"{record.name}.csv", rows, fmt="%.4f", delimiter=",", header="time (s),ECG (mV)", comments="")
    return record


def main(kind: str, folder: Path) -> None:
    """Write the recordings, a manifest of those to learn from, and one of those to evaluate on afterwards."""
    write = {"beats": beats, "classes": classes, "values": values}[kind]
    for name, subjects in (("manifest", range(len(SPLIT))), ("held", HELD)):
        rows = []
        for subject in subjects:
            split = SPLIT[subject] if subject < len(SPLIT) else ""
            rows.append({"id": f"r{subject}", "subject": f"p{subject}", "split": split, **write(folder, subject)})
        with (folder / f"{name}.csv").open("w", newline="") as file:
            manifest = csv.DictWriter(file, rows[0])
            manifest.writeheader()
            manifest.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
