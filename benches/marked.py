"""Recordings with marked waves: LUDB, QTDB and, for the presence of P alone, MIT-BIH; from `BIOTL_DATA`."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import wfdb

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))
DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split()  # noqa: SIM905
DS2 = "100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234".split()  # noqa: SIM905
PACED = ("102", "104", "107", "217")
QTDB_TRAIN = ("sel102", "sel104", "sel114", "sel116", "sel223", "sel230")
QTDB_TEST = ("sel100", "sel103", "sel117", "sel123", "sel213", "sel221", "sel231", "sel232", "sel233")
BEATS = set("NLRBAaJSVrFejnE/fQ?")
WAVES = "pNt"


@dataclass(frozen=True)
class Strip:
    """A lead, its rate, and for each marked beat (3, 3) samples of P, QRS and T (NaN unmarked) and their presence.

    Presence is 1 or 0, NaN where nobody can know: beats at the edge of what is marked.
    """

    x: np.ndarray
    fs: float
    points: np.ndarray
    present: np.ndarray
    subject: int = -1
    name: str = ""


def marked(samples, symbols):
    """Return, for each marked QRS complex, (3, 3) samples of P, QRS and T (NaN unmarked) and their presence."""
    waves = []
    for i, symbol in enumerate(symbols):
        if symbol in WAVES:
            on = samples[i - 1] if i and symbols[i - 1] == "(" else np.nan
            off = samples[i + 1] if i + 1 < len(symbols) and symbols[i + 1] == ")" else np.nan
            waves.append((symbol, [on, samples[i], off]))
    complexes = [i for i, (symbol, _) in enumerate(waves) if symbol == "N"]
    every, presence = np.full((len(complexes), 3, 3), np.nan), np.full((len(complexes), 3), np.nan)
    for n, i in enumerate(complexes):
        points, present = every[n], presence[n]
        points[1], present[1] = waves[i][1], 1
        before = waves[complexes[n - 1] + 1 if n else 0 : i]
        after = waves[i + 1 : complexes[n + 1] if n + 1 < len(complexes) else None]
        for row, near, inside in ((0, before[::-1], n > 0), (2, after, n + 1 < len(complexes))):
            found = [w for symbol, w in near if symbol == WAVES[row]]
            if found:
                points[row], present[row] = found[0], 1
            elif inside:
                present[row] = 0
    return every, presence


def ludb(first, last):
    """Yield, for every record, its leads, each with its own marks."""
    for number in range(first, last + 1):
        path = str(DATA / "ludb" / "data" / str(number))
        record = wfdb.rdrecord(path)
        leads = []
        for name, x in zip(record.sig_name, record.p_signal.T, strict=True):
            marks = wfdb.rdann(path, name.lower())
            points, present = marked(marks.sample, marks.symbol)
            if len(points) > 2:
                x = np.ascontiguousarray(x)
                leads.append(Strip(x, float(record.fs), points, present, number, f"{number} {name}"))
        yield leads


def qtdb(names):
    """Yield, for every record, its two leads with the marks of one cardiologist, made on both together.

    A P or T wave that is not marked is not known to be absent.
    """
    for n, name in enumerate(names):
        record = wfdb.rdrecord(str(DATA / "qtdb" / name))
        marks = wfdb.rdann(str(DATA / "qtdb" / name), "q1c")
        points, present = marked(marks.sample, marks.symbol)
        present[present == 0] = np.nan
        if len(points):
            fs, leads = float(record.fs), record.p_signal.T
            yield [Strip(np.ascontiguousarray(x), fs, points, present, 1000 + n, name) for x in leads]


def mitdb(names):
    """Yield lead, rate, beats, whether each has a P wave (NaN unknown) and whether it is ventricular.

    Sinus beats have one; ventricular and paced beats and beats in fibrillation or flutter have none.
    """
    for name in names:
        record = wfdb.rdrecord(str(DATA / "mitdb" / name))
        marks = wfdb.rdann(str(DATA / "mitdb" / name), "atr")
        symbols, rhythm, rhythms = np.array(marks.symbol), "", []
        for symbol, note in zip(symbols, marks.aux_note, strict=True):
            rhythm = note.rstrip("\0") if symbol == "+" else rhythm
            rhythms.append(rhythm)
        beats = np.array([s in BEATS for s in symbols])
        rhythms, symbols = np.array(rhythms)[beats], symbols[beats]
        present = np.full(len(symbols), np.nan)
        present[(symbols == "N") & (rhythms == "(N")] = 1
        fluttering = np.isin(rhythms, ["(AFIB", "(AFL"]) & np.isin(symbols, ["N", "V", "L", "R"])
        present[fluttering | np.isin(symbols, ["V", "/"])] = 0
        for lead in record.p_signal.T:
            yield np.ascontiguousarray(lead), float(record.fs), marks.sample[beats], present, symbols == "V"
