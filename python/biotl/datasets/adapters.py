"""Public data sets as entries: what is in the folder, who was recorded, and what is known of it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from biotl.config import nearest
from biotl.datasets.manifest import Entry, read_manifest
from biotl.errors import ConfigError, RecordError


def mitdb(root: Path) -> list[Entry]:
    """List the MIT-BIH Arrhythmia Database (Moody and Mark 2001): 48 records of 47 people.

    Records 201 and 202 are one man (the database's own notes); both carry the subject ``201``.
    """
    return [Entry(path.stem, (path,), "201" if path.stem == "202" else path.stem) for path in _headers(root)]


def ludb(root: Path) -> list[Entry]:
    """List the Lobachevsky University Database (Kalyakulina et al. 2020): 12 leads of 10 s, one record a person."""
    folder = root / "data" if (root / "data").is_dir() else root
    return [Entry(path.stem, (path,), path.stem) for path in _headers(folder)]


def qtdb(root: Path) -> list[Entry]:
    """List the QT Database (Laguna et al. 1997), whose records are cut from other databases.

    A record named after a MIT-BIH record is of that person: ``sel213`` and ``213`` carry one subject, so that nobody is
    learnt from here and judged there.
    """
    return [Entry(path.stem, (path,), path.stem.removeprefix("sel")) for path in _headers(root)]


ADAPTERS: dict[str, Callable[[Path], list[Entry]]] = {"mitdb": mitdb, "ludb": ludb, "qtdb": qtdb}
"""Adapters by name; each lists the recordings under a folder."""


class Source(Protocol):
    """What says where recordings come from: a manifest, or an adapter and its folder."""

    @property
    def manifest(self) -> Path | None:
        """A manifest CSV, which always works in place of an adapter."""

    @property
    def adapter(self) -> str:
        """Name of an adapter."""

    @property
    def root(self) -> Path | None:
        """Its folder."""


def entries(data: Source, *, split_column: str = "split") -> list[Entry]:
    """List the recordings that a configuration names.

    Parameters
    ----------
    data : object
        With ``manifest``, or with ``adapter`` and ``root``.
    split_column : str
        See `biotl.datasets.manifest.read_manifest`.

    Raises
    ------
    ConfigError
        If neither is given, or the adapter does not exist.
    RecordError
        If the manifest is refused, or the folder holds no recording.
    """
    if data.manifest is not None:
        return read_manifest(data.manifest, split_column=split_column)
    if data.adapter not in ADAPTERS:
        raise ConfigError(f"data.adapter: got {data.adapter!r}{nearest(data.adapter, ADAPTERS)}")
    if data.root is None:
        raise ConfigError("data: got neither a manifest nor a root, wanted one of the two")
    found = ADAPTERS[data.adapter](Path(data.root))
    if not found:
        hint = f"`biotl fetch {data.adapter}` gets what is public, `data.manifest` names your own"
        raise RecordError(str(data.root), "folder", "no recording", f"the files of {data.adapter}", hint)
    return found


def _headers(folder: Path) -> Iterator[Path]:
    """Yield the WFDB records of a folder, without extension, in order of name; those of one number by that."""
    names = {path.name.removesuffix(".hea") for path in folder.glob("*.hea")}
    for name in sorted(names, key=lambda name: (int(name), "") if name.isdigit() else (-1, name)):
        yield folder / name
