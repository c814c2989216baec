"""Measure R-peak detectors on other leads, databases, rates, scales and rhythms than those of MIT-BIH's first leads.

    OMP_NUM_THREADS=1 python benches/hearts.py [biotl sleepecg xqrs ...]

F1 at 150 and 50 ms, in percent; of MIT-BIH five minutes a record of DS1. LUDB 71-100 and all rhythms of DS2 are unknown
to biotl; it learnt from DS1 (without 201) and LUDB 1-70.
"""

import sys
import warnings

import numpy as np
import wfdb
from rpeaks import BEATS, DATA, DS1, FS, PACED, f1, load, peers, score
from scipy.signal import resample_poly

SPAN = slice(108_000, 216_000)


def part(name, lead=0):
    """Return five minutes of a lead, its beats and flutter."""
    x, marks, flutter = load(name, lead)
    inside = marks[(marks >= SPAN.start) & (marks < SPAN.stop)] - SPAN.start
    return x[SPAN], FS, inside, [(a - SPAN.start, b - SPAN.start) for a, b in flutter]


def ludb(numbers):
    """Yield the twelve leads of records: lead, rate, beats, spans that are not marked."""
    for number in numbers:
        path = str(DATA / "ludb" / "data" / str(number))
        record = wfdb.rdrecord(path)
        for name, x in zip(record.sig_name, record.p_signal.T, strict=True):
            marks = wfdb.rdann(path, name.lower())
            beats = marks.sample[np.array(marks.symbol) == "N"]
            if len(beats) > 1:
                edge = 0.25 * record.fs
                yield x, record.fs, beats, [(-1, beats[0] - edge), (beats[-1] + edge, len(x))]


def qtdb():
    """Yield both leads of the records cut from MIT-BIH that have all beats marked."""
    for path in sorted((DATA / "qtdb").glob("*.atr")):
        record, marks = wfdb.rdrecord(str(path.with_suffix(""))), wfdb.rdann(str(path.with_suffix("")), "atr")
        beats = marks.sample[np.isin(marks.symbol, BEATS)]
        for x in record.p_signal.T:
            yield x, record.fs, beats, []


def at_rate(source, new):
    """Yield a source at another rate."""
    for x, fs, beats, flutter in source:
        y = resample_poly(x, new, fs, padtype="line")
        yield y, new, np.round(beats * new / fs).astype(int), [(a * new / fs, b * new / fs) for a, b in flutter]


def quicker(source, bpm):
    """Yield a source as if its heart had a usual rate: QRS and RR shrink alike."""
    for x, fs, beats, flutter in source:
        yield x, fs * bpm * float(np.median(np.diff(beats))) / fs / 60, beats, flutter


def hastened(source, bpm):
    """Yield a source as if its heart had a usual rate, with the complexes as they were."""
    for x, fs, beats, flutter in source:
        period, complex_ = np.median(np.diff(beats)), 0.1 * fs
        pace = np.full(len(x), (60 / bpm * fs - complex_) / (period - complex_))
        for beat in beats:
            pace[max(0, int(beat - complex_ / 2)) : int(beat + complex_ / 2)] = 1
        t = np.cumsum(pace) - pace[0]
        moved = np.round(np.interp(beats, np.arange(len(x)), t)).astype(int)
        yield (
            np.interp(np.arange(int(t[-1]) + 1), t, x),
            fs,
            moved,
            [(t[max(a, 0)], t[min(b, len(x) - 1)]) for a, b in flutter if b > 0 and a < len(x)],
        )


