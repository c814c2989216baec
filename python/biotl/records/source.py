"""Where a recording comes from: a path, an address, an open file or bytes; readers see a path."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

from biotl.errors import RecordError
from biotl.records.foreign import bring, refused

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_BESIDE = 64  # files of one record at an address, at most


@contextmanager
def local(source: Source) -> Iterator[Path]:
    """Give a path to what is read; what is no path lies in a temporary folder until the end of the block.

    Parameters
    ----------
    source : path, address, binary file or bytes
        An address such as ``s3://bucket/100.hea`` goes through fsspec; the files that are named like it come along.

    Yields
    ------
    Path
        Where it lies.

    Raises
    ------
    RecordError
        A file object that gives no bytes, or an address that cannot be read.
    MissingExtraError
        An address without fsspec.

    Examples
    --------
    >>> with local(b"abc") as path:
    ...     path.read_bytes()
    b'abc'
    """
    if isinstance(source, bytes | bytearray | memoryview) or hasattr(source, "read"):
        with tempfile.TemporaryDirectory(prefix="biotl-") as folder:
            name, data = _content(source)
            path = Path(folder) / name
            path.write_bytes(data)
            yield path
    elif _ADDRESS.match(str(source)):
        with tempfile.TemporaryDirectory(prefix="biotl-") as folder:
            yield _fetched(str(source), Path(folder))
    else:
        yield source if isinstance(source, Path) else Path(source)


def _content(source: Source) -> tuple[str, bytes | bytearray | memoryview]:
    if isinstance(source, bytes | bytearray | memoryview):
        return "bytes", source
    name = Path(str(getattr(source, "name", "") or "")).name
    data = source.read()  # type: ignore[union-attr]  # it has been asked for
    if not isinstance(data, bytes | bytearray | memoryview):
        raise RecordError(name or "file object", "content", type(data).__name__, "bytes", "open it in mode 'rb'")
    return name if re.fullmatch(r"[\w .-]{1,100}", name) else "bytes", data


def _fetched(address: str, folder: Path) -> Path:
    fsspec = bring("fsspec", "scale")
    with refused(address, "a file that fsspec can read", field="address"):
        files, inside = fsspec.core.url_to_fs(address)
        parent, _, name = inside.rpartition("/")
        stem = name.rpartition(".")[0] or name
        there = (
            [str(file) for file in files.ls(parent, detail=False)] if not files.isfile(inside) or _wfdb(name) else []
        )
        near = [file for file in there if file.rpartition("/")[2].startswith(stem)]
        if not near and not files.isfile(inside):
            raise FileNotFoundError(inside)  # as every file system does in its own way
        for file in [inside, *near][:_BESIDE] if files.isfile(inside) else near[:_BESIDE]:
            files.get_file(file, str(folder / file.rpartition("/")[2]))
    return folder / str(name)


def _wfdb(name: str) -> bool:
    return name.endswith((".hea", ".dat", ".mat", ".atr"))
