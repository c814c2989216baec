"""Prepared recordings on disk: memory-mapped arrays and a manifest that says what they are."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.spec import SignalSpec
from biotl.errors import RecordError
from biotl.records.atomic import write_bytes

_FORMAT = "biotl.shard/1"
_MANIFEST = "manifest.json"
_AGAIN = "prepare it again"
_KEYS = ("spec", "subjects", "meta", "files")


@dataclass(frozen=True)
class Shard:
    """A folder of arrays, opened lazily: indexing an array reads the pages it touches.

    Parameters
    ----------
    folder : Path
        Where it lies.
    arrays : dict of str to ndarray
        Read-only memory maps.
    spec : SignalSpec
        The preprocessing of all of them.
    subjects : tuple of str
        Who was recorded.
    meta : dict
        What else the writer stated; JSON.
    """

    folder: Path
    arrays: dict[str, NDArray[Any]]
    spec: SignalSpec
    subjects: tuple[str, ...]
    meta: dict[str, Any]

    def verify(self) -> None:
        """Read every file and compare its sha256 with the manifest.

        Raises
        ------
        RecordError
            Naming the file that was changed.
        """
        for name, stated in read_manifest(self.folder)["files"].items():
            actual = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
            if actual != stated["sha256"]:
                raise RecordError(str(self.folder / name), "sha256", actual, stated["sha256"], _AGAIN)


def write_shard(
    folder: Path | str,
    arrays: Mapping[str, NDArray[Any]],
    *,
    spec: SignalSpec,
    subjects: tuple[str, ...],
    meta: Mapping[str, Any] | None = None,
) -> None:
    """Write a shard; the manifest comes last, so that a shard without one was never finished.

    Parameters
    ----------
    folder : Path or str
        Made where it is missing; a shard that is there is replaced.
    arrays : mapping of str to ndarray
        No object arrays.
    spec : SignalSpec
        Their preprocessing.
    subjects : tuple of str
        Who was recorded.
    meta : mapping, optional
        Anything that JSON holds.
    """
    folder = Path(folder)
    (folder / _MANIFEST).unlink(missing_ok=True)
    files = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        data = buffer.getvalue()
        write_bytes(folder / f"{name}.npy", data)
        files[f"{name}.npy"] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest = {
        "format": _FORMAT,
        "spec": spec.model_dump(mode="json"),
        "subjects": subjects,
        "meta": dict(meta or {}),
        "files": files,
    }
    write_bytes(folder / _MANIFEST, json.dumps(manifest, indent=1).encode())


def open_shard(folder: Path | str, *, spec: SignalSpec | None = None) -> Shard:
    """Open a shard without reading its arrays.

    Parameters
    ----------
    folder : Path or str
        What `write_shard` wrote.
    spec : SignalSpec, optional
        What the reader needs.

    Raises
    ------
    RecordError
        If there is no manifest, it is of another version, or a file is missing or of another size.
    ConfigError
        If the shard was prepared under another spec, naming the field.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    stored = SignalSpec.model_validate(manifest["spec"])
    if spec is not None:
        stored.compare(spec, got=f"shard {folder.name}", wanted="reader")
    arrays = {}
    for name, stated in manifest["files"].items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size != stated["bytes"]:
            raise RecordError(str(path), "bytes", str(size or "no file"), str(stated["bytes"]), _AGAIN)
        arrays[path.stem] = np.load(path, mmap_mode="r", allow_pickle=False)
    return Shard(folder, arrays, stored, tuple(manifest["subjects"]), manifest["meta"])


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a shard; `RecordError` if there is none, or it is of another version."""
    path = folder / _MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
        version = manifest["format"]
    except (OSError, ValueError, TypeError, KeyError):
        raise RecordError(str(path), "format", "no manifest", _FORMAT, _AGAIN) from None
    if version != _FORMAT:
        raise RecordError(str(path), "format", str(version), _FORMAT, _AGAIN)
    if lacks := [key for key in _KEYS if key not in manifest]:
        raise RecordError(str(path), lacks[0], "nothing", f"a manifest of {', '.join(_KEYS)}", _AGAIN)
    return manifest
