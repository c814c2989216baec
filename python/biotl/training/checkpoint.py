"""Checkpoints: one safetensors file with the state as JSON in its header, written whole or not at all, and checked."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor, nn

from biotl.errors import RecordError, TrainingError
from biotl.models.transfer import Transfer, transfer
from biotl.records.atomic import write_bytes
from biotl.training.groups import apply
from biotl.training.stages import Stage

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and all else as JSON: configuration, spec, vocabulary, labels, metrics, history, lineage."""

    tensors: dict[str, Tensor]
    state: dict[str, Any] = field(default_factory=dict)
    path: str = ""

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors under a prefix, without it."""
        return {name.removeprefix(f"{prefix}."): t for name, t in self.tensors.items() if name.startswith(f"{prefix}.")}


def digest(tensors: Mapping[str, Tensor], text: str = "") -> str:
    """Return the sha256 of a text and of tensors: their names, types, shapes and bits."""
    total = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file that after any interruption is the old one or the new one, never a part.

    Raises
    ------
    TrainingError
        If the disk is full or the folder cannot be written; what stood at `path` is intact.
    """
    try:
        write_bytes(path, data)
    except OSError as error:
        raise TrainingError(
            f"{path}: cannot be written ({len(data)} bytes): {error.strerror}; what stood there before is intact, "
            "make room or choose another folder and go on with --resume"
        ) from error


def save(path: str | Path, checkpoint: Checkpoint) -> str:
    """Write a checkpoint atomically and return its sha256."""
    text = json.dumps(checkpoint.state)
    # copies: tensors that share memory, as tied weights do, are refused by safetensors
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in checkpoint.tensors.items()}
    sha256 = digest(tensors, text)
    write_atomic(Path(path), serialize(tensors, {"format": "biotl-1", "state": text, "sha256": sha256}))
    return sha256


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint and check every bit of it.

    Raises
    ------
    RecordError
        If the file is missing, truncated, of another format, or its sha256 is not that of its contents.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise RecordError(str(path), "contents", str(error), "a whole checkpoint", "use the one before it") from error
    if header.get("format") != "biotl-1":
        hint = "weights of another program come in through `biotl convert`"
        raise RecordError(str(path), "format", str(header.get("format")), "biotl-1", hint)
    found, wanted = digest(tensors, header.get("state", "")), header.get("sha256", "nothing")
    if found != wanted:
        raise RecordError(str(path), "sha256", found, wanted, "the file is damaged: use the one before it")
    return Checkpoint(tensors, json.loads(header["state"]), str(path))


class Store:
    """The ``checkpoints`` folder of a run: numbered ``last-*``, ``best-STAGE`` and periodic ``epoch-STAGE-*`` files."""

    def __init__(self, folder: Path, keep_last: int = 2) -> None:
        self.folder, self.keep_last = folder, keep_last

    def open(self) -> None:
        """Make the folder, and clear what an interrupted write left."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.folder.glob(".*.tmp"):
                path.unlink()
        except OSError as error:
            raise TrainingError(
                f"{self.folder}: cannot be written: {error.strerror}; choose another run folder"
            ) from error

    def lasts(self) -> list[Path]:
        """Return the ``last-*`` files, newest first."""
        return sorted(self.folder.glob(f"last-*{SUFFIX}"), reverse=True)

    def save_last(self, checkpoint: Checkpoint) -> None:
        """Write the next ``last-*`` file, then drop the oldest beyond those kept."""
        newest = self.lasts()[:1]
        number = int(newest[0].stem.removeprefix("last-")) + 1 if newest else 0
        save(self.folder / f"last-{number:08d}{SUFFIX}", checkpoint)
        for path in self.lasts()[self.keep_last :]:
            path.unlink()

    def newest(self, *, quarantine: bool = True) -> Checkpoint | None:
        """Return the newest ``last-*`` checkpoint that is whole, with a warning for each damaged one; None without any.

        `quarantine` renames the damaged ones once a whole one is found, so that the run goes on in their numbers.

        Raises
        ------
        RecordError
            If there are checkpoints, and all are damaged.
        """
        damaged: dict[Path, RecordError] = {}
        for path in self.lasts():
            try:
                whole = load(path)
            except RecordError as damage:
                damaged[path] = damage
                warnings.warn(f"{damage}: trying the checkpoint before it", RuntimeWarning, stacklevel=2)
                continue
            for other in damaged if quarantine else ():
                other.rename(other.with_suffix(".damaged"))
            return whole
        if damaged:
            raise next(reversed(damaged.values()))
        return None


def inherit(model: nn.Module, stage: Stage) -> tuple[Checkpoint, Transfer]:
    """Take the weights of the checkpoint that a stage's ``init`` names, as `transfer` does, into a model."""
    source = load(stage.init)
    about = source.state.get("about", {})
    spec, options = about.get("spec", {}), about.get("about", {}).get("model", {}).get("options", {})
    trains = apply(model, stage).parameters
    report = transfer(
        model,
        source.part("model"),
        strict=stage.min_share == 1,
        minimum=stage.min_share,
        # a model of steps reads what is derived from its channels too, and says so
        channels=options.get("channels") or [channel["name"] for channel in spec.get("channels", ())],
        init=stage.inflate,
        needed=[name for name, _ in model.named_parameters() if name not in trains],
    )
    return source, report
