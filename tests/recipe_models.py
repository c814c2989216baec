"""A small exported model for each configuration that comes with biotl: its preprocessing, weights drawn at random."""

import functools
from pathlib import Path

import numpy as np
import torch

import biotl
from biotl.config import read_tree
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.spec_kinds import parse_spec
from biotl.deploy.answer import batches
from biotl.deploy.bundle import About, Bundle, Data, Model
from biotl.deploy.decision import Classes, Value, Vector
from biotl.deploy.export import export
from biotl.models.boosted_trees import BoostedTrees
from biotl.models.registry import build
from biotl.models.trees import Trees
from biotl.records import Record, ecg

AAMI = ("N", "S", "V", "F", "Q")
CONFIGS = (
    "beats_mitbih", "butppg_finetune", "ecgbert_mitbih", "heart_rate_lstm", "mitbih_spiking",
    "mitbih_spiking_documented", "ssl_pretrain", "value", "window_class", "spiking_without_beats",
)  # fmt: skip
"""Those that come with biotl, one a kind of input; and one of filtered windows that depend on nothing else."""


def tree_of(config):
    config = "mitbih_spiking" if config == "spiking_without_beats" else config
    return read_tree(Path(biotl.__file__).parent / "configs" / f"{config}.yaml")


def spec_of(config):
    spec = dict(tree_of(config)["data"]["spec"])
    if config == "spiking_without_beats":
        del spec["beats"]
    return parse_spec(spec)


def synthetic(spec, seconds=90.0, seed=0):
    """A record with every channel of a spec: an ECG under each name, or a run's speed and altitude."""
    if spec.kind == "sequences":
        rng, n = np.random.default_rng(seed), round(seconds * 20)
        signal = np.stack([10 + rng.normal(size=n).cumsum() * 0.05 for _ in spec.channels])
        fs = 1.0
    else:
        fs = 250.0
        signal = np.stack([ecg(seed, k, duration_s=seconds, fs=fs).signal[0] for k, _ in enumerate(spec.channels)])
    names, units = zip(*((channel.name, channel.unit or "mV") for channel in spec.channels), strict=True)
    return Record(f"s{seed}", signal.astype(np.float32), fs, names, units, f"p{seed}")


def stumps(columns):
    """A tree of one question for each class and column, with thresholds that split real beats."""
    rng = np.random.default_rng(0)
    trees = 5 * columns
    at = np.arange(trees) * 3
    feature = np.full(3 * trees, -1)
    feature[at] = np.tile(np.arange(columns), 5)
    left, right = np.zeros((2, 3 * trees), np.int64)
    left[at], right[at] = at + 1, at + 2
    threshold = rng.normal(0, 0.5, 3 * trees).astype(np.float32)
    value = rng.normal(0, 0.3, 3 * trees).astype(np.float32)
    return Trees(at, np.arange(trees) // columns, feature, left, right, threshold, value, np.zeros(5, np.float32),
                 columns)  # fmt: skip


def network(config, spec, inputs):
    """The model of a configuration, small, with its options and its decision."""
    if config == "beats_mitbih":
        model = BoostedTrees.of(stumps(inputs["features"].shape[1]))
        return model, model.options(), Classes(labels=AAMI)
    name, options, decision = {
        "butppg_finetune": ("patch_encoder_small", {"outputs": 2, "layers": 1}, Classes(labels=("poor", "good"))),
        "ecgbert_mitbih": ("ecgbert", {"classes": 5, "dim": 16, "layers": 1, "heads": 2, "hidden": 16},
                           Classes(labels=AAMI)),
        "heart_rate_lstm": ("heart_rate_lstm", {"hidden": 8, "mean": 150.0}, Value(name="heart rate", unit="bpm")),
        "mitbih_spiking": ("spiking", {"hidden": (32, 16), "steps": 10}, Classes(labels=("normal", "abnormal"))),
        "mitbih_spiking_documented": ("spiking", {"hidden": (32, 16), "steps": 10, "encoding": "rate"},
                                      Classes(labels=("normal", "abnormal"))),
        "spiking_without_beats": ("spiking", {"hidden": (32, 16), "steps": 10}, Classes(labels=("normal", "abnormal"))),
        "ssl_pretrain": ("patch_encoder_small", {"layers": 1}, Vector(dim=64)),
        "value": ("window_net", {"outputs": 1, "width": 8}, Value(name="heart rate", unit="bpm", low=-3, high=3)),
        "window_class": ("window_net", {"outputs": 3, "width": 8}, Classes(labels=("a", "b", "c"))),
    }[config]  # fmt: skip
    if name != "ecgbert":
        options = {**options, "channels": list(spec.names)}
    if name == "ecgbert":
        options |= {"described": inputs["beats"].shape[2]}
    if name == "spiking":
        options |= {"length": spec.length, "beats": inputs["beats"].shape[1] if "beats" in inputs else 0}
    torch.manual_seed(0)
    return build(name, **options), options, decision


@functools.cache
def model_of(config, folder):
    """Write the model of a configuration into a folder, once; return its path."""
    spec = spec_of(config)
    prepared = [make_preprocessor(spec).prepare([synthetic(spec, seed=k)]) for k in range(2)]
    preprocessor = make_preprocessor(spec).fit(prepared, names=["s0", "s1"], seed=0)
    example = next(batches(preprocessor, prepared[0], 3))
    model, options, decision = network(config, spec, example)
    bundle = Bundle(
        spec=spec.model_dump(mode="json"),
        state=preprocessor.state,
        decision=decision,
        about=About(recipe=config, model=Model(name=tree_of(config)["model"]["name"], options=options),
                    data=Data.of(prepared)),
    )  # fmt: skip
    path = Path(folder) / f"{config}.onnx"
    export(model, path, bundle=bundle, example=example)
    return path