def rested(source, rng, seconds, every=0.0, p_waves=False):
    """Yield a source with its rests longer, one in `every` seconds (0: all), with P waves in them or with nothing."""
    for x, fs, beats, _ in source:
        parts, marks, shift, last = [], [], 0, 0
        noise = 0.01 * np.median([np.ptp(x[max(0, b - 18) : b + 19]) for b in beats])
        period = np.median(np.diff(beats)) / fs
        for k in range(0, len(beats) - 1, max(1, int(every / period))):
            cut, n = beats[k] + int(0.7 * (beats[k + 1] - beats[k])), int(rng.uniform(*seconds) * fs)
            gap = np.linspace(x[cut - 1], x[cut], n) + noise * rng.standard_normal(n)
            if p_waves:
                for at in np.arange(0.4 * fs, n, 0.8 * fs):
                    gap += 10 * noise * np.exp(-(((np.arange(n) - at) / 0.025 / fs) ** 2) / 2)
            parts += [x[last:cut], gap]
            marks.append(beats[(beats >= last) & (beats < cut)] + shift)
            shift, last = shift + n, cut
        yield np.concatenate([*parts, x[last:]]), fs, np.concatenate([*marks, beats[beats >= last] + shift]), []


def strips(records):
    """Yield strips of 10 s, starts in mid-record, every 100 s."""
    for name in records:
        x, marks, flutter = load(name)
        for start in range(1800, len(x) - 3600, 36_000):
            if all(stop < start or first > start + 3600 for first, stop in flutter):
                beats = marks[(marks >= start) & (marks < start + 3600)] - start
                # A beat at the very edge may or may not be seen.
                yield x[start : start + 3600], FS, beats, [(-1, 17), (3583, 3600)]


def cases():
    """Yield title and source."""
    rng = np.random.default_rng(0)
    first = [part(name) for name in DS1]
    yield "DS1 lead 0", first
    yield "DS1 lead 1", [part(name, 1) for name in DS1]
    yield "paced, both leads", [part(name, lead) for name in PACED for lead in (0, 1)]
    yield "LUDB 1-70, 12 leads", ludb(range(1, 71))
    yield "LUDB 71-100, 12 leads", ludb(range(71, 101))
    yield "QTDB, both leads", qtdb()
    yield "strips of 10 s", strips(DS1)
    yield "upside down", [(-x, *rest) for x, *rest in first]
    for gain in (0.1, 100):
        yield f"gain {gain}", [(gain * x, *rest) for x, *rest in first]
    yield "ADC codes from 1024", [(np.round(200 * x) + 1024, *rest) for x, *rest in first]
    yield "drift 10 mV a minute", [(x + np.arange(len(x)) / FS / 6, *rest) for x, *rest in first]
    yield "wander 3 mV at 0.3 Hz", [(x + 1.5 * np.sin(1.885 * np.arange(len(x)) / FS), *rest) for x, *rest in first]
    yield "4-bit steps of 0.1 mV", [(np.round(10 * x) / 10, *rest) for x, *rest in first]
    yield "clipped at half height", [(np.clip(x, *(np.quantile(x, [0.002, 0.998]) / 2)), *rest) for x, *rest in first]
    for fs in (100, 128, 200, 250, 257, 500, 1000):
        yield f"{fs} Hz", at_rate(first, fs)
    for bpm in (150, 200, 240):
        yield f"{bpm} bpm, all quicker", quicker(first, bpm)
        yield f"{bpm} bpm, shorter rests", hastened(first, bpm)
    calm = [piece for piece, name in zip(first, DS1, strict=True) if name != "207"]  # whose flutter would be moved
    yield "all rests 1 s longer", rested(calm, rng, (1, 1))
    yield "pauses of 3-10 s", rested(calm, rng, (3, 10), 30)
    yield "pauses with P waves", rested(calm, rng, (3, 10), 30, p_waves=True)


def main(names):
    detect = {name: peers()[name] for name in names}
    for title, source in cases():
        counts = {name: np.zeros((2, 3), int) for name in names}
        for x, fs, beats, unknown in source:
            for name in names:
                try:
                    found = detect[name](np.ascontiguousarray(x, dtype=np.float64), fs)
                except Exception:  # a peer that fails has found nothing
                    found = []
                counts[name] += score(beats, found, unknown, fs)[0]
        for name, c in counts.items():
            missed, false = c[0][1:]
            figures = f"F1 {f1(c[0]):7.3f}  at 50 ms {f1(c[1]):7.3f}  missed {missed:4}  false {false:4}"
            print(f"{title:24} {name:10} {figures}", flush=True)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main(sys.argv[1:] or ["biotl", "sleepecg"])
