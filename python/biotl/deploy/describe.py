"""What a file is: a recording, a run, a store, a checkpoint or a model. Nothing here needs torch."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from biotl.datasets.store import INDEX, Store
from biotl.deploy.describe_run import SPLIT, describe_run
from biotl.deploy.predictor import Predictor
from biotl.errors import RecordError
from biotl.records import read

_TORCH = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32"}
_TORCH |= {"I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool"}


def describe(path: Path) -> dict[str, Any]:
    """Say what a file holds.

    Parameters
    ----------
    path : Path
        An ``.onnx`` model, a ``.safetensors`` checkpoint, the folder of a run or of a store, or a recording.

    Returns
    -------
    dict
        JSON; ``kind`` says which of them it is.

    Raises
    ------
    RecordError
        If it is none of these, or a bit of it is not as it was written.
    """
    if path.suffix == ".onnx":
        return _model(path)
    if path.suffix == ".safetensors":
        return _checkpoint(path)
    if (path / INDEX).is_file():
        return _store(path)
    if (path / SPLIT).is_file():
        return describe_run(path)
    return _recording(path)


def _model(path: Path) -> dict[str, Any]:
    predictor = Predictor(path, threads=1)
    bundle = predictor.bundle
    about = bundle.about.model_dump(mode="json")
    about["data"].pop("recordings")  # a digest a recording is for machines
    return {
        "kind": "model",
        "bytes": path.stat().st_size,
        "sha256": predictor.digest,
        "inputs": {item.name: f"{item.type} {item.shape}" for item in predictor.session.get_inputs()},
        "output": {item.name: f"{item.type} {item.shape}" for item in predictor.session.get_outputs()},
        "unit": predictor.preprocessor.unit,
        "preprocess": predictor.session.get_modelmeta().custom_metadata_map.get("io.biotl.preprocess", "spec"),
        "decision": bundle.decision.model_dump(mode="json"),
        "spec": bundle.spec,
        "state": _state(bundle.state),
        "about": about,
    }


def _state(state: dict[str, Any]) -> dict[str, Any]:
    """Return what was fitted, long parts as their digest."""
    shown = {}
    for name, value in state.items():
        text = json.dumps(value, sort_keys=True)
        shown[name] = value if len(text) < 400 else f"sha256 {hashlib.sha256(text.encode()).hexdigest()}"
    return shown


def _checkpoint(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        stored = header.pop("__metadata__", {})
        tensors = {name: item["shape"] for name, item in header.items()}
        state = json.loads(stored.get("state", "{}"))
        found = _digest(header, data[8 + size :], stored.get("state", ""))
    except (OSError, ValueError, KeyError, TypeError, MemoryError, OverflowError):
        raise RecordError(str(path), "header", "something else", "a safetensors file") from None
    if stored.get("sha256", found) != found:
        raise RecordError(str(path), "sha256", found, stored["sha256"], "the file is damaged: use another")
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


def _digest(header: dict[str, Any], data: bytes, text: str) -> str:
    """Return what `biotl.training.checkpoint.digest` gives, without torch."""
    total = hashlib.sha256(text.encode())
    for name in sorted(header):
        first, last = header[name]["data_offsets"]
        total.update(f"{name}torch.{_TORCH[header[name]['dtype']]}{tuple(header[name]['shape'])}".encode())
        if not 0 <= first <= last <= len(data):
            raise ValueError(name)
        total.update(data[first:last])
    return total.hexdigest()


def _store(path: Path) -> dict[str, Any]:
    store = Store(path)
    store.verify()
    return {
        "kind": "store",
        "recordings": len(store),
        "subjects": len(set(store.subjects.values())),
        "refused": {id_: str(error) for id_, error in store.refused.items()},
        "missing parts": list(store.missing),
        "sha256": store.digest,
        "spec": store.spec.model_dump(mode="json"),
        "target": store.target,
    }


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
