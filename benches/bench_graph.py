"""Preprocessing inside a graph: how far from SciPy in double precision, and how long it takes.

    python benches/bench_graph.py

prints one row for each of 20 pairs of filter chain and rate: the largest error over 3, 10 and 100 s of a real ECG lead
or PPG (BIDMC 01, MIT-BIH 200; a synthetic ECG where they are not at hand), its ends included, over the largest sample;
milliseconds for 10 s of one lead on one thread beside SciPy's own; and the size of the graph. Where the chain begins at
another rate the convolution that resamples is in both.
"""

import os
import time
from pathlib import Path

import numpy as np
import onnxruntime
import scipy.signal
from onnx import helper

import biotl.signal
from biotl.datasets.spec import Filter
from biotl.deploy.graph_filter import filtered
from biotl.deploy.graph_nodes import FLOAT, OPSET, Nodes
from biotl.deploy.graph_resample import resampled
from biotl.deploy.graph_windows import design
from biotl.records import ecg, read

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))
ECG = [("bandpass", {"low": 0.5, "high": 40.0}), ("notch", {"freq": 49.0})]
PPG = [("bandpass", {"low": 0.4, "high": 7.0, "kind": "cheby2"})]
BASE = [("bandstop", {"low": 45.0, "high": 49.5, "order": 2}), ("remove_baseline", {"cutoff": 0.5})]
STEEP = [("bandpass", {"low": 0.5, "high": 25.0, "order": 8})]
PAIRS = [(rate, chain) for rate in (100, 125, 250, 360, 500) for chain in ("ECG", "PPG", "BASE", "STEEP")]
SECONDS = (3, 10, 100)


def signal(kind: str) -> tuple[np.ndarray, float]:
    """A real lead, or a synthetic one."""
    path = DATA / ("ecgppg/bidmc_01.npz" if kind == "PPG" else "mitdb/200")
    if not (path.exists() or path.with_suffix(".hea").exists()):
        record = ecg(0, 1, duration_s=120.0)
        return record.signal[0], record.fs
    record = read(path)
    return record.signal[1 if kind == "PPG" else 0], record.fs


def graph(sections: list[np.ndarray], fs: float, rate: float) -> tuple[onnxruntime.InferenceSession, int]:
    nodes = Nodes("raw")
    level = nodes.cut("x", 0, 1)
    x = nodes("Sub", "x", level)
    x = x if fs == rate else resampled(nodes, x, level, fs, rate)
    for sos in sections:
        x, level = filtered(nodes, x, level, sos, "zero phase")
    nodes("Add" if level else "Identity", *([x, level] if level else [x]), name="y")
    ends = [helper.make_tensor_value_info(name, FLOAT, ["rows", f"{name}s"]) for name in "xy"]
    made = helper.make_graph(nodes.nodes, "g", ends[:1], ends[1:], nodes.initializers())
    data = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(data, options), len(data)


def exact(x: np.ndarray, sections: list[np.ndarray], fs: float, rate: float) -> np.ndarray:
    y = x.astype(np.float64)
    y = y if fs == rate else biotl.signal.resample(y, fs, rate)
    for sos in sections:
        y = scipy.signal.sosfiltfilt(sos, y)
    return y


def row(rate: int, name: str) -> float:
    """Print a row; return its error."""
    sections = [design(Filter(name=step, options=options), rate) for step, options in globals()[name]]
    x, fs = signal(name)
    run, size = graph(sections, fs, rate)
    error = 0.0
    for seconds in SECONDS:
        for start in (0, 137):
            cut = x[round(start * fs) : round((start + seconds) * fs)]
            got = run.run(None, {"x": cut[None]})[0][0]
            error = max(error, np.abs(got - exact(cut, sections, fs, rate)).max() / np.abs(cut).max())
    took, cut = [], x[: round(10 * fs)]
    for _ in range(41):
        times = [time.perf_counter()]
        run.run(None, {"x": cut[None]})
        times.append(time.perf_counter())
        exact(cut, sections, fs, rate)
        took.append(np.diff([*times, time.perf_counter()]))
    here, there = 1000 * np.median(took, axis=0)
    print(f"| {name} | {fs:g} | {rate} | {error:.1e} | {here:.2f} | {there:.2f} | {size / 1e3:.0f} |", flush=True)
    return error


def main() -> None:
    print("| chain | recorded at, Hz | filtered at, Hz | error | graph, ms | SciPy, ms | kB |")
    print("|---|---|---|---|---|---|---|")
    worst = max(row(*pair) for pair in PAIRS)
    print(f"\nlargest error {worst:.1e}, wanted at most 2e-6")


if __name__ == "__main__":
    main()
