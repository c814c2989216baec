"""What a file is: a recording, a shard, a checkpoint or a model. Nothing here needs torch."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from biotl.datasets.shards import read_manifest
from biotl.deploy.predictor_before import Predictor
from biotl.errors import RecordError
from biotl.records import read


def describe(path: Path) -> dict[str, Any]:
    """Say what a file holds.

    Parameters
    ----------
    path : Path
        An ``.onnx`` model, a ``.safetensors`` checkpoint, the folder of a shard, or a recording.

    Returns
    -------
    dict
        JSON; ``kind`` says which of them it is.

    Raises
    ------
    RecordError
        If it is none of these, or damaged.
    """
    if path.suffix == ".onnx":
        return _model(path)
    if path.suffix == ".safetensors":
        return _checkpoint(path)
    if (path / "manifest.json").is_file():
        return _shard(path)
    return _recording(path)


def _model(path: Path) -> dict[str, Any]:
    predictor = Predictor(path, threads=1)
    vocabulary = predictor.vocabulary
    segments = sum(int(c.sum()) for c in vocabulary.counts)
    return {
        "kind": "model",
        "bytes": path.stat().st_size,
        "inputs": {item.name: f"{item.type} {item.shape}" for item in predictor.session.get_inputs()},
        "labels": list(predictor.labels),
        "thresholds": [round(float(t), 6) for t in predictor.thresholds],
        "spec": predictor.spec.model_dump(mode="json"),
        "vocabulary": {
            "sha256": vocabulary.digest(),
            "clusters": [len(c) for c in vocabulary.centroids],
            "fitted on": f"{len(vocabulary.records)} recordings, {segments} segments",
        },
        "about": predictor.about,
    }


def _checkpoint(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        stored = header.pop("__metadata__", {})
        tensors = {name: item["shape"] for name, item in header.items()}
        state = json.loads(stored.get("state", "{}"))
    except (OSError, ValueError, KeyError, TypeError, MemoryError, OverflowError):
        raise RecordError(str(path), "header", "something else", "a safetensors file") from None
    groups: dict[str, int] = {}
    for name, shape in tensors.items():
        part = name.split(".")[0]
        groups[part] = groups.get(part, 0) + int(np.prod(shape))
    return {
        "kind": "checkpoint",
        "bytes": path.stat().st_size,
        "format": stored.get("format", "not biotl's own"),
        "sha256": stored.get("sha256"),
        "tensors": len(tensors),
        "numbers": groups,
        "state": {key: state[key] for key in ("config", "metrics", "lineage") if state.get(key)},
    }


def _shard(path: Path) -> dict[str, Any]:
    return {"kind": "shard", **read_manifest(path)}


def _recording(path: Path) -> dict[str, Any]:
    record = read(path)
    channels = {}
    for name, unit, x in zip(record.channels, record.units, record.signal, strict=True):
        known = x[np.isfinite(x)]
        span = [round(float(known.min()), 4), round(float(known.max()), 4)] if len(known) else None
        channels[name] = {"unit": unit, "range": span, "missing": int(len(x) - len(known))}
    return {
        "kind": "recording",
        "name": record.name,
        "subject": record.subject,
        "fs": record.fs,
        "samples": record.signal.shape[1],
        "seconds": round(record.signal.shape[1] / record.fs, 3),
        "channels": channels,
        "annotations": {
            name: {"marks": len(marks), "symbols": dict(Counter(marks.symbol.tolist()).most_common())}
            for name, marks in record.annotations.items()
        },
    }
