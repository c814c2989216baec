"""Prepared recordings on disk: packed parts of a few hundred, memory-mapped, and JSON that says what lies where."""

import hashlib
import json
import mmap
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.preprocessor import Prepared
from biotl.datasets.spec_kinds import Spec, parse_spec
from biotl.errors import BiotlError, RecordError, SignalError

FORMAT = "biotl.store/1"
INDEX = "store.json"
ALIGN = 64  # of a cache line
_AGAIN = "prepare it again"
_OPEN = 16  # a map keeps a file open: with 256 allowed and four workers that inherit them, so many leave room


class Store:
    """Prepared recordings by id, opened lazily: indexing maps the part that holds one and reads the pages it touches.

    A store pickles as its folder, so that nothing travels to a worker process, and keeps at most 16 files open.

    Parameters
    ----------
    folder : Path or str
        What `biotl.datasets.prepare.prepare_store` wrote.

    Raises
    ------
    RecordError
        If there is no store, it is of another version, or a part is damaged or of another size than it says.

    Attributes
    ----------
    spec : Spec
        The preprocessing of all of them.
    target : dict
        JSON of what is to be learnt, see `biotl.datasets.labels.Target`.
    ids : tuple of str
        The recordings that are here, in the order in which they were given.
    subjects : dict of str to str
        Who was recorded.
    refused : dict of str to BiotlError
        Why a recording is not here.
    missing : tuple of str
        Parts that nobody has prepared yet.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        index = read_json(self.folder / INDEX, "spec", "target", "parts")
        self.spec: Spec = parse_spec(index["spec"], source=f"{self.folder / INDEX}: spec")
        self.target: dict[str, Any] = index["target"]
        self._rows: dict[str, tuple[str, dict[str, Any]]] = {}
        self.refused: dict[str, BiotlError] = {}
        missing = []
        for name in index["parts"]:
            marker = self.folder / f"{name}.json"
            if not marker.is_file():
                missing.append(name)
                continue
            part = read_json(marker, "key", "bytes", "rows")
            _check_size(self.folder / f"{name}.bin", part["bytes"])
            for row in part["rows"]:
                if "error" in row:
                    self.refused[row["id"]] = error_of(row["error"])
                else:
                    self._rows[row["id"]] = name, row
        self.missing = tuple(missing)
        self.ids = tuple(self._rows)
        self.subjects = {id_: row["subject"] for id_, (_, row) in self._rows.items()}
        self._maps: OrderedDict[str, mmap.mmap] = OrderedDict()

    def __reduce__(self) -> tuple[type["Store"], tuple[str]]:
        return Store, (str(self.folder),)

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r}: {len(self.ids)} recordings, {len(self.refused)} refused)"

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __getitem__(self, id_: str) -> Prepared:
        """Return a recording, its arrays read-only views of the file."""
        name, row = self._row(id_)
        return Prepared(self._arrays(name, row["arrays"]), row["fs"], row["samples"], row["about"])

    def targets(self, id_: str) -> dict[str, NDArray[Any]]:
        """Return what is to be learnt of a recording, see `biotl.datasets.labels.Target`."""
        name, row = self._row(id_)
        return self._arrays(name, row["targets"])

    def about(self, id_: str) -> dict[str, Any]:
        """Return what the preprocessor noted of a recording: leads, gaps, quality."""
        noted: dict[str, Any] = self._row(id_)[1]["about"]
        return noted

    def cuts(self, id_: str) -> int:
        """Return how often a recording goes through a model."""
        return int(self._row(id_)[1]["cuts"])

    def content(self, id_: str) -> str:
        """Return the sha256 of a recording's arrays: that of two twins is the same, and `digest_of` gives it anew."""
        return str(self._row(id_)[1]["sha256"][0])

    @property
    def digest(self) -> str:
        """The sha256 of spec, target and the contents of every recording, however they are packed."""
        total = hashlib.sha256(json.dumps([self.spec.digest(), self.target], sort_keys=True).encode())
        for id_ in self.ids:
            total.update(json.dumps([id_, self.subjects[id_], *self._row(id_)[1]["sha256"]]).encode())
        return total.hexdigest()

    def verify(self) -> None:
        """Read every recording and compare its sha256 with the one that was written.

        Raises
        ------
        RecordError
            Naming the file and the recording that was changed.
        """
        for id_, (name, row) in self._rows.items():
            actual = [digest_of(self._arrays(name, row[key])) for key in ("arrays", "targets")]
            if actual != row["sha256"]:
                path = str(self.folder / f"{name}.bin")
                raise RecordError(path, f"sha256 of {id_}", actual[0], row["sha256"][0], _AGAIN)

    def _row(self, id_: str) -> tuple[str, dict[str, Any]]:
        if id_ not in self._rows:
            if id_ in self.refused:
                raise self.refused[id_]
            raise RecordError(str(self.folder), "recording", id_, "one that was prepared", _AGAIN)
        return self._rows[id_]

    def _arrays(self, name: str, stated: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        if name in self._maps:
            self._maps.move_to_end(name)
        else:
            with (self.folder / f"{name}.bin").open("rb") as file:
                self._maps[name] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            if len(self._maps) > _OPEN:  # closed with the last array that is a view of it
                self._maps.popitem(last=False)
        held = self._maps[name]
        return {
            key: np.ndarray(tuple(shape), np.dtype(dtype), buffer=held, offset=offset)
            for key, (offset, dtype, shape) in stated.items()
        }


def read_json(path: Path, *keys: str) -> dict[str, Any]:
    """Return the JSON of a store; `RecordError` if there is none, it is of another version, or lacks a key."""
    try:
        tree: dict[str, Any] = json.loads(path.read_text())
        version = tree["format"]
    except (OSError, ValueError, TypeError, KeyError):
        raise RecordError(str(path), "format", "nothing of the kind", FORMAT, _AGAIN) from None
    if version != FORMAT:
        raise RecordError(str(path), "format", str(version), FORMAT, _AGAIN)
    if lacks := [key for key in keys if key not in tree]:
        raise RecordError(str(path), lacks[0], "nothing", f"JSON with {', '.join(keys)}", _AGAIN)
    return tree


def digest_of(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the sha256 of arrays: names, types, shapes and bytes."""
    total = hashlib.sha256()
    for name, array in arrays.items():
        total.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        total.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return total.hexdigest()


def error_to_json(error: BiotlError) -> list[str]:
    """Return a refusal as JSON."""
    return [type(error).__name__, *map(str, error.args)]


def error_of(row: list[str]) -> BiotlError:
    """Return the refusal that `error_to_json` wrote."""
    kinds: dict[str, type[BiotlError]] = {"RecordError": RecordError, "SignalError": SignalError}
    kind, *args = row
    return kinds.get(kind, BiotlError)(*args)


def _check_size(path: Path, wanted: int) -> None:
    size = path.stat().st_size if path.is_file() else None
    if size != wanted:
        raise RecordError(str(path), "bytes", "no file" if size is None else str(size), str(wanted), _AGAIN)
