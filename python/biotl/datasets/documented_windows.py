"""The windows of `documents/mitbih_transfer_learning.md` to the unit: to repeat its numbers, and not to learn by.

What is wrong with them is kept, since the numbers depend on it: the quality reads millivolts off a signal in standard
deviations, so that it keeps symmetric windows with low R waves and throws out eleven whole records; ventricular flutter
is normal; the first channel is taken whatever lead it is. `biotl.datasets.WindowPreprocessor` is the way that is meant.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records import read
from biotl.records.atomic import write_bytes, write_text

FS, LENGTH, LEAST = 250, 2500, 0.7
ABNORMAL = ("V", "A", "/", "F", "f", "E", "J", "S", "a", "e", "j")
SHARES = {"train": 33, "validation": 7, "test": 8}
"""Records of each part, of the 48."""


@dataclass(frozen=True)
class DocumentedWindows:
    """Windows of one record: `signal` float32 (n, 2500) in standard deviations of the record, and what is said of each.

    ``label`` int64 (n,) is 1 where an abnormal beat lies; ``confidence`` float32 (n,) is the share of such beats among
    all annotations; ``quality`` float64 (n,) the documented score from 0 to 1.
    """

    name: str
    signal: NDArray[np.float32]
    label: NDArray[np.int64]
    confidence: NDArray[np.float32]
    quality: NDArray[np.float64]

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which windows pass the documented gate."""
        return self.quality >= LEAST


def documented_split(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return which records train, choose and test: the sorted names, shuffled as NumPy's seed 42 does it.

    Examples
    --------
    >>> names = documented_split([str(k) for k in range(48)])
    >>> [len(of) for of in names.values()]
    [33, 7, 8]
    """
    order = sorted(names)
    np.random.RandomState(42).shuffle(order)
    ends = np.cumsum(list(SHARES.values()))
    return {which: tuple(order[end - n : end]) for (which, n), end in zip(SHARES.items(), ends, strict=True)}


def documented_windows(path: Path) -> DocumentedWindows:
    """Cut a record of MIT-BIH into the documented windows, good and bad.

    Parameters
    ----------
    path : Path
        The record, with its annotations ``atr`` beside it.

    Returns
    -------
    DocumentedWindows
        All windows; ``kept`` says which ones pass the gate.
    """
    from scipy import signal as sp

    record = read(path)
    x = np.asarray(record.signal[0], np.float64)
    x = sp.resample(x, int(len(x) * FS / record.fs))
    chain = (sp.butter(4, 0.5, "high", fs=FS), sp.butter(4, 40, "low", fs=FS), sp.iirnotch(60, 30, fs=FS))
    for b, a in chain:
        x = sp.filtfilt(b, a, x)
    x = (x - x.mean()) / x.std()
    n = len(x) // LENGTH
    signal = x[: n * LENGTH].reshape(n, LENGTH)
    marks = record.annotations["atr"]
    at = np.floor(marks.sample * (FS / record.fs)).astype(np.int64) // LENGTH
    inside = (at >= 0) & (at < n)
    every = np.bincount(at[inside], minlength=n)
    bad = np.bincount(at[inside & np.isin(marks.symbol, ABNORMAL)], minlength=n)
    confidence = (bad / np.maximum(every, 1)).astype(np.float32)
    return DocumentedWindows(
        record.name, signal.astype(np.float32), (bad > 0).astype(np.int64), confidence, sqi(signal)
    )


def write_documented(root: Path | str, folder: Path | str) -> dict[str, dict[str, Any]]:
    """Write the documented windows of MIT-BIH as ``train_ecg.npz``, ``val_ecg.npz`` and ``test_ecg.npz``.

    The adapter ``windows`` lists them, and ``dataset_stats.json`` beside them says how many there are.

    Parameters
    ----------
    root : Path or str
        The database: all 48 records, with their annotations.
    folder : Path or str
        Where the files go.

    Returns
    -------
    dict of str to dict
        For ``train``, ``val`` and ``test`` the count of windows, of normal and of abnormal ones, of records that have
        any, and the mean quality.

    Raises
    ------
    RecordError
        If the folder does not hold the 48 records.
    """
    names = [path.stem for path in Path(root).glob("*.hea")]
    if len(names) != sum(SHARES.values()):
        raise RecordError(str(root), "records", str(len(names)), "the 48 of the MIT-BIH Arrhythmia Database")
    made, stats = Path(folder), {}
    made.mkdir(parents=True, exist_ok=True)
    for which, ids in documented_split(names).items():
        found = [documented_windows(Path(root) / name) for name in ids]
        kept = {key: np.concatenate([getattr(of, key)[of.kept] for of in found]) for key in _KEYS}
        who = np.array([of.name for of in found for _ in range(int(of.kept.sum()))])
        side = "val" if which == "validation" else which
        held = io.BytesIO()
        named: dict[str, Any] = {theirs: kept[ours] for ours, theirs in _KEYS.items()}
        np.savez(held, **named, patient_ids=who, fs=np.float64(FS), channels=np.array(["ECG"]))
        write_bytes(made / f"{side}_ecg.npz", held.getvalue())
        n, bad = len(who), int(kept["label"].sum())
        quality = float(kept["quality"].mean())
        stats[side] = {
            "windows": n,
            "normal": n - bad,
            "arrhythmia": bad,
            "records": len({*who.tolist()}),
            "sqi": quality,
        }
    write_text(made / "dataset_stats.json", json.dumps(stats, indent=1))
    return stats


_KEYS = {"signal": "signals", "label": "labels", "confidence": "segment_confidence", "quality": "sqi_scores"}
"""What is written of each window, and under which documented name."""


def sqi(signal: NDArray[Any]) -> NDArray[np.float64]:
    """Return the documented quality of windows, shape (n, samples), at 250 Hz: from 0 to 1, float64 (n,)."""
    from scipy import signal as sp
    from scipy import stats

    hz, power = sp.welch(signal, FS, nperseg=500)
    wanted, noise = power[:, (hz >= 5) & (hz <= 30)].sum(1), power[:, hz > 40].sum(1)
    decibel = 10 * np.log10(wanted / (noise + 1e-8) + 1e-300)
    return np.asarray(
        0.2 * (np.abs(stats.skew(signal, axis=1)) < 0.8)
        + 0.2 * np.clip(stats.kurtosis(signal, axis=1) / 5, 0, 1)
        + 0.3 * np.clip(decibel / 20, 0, 1)
        + 0.15 * (signal.std(1) > 0.05)
        + 0.15 * (np.abs(signal).max(1) < 4.5)
    )
