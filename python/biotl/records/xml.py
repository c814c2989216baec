"""XML without traps: entities and external parts are refused, names come without their namespace."""

import base64
import binascii
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError

_CHUNK = 1 << 16


def parse(path: Path) -> ET.Element:
    """Parse a whole XML file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Element
        Its root; names of elements and attributes come without namespace.

    Raises
    ------
    RecordError
        A file that is missing, not well formed, or declares entities.
    """
    builder = ET.TreeBuilder()
    stream(path, builder.start, builder.end, builder.data)
    return builder.close()


def stream(
    path: Path,
    start: Callable[[str, dict[str, str]], object],
    end: Callable[[str], object] = lambda _: None,
    data: Callable[[str], object] | None = None,
) -> None:
    """Call ``start`` and ``end`` for each element and ``data`` for its text, holding none of them.

    Raises
    ------
    RecordError
        As :func:`parse`.
    """
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, about: start(_local(name), {_local(k): v for k, v in about.items()})
    parser.EndElementHandler = lambda name: end(_local(name))
    if data is not None:
        parser.CharacterDataHandler = data

    def refuse(name: str, *_: object) -> None:
        raise RecordError(str(path), "entity", name[:40], "a file that declares none")

    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = lambda *_: 1  # what lies elsewhere stays there
    try:
        with path.open("rb") as file:
            for chunk in _chunks(file):
                parser.Parse(chunk)
            parser.Parse(b"", True)  # noqa: FBT003  # the end: expat takes no names
    except (expat.ExpatError, OSError, ValueError, LookupError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(str(path), "file", str(error)[:120], "a well-formed XML text") from error


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def number(path: Path, field: str, text: str | None) -> float:
    """Return a finite number, or refuse the text by its field."""
    try:
        value = float(text or "")
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise RecordError(str(path), field, repr(text)[:40], "a finite number")
    return value


def base64_bytes(path: Path, field: str, text: str | None) -> bytes:
    """Return the bytes of a base64 text."""
    try:
        return base64.b64decode("".join((text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RecordError(str(path), field, str(error)[:80], "base64") from error


def rows_of(path: Path, rows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Stack rows of one length, or refuse them by their lengths."""
    lengths = sorted({len(row) for row in rows})
    if len(lengths) != 1 or lengths[0] == 0:
        raise RecordError(str(path), "samples", f"{lengths or 'none'}"[:80], "the same number of samples in each lead")
    return np.stack(rows)
