"""What a stream of ECG loses against its file: beats of DS2 told apart by a finished run, both ways, one thread.

    OMP_NUM_THREADS=1 python benches/beat_streams.py RUN

The file is answered as a whole; the stream in parts of 20 s, compares each beat with the five minutes before, and says
it 30 s later. F1 of N, S and V end to end, missed and false beats counted, and the differences, with intervals over
people. It is part of the look at DS2 that RUN had: nothing is chosen by it. Twelve processor minutes.
"""

import sys
from pathlib import Path

import numpy as np
from beats import DATA, NSV, show

from biotl.datasets.beats import AAMI, label_beats, reference_beats
from biotl.datasets.de_chazal import DS2
from biotl.deploy.prediction import joined
from biotl.deploy.predictor import Predictor
from biotl.records import read
from biotl.scoring.answers import Answered
from biotl.scoring.bootstrap import between

PART_S = 20


def streamed(predictor, record):
    """Push a recording part by part; return the answers as one."""
    stream = predictor.stream(fs=record.fs, channels=record.channels, units=record.units)
    size = round(PART_S * record.fs)
    parts = [stream.push(record.signal[:, at : at + size]) for at in range(0, record.signal.shape[1], size)]
    return joined([*parts, stream.finish()])


def answered(name, record, found):
    """Compare answers with the marks of a recording; a beat without an answer is called N."""
    beats = label_beats(reference_beats(record.annotations["atr"]), found.sample, record.fs)
    span = np.stack([found.sample, found.sample + 1], axis=1)
    value = np.maximum(np.asarray(found.value), 0)
    return Answered(name, name, "beat", record.fs, span, beats.label, {"model": value}, beats.missed)


def main(run):
    """Print F1 of both and what lies between."""
    predictor = Predictor(run / "model.onnx", threads=1)
    ways = {"file": [], "stream": []}
    for name in DS2:
        record = read(DATA / "mitdb" / name)
        found = {"file": predictor.predict(record), "stream": streamed(predictor, record)}
        for way, answers in found.items():
            ways[way].append(answered(name, record, answers))
        called = {way: np.bincount(np.maximum(np.asarray(of.value), 0), minlength=3)[:3] for way, of in found.items()}
        print(name, "called N, S, V:", *(f"{way} {n}" for way, n in called.items()), flush=True)
    for way, of in ways.items():
        show(way, of, "model")
        show(f"{way}, without 232", [a for a in of if a.id != "232"], "model")
    for k, i in between(ways["stream"], ways["file"], NSV(AAMI)).items():
        print(f"stream less file, {k}: {i.value:+.1f} [{i.low:+.1f}, {i.high:+.1f}]")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
