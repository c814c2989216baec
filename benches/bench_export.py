"""Every recipe's model as a file: how long it takes to write, how large it is, how close, and how fast beside torch.

    python benches/bench_export.py [CONFIG ...]

prints a row for each shipped configuration: its own network and preprocessing at full size, weights drawn at random (of
boosted trees two thousand, grown on noise), inputs from a synthetic record with all its channels. Export in seconds of
processor time, size in kB, largest difference between torch and onnxruntime over batches of 1, 3, 17 and 64; then the
time of onnxruntime over that of torch (eager, one thread each, in turn) for 1 and 16 inputs; and, where the
preprocessing can stand in the graph, size of that file and how far what the network reads is from the preprocessing,
in standard deviations.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import biotl
from biotl.config import read_tree
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.spec_kinds import parse_spec
from biotl.deploy.answer import batches
from biotl.deploy.bundle import About, Bundle, Model
from biotl.deploy.decision import Classes, Value, Vector
from biotl.deploy.export import export
from biotl.errors import BiotlError
from biotl.models.registry import build
from biotl.records import Record, ecg

AAMI, RATE = Classes(labels=("N", "S", "V", "F", "Q")), Value(name="heart rate", unit="bpm", low=-5, high=5)
TWO = Classes(labels=("no", "yes"))
CASES = {
    "ecgbert_mitbih": AAMI,
    "beats_mitbih": AAMI,
    "ssl_pretrain": Vector(dim=64),
    "butppg_finetune": TWO,
    "troika_finetune": TWO,
    "heart_rate_lstm": RATE,
    "mitbih_spiking": TWO,
    "mitbih_spiking_documented": TWO,
    "window_class": Classes(labels=("a", "b", "c")),
    "value": RATE,
}


def synthetic(spec, seed: int) -> Record:
    """A record with every channel of a spec."""
    if spec.kind == "sequences":
        rng = np.random.default_rng(seed)
        fs, x = 1.0, 10 + 0.05 * rng.normal(size=(len(spec.channels), 4000)).cumsum(1)
    else:
        fs = 250.0
        x = np.stack([ecg(seed, k, duration_s=200.0, fs=fs).signal[0] for k, _ in enumerate(spec.channels)])
    names, units = zip(*((channel.name, channel.unit or "mV") for channel in spec.channels), strict=True)
    return Record(f"s{seed}", x.astype(np.float32), fs, names, units, f"p{seed}")


def network(tree, spec, example, decision):
    """The model of a configuration, and the options that build it."""
    named = {key: value for key, value in tree["model"].items() if key != "name"}
    name = tree["model"]["name"]
    torch.manual_seed(0)
    if name == "boosted_trees":
        return trees(example["features"].shape[1])
    labels = len(getattr(decision, "labels", ()))
    if name.startswith("ecgbert"):
        described = {"described": example["beats"].shape[2]} if "beats" in example else {}
        options = {"classes": labels, **described, **named}
    else:
        options = {"channels": list(spec.names), **named}
        if name.startswith(("patch", "spiking", "window_net")) and decision.kind != "vector":
            options["outputs"] = labels or 1
        if name.startswith(("patch", "spiking")):
            options["length"] = spec.length
        if "beats" in example:
            options["beats"] = example["beats"].shape[1]
    return build(name, **options), Model(name=name, options=options)


def trees(columns: int):
    """Two thousand trees of depth 4 for each of five classes in turn."""
    from biotl.models.boosted_trees import BoostedTrees
    from biotl.models.trees import Trees

    rng, count, size = np.random.default_rng(0), 2000, 31
    place = np.arange(count * size)
    within = place % size
    inner = within < size // 2
    child = place - within + 2 * within + 1
    made = Trees(
        np.arange(count) * size, np.arange(count) % 5, np.where(inner, rng.integers(0, columns, len(place)), -1),
        np.where(inner, child, 0), np.where(inner, child + 1, 0), rng.normal(size=len(place)).astype(np.float32),
        np.where(inner, 0, rng.normal(size=len(place))).astype(np.float32), np.zeros(5, np.float32), columns,
    )  # fmt: skip
    model = BoostedTrees.of(made)
    return model, Model(name="boosted_trees", options=model.options())


def over_torch(data: bytes, model, inputs, names) -> float:
    """Time of onnxruntime over that of torch, median of turns."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    run = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    fed = {name: inputs[name] for name in names}
    tensors = [torch.from_numpy(inputs[name]) for name in model.inputs]
    ratios = []
    with torch.inference_mode():
        for turn in range(23):
            times = [time.perf_counter()]
            run.run(None, fed)
            times.append(time.perf_counter())
            model(*tensors)
            here, there = np.diff([*times, time.perf_counter()])
            ratios += [here / there] if turn > 2 else []
    return float(np.median(ratios))


def row(config: str, folder: Path) -> None:
    tree, decision = read_tree(Path(biotl.__file__).parent / "configs" / f"{config}.yaml"), CASES[config]
    spec = parse_spec(tree["data"].get("spec", {"kind": "sentences"}))
    plain = make_preprocessor(spec)
    records = [synthetic(spec, seed) for seed in range(2)]
    prepared = [plain.prepare([record]) for record in records]
    preprocessor = plain.fit(prepared, names=["a", "b"], seed=0)
    example = next(batches(preprocessor, prepared[0], 16))
    model, named = network(tree, spec, example, decision)
    model.eval()
    about = About(recipe=config, model=named)
    bundle = Bundle(spec=spec.model_dump(mode="json"), state=preprocessor.state, decision=decision, about=about)
    path, began = folder / f"{config}.onnx", time.process_time()
    apart = export(model, path, bundle=bundle, example=example)
    took = time.process_time() - began
    data = path.read_bytes()
    one = {name: array[:1] for name, array in example.items()}
    sixteen = {name: array[np.arange(16) % len(array)] for name, array in example.items()}
    ratios = [over_torch(data, model, inputs, model.inputs) for inputs in (one, sixteen)]
    try:
        export(model, folder / "raw.onnx", bundle=bundle, example=example, raw=[[record] for record in records])
        stored = onnxruntime.InferenceSession(folder / "raw.onnx").get_modelmeta().custom_metadata_map
        raw = f"{(folder / 'raw.onnx').stat().st_size / 1e3:.0f}"
        far = f"{json.loads(stored['io.biotl.deviation'])['input']:.1e}"
    except BiotlError as error:
        raw, far = "-", str(error).partition(": ")[2].partition(":")[0].partition(";")[0]
    cells = [config, named.name, f"{took:.1f}", f"{len(data) / 1e3:.0f}", f"{apart:.0e}", f"{ratios[0]:.2f}"]
    print("| " + " | ".join([*cells, f"{ratios[1]:.2f}", raw, far]) + " |", flush=True)


def main() -> None:
    torch.set_num_threads(1)
    print("| configuration | network | export, s | kB | parity | time over torch, 1 | 16 | raw, kB | raw, apart |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for config in sys.argv[1:] or CASES:
            row(config, Path(folder))


if __name__ == "__main__":
    main()
