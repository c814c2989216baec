"""How fast an exported model is here, beside the same network in torch, and what it costs to begin."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.spec_kinds import SequenceSpec
from biotl.deploy import raw
from biotl.deploy.answer import batches
from biotl.deploy.arrays import between
from biotl.deploy.predictor import Predictor
from biotl.errors import SignalError
from biotl.records import Record, ecg

BATCHES = (1, 16, 64)
THREADS = (1, 2)
ROUNDS, LEAST_S = 5, 0.2
MINUTES = 10
RAW_S = 30.0
"""Of a file that takes raw samples: what one of a batch holds."""
_COLD = """
import json, sys, time
start = time.perf_counter()
from biotl.deploy.predictor import Predictor
import numpy as np
loaded = time.perf_counter()
predictor = Predictor(sys.argv[1], threads=1)
ready = time.perf_counter()
with np.load(sys.argv[2]) as file:
    x, fs = file["x"], float(file["fs"])
predictor.predict(x, fs=fs)
done = time.perf_counter()
try:  # of this program alone; getrusage counts what the process was before
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
except OSError:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"import_s": loaded - start, "load_s": ready - loaded, "first_answer_s": done - ready,
                  "cold_start_s": done - start,
                  "peak_mb": peak / 1024}))
"""


def measure(path: Path, work: Path) -> dict[str, Any]:
    """Measure an exported model on a synthetic recording.

    Parameters
    ----------
    path : Path
        An ``.onnx`` file.
    work : Path
        A folder for what is passed to a fresh process.

    Returns
    -------
    dict
        ``latency``: one row a batch and number of threads, milliseconds of the network alone by onnxruntime, torch
        eager and ``torch.compile``, medians of interleaved rounds, weights drawn anew; ``cold``: seconds of import,
        loading and the first answer, and MB of memory, in a fresh process on one thread; ``real_time``: seconds of
        signal that a second of work answers, all of it included, on one thread.
    """
    predictor = Predictor(path, threads=1)
    record = synthetic(predictor, MINUTES * 60)
    np.savez(work / "signal.npz", x=record.signal[:, : round(60 * record.fs)], fs=record.fs)
    words = [sys.executable, "-c", _COLD, str(path), str(work / "signal.npz")]
    cold = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    start = time.perf_counter()
    predictor.predict(record)
    real_time = record.signal.shape[1] / record.fs / (time.perf_counter() - start)
    rows, networks = [], {} if predictor.rates else by_torch(predictor)
    for threads in THREADS:
        session = Predictor(path, threads=threads).session
        for batch in BATCHES:
            inputs = example(predictor, record, batch)
            asked, known = [session.get_outputs()[0].name], {x.name: inputs[x.name] for x in session.get_inputs()}
            runs: dict[str, Callable[[], Any]] = {"onnxruntime": partial(session.run, asked, known)}
            runs |= {name: partial(run, inputs, threads) for name, run in networks.items()}
            rows.append({"batch": batch, "threads": threads, **timed(runs)})
    return {
        "model": path.name,
        "name": predictor.bundle.about.model.name,
        "bytes": path.stat().st_size,
        "unit": predictor.preprocessor.unit,
        "latency": rows,
        "cold": {name: round(value, 3) for name, value in cold.items()},
        "real_time": round(real_time, 1),
    }


def synthetic(predictor: Predictor, seconds: float) -> Record:
    """Return a recording with every channel of a model: an ECG under each name, or a steady run."""
    spec = predictor.preprocessor.spec
    if isinstance(spec, SequenceSpec):
        rng, n, fs = np.random.default_rng(0), round(seconds * 12), 1.0
        rows = [10 + 0.02 * rng.standard_normal(n).cumsum() for _ in spec.channels]
    else:
        fs = max(100.0, min(spec.fs, 500.0))
        rows = [ecg(0, k, duration_s=seconds, fs=fs).signal[0] for k, _ in enumerate(spec.channels)]
    names, units = zip(*((channel.name, channel.unit) for channel in spec.channels), strict=True)
    return Record("bench", np.stack(rows).astype(np.float32), fs, names, units, "bench")


def example(predictor: Predictor, record: Record, batch: int) -> dict[str, NDArray[Any]]:
    """Return real inputs of so many cuts, repeated where the recording has fewer.

    Raises
    ------
    SignalError
        If the model finds nothing to answer in the synthetic recording.
    """
    preprocessor = predictor.preprocessor
    if predictor.rates:
        part = between(record, 0, round(RAW_S * record.fs))
        fed = raw.feed(preprocessor, [part], predictor.rates)
        return {name: np.repeat(x, batch, axis=0) for name, x in fed.items()}
    prepared = preprocessor.complete(preprocessor.prepare([record]))
    found = next(batches(preprocessor, prepared, batch), None)
    if found is None:
        raise SignalError(f"{predictor.path}: bench: got nothing to answer in a synthetic recording, wanted a cut")
    n = len(found["unit"])
    return {name: np.concatenate([x] * -(-batch // n))[:batch] for name, x in found.items()}


def by_torch(predictor: Predictor) -> dict[str, Callable[[Mapping[str, NDArray[Any]], int], Any]]:
    """Return the same network in torch, eager and compiled, with weights drawn anew; nothing where torch is not."""
    if find_spec("torch") is None:
        return {}
    import torch

    from biotl.models.registry import build

    about = predictor.bundle.about.model
    model: Any = build(about.name, **about.options).eval()

    def run(network: Any, inputs: Mapping[str, NDArray[Any]], threads: int) -> Any:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            return network(*(torch.from_numpy(inputs[name]) for name in model.inputs))

    # one compilation serves every batch
    return {"torch eager": partial(run, model), "torch.compile": partial(run, torch.compile(model, dynamic=True))}


def timed(runs: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Return the median milliseconds of each, called in turn; None for one that fails here, as without a compiler."""
    working: dict[str, Callable[[], Any]] = {}
    for name, run in runs.items():
        try:
            run()
            working[name] = run
        except Exception:  # torch.compile has as many ways to fail as there are compilers
            continue
    each: dict[str, list[float]] = {name: [] for name in working}
    for _ in range(ROUNDS):
        for name, run in working.items():
            n, start = 0, time.perf_counter()
            while (spent := time.perf_counter() - start) < LEAST_S / ROUNDS:
                run()
                n += 1
            each[name].append(1e3 * spent / n)
    return {name: round(median(each[name]), 3) if name in each else None for name in runs}


def markdown(found: Mapping[str, Any]) -> str:
    """Return what `measure` gave as Markdown."""
    cold, rows = found["cold"], found["latency"]
    columns = list(rows[0])
    lines = [
        f"**{found['model']}** ({found['name']}, {found['bytes'] / 1e6:.2f} MB): "
        f"{found['real_time']:,.0f} s of signal a second of one thread; cold start {cold['cold_start_s']:.2f} s "
        f"(import {cold['import_s']:.2f}, load {cold['load_s']:.2f}, first answer {cold['first_answer_s']:.2f}), "
        f"{cold['peak_mb']:.0f} MB.",
        "",
        f"| {' | '.join(f'{name} ms' if name not in ('batch', 'threads') else name for name in columns)} |",
        f"|{'---|' * len(columns)}",
    ]
    lines += [f"| {' | '.join('-' if row[name] is None else str(row[name]) for name in columns)} |" for row in rows]
    return "\n".join(lines)
