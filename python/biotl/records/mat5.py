"""Look over a MATLAB file of version 5 before scipy does: it reads past the end where elements do not fit together."""

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from biotl.errors import RecordError

_HEAD = 128
_MATRIX, _COMPRESSED = 14, 15
# bytes of an item of each storage type
_ITEM = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}
_CELL, _STRUCT, _OBJECT, _SPARSE, _NUMBERS = 1, 2, 3, 5, range(6, 16)
_DEPTH = 32
_FREE = 1 << 28  # bytes that any file may unpack to
_RATIO = 2000  # and bytes for each of its own: deflate reaches about 1,000


def check(path: Path, data: bytes) -> None:
    """Refuse a file whose elements contradict their sizes.

    Parameters
    ----------
    path : Path
        The file, for errors.
    data : bytes
        All of it.

    Raises
    ------
    RecordError
        If it is cut short or damaged, or unpacks to more than it may hold.
    """
    order = ">" if data[126:128] == b"MI" else "<"
    try:
        for kind, start, size in _elements(data, _HEAD, len(data), order):
            if kind == _COMPRESSED:
                inner = zlib.decompressobj().decompress(data[start : start + size], max(_FREE, _RATIO * size))
                for part, at, n in _elements(inner, 0, len(inner), order):
                    _matrix(inner, part, at, n, order, 0)
            else:
                _matrix(data, kind, start, size, order, 0)
    except (ValueError, struct.error, zlib.error) as error:
        raise RecordError(str(path), "elements", str(error)[:80], "a whole MATLAB file, not a damaged one") from error


def _elements(data: bytes, at: int, end: int, order: str) -> Iterator[tuple[int, int, int]]:
    """Type, start and size of each element from ``at`` to ``end``."""
    while at + 8 <= end:
        kind, size = struct.unpack_from(f"{order}II", data, at)
        start, after = at + 8, at + 8 + size + (0 if kind == _COMPRESSED else -size % 8)
        if kind >> 16:  # a small element: its size in the upper half, its data in the second word
            kind, size, start, after = kind & 0xFFFF, kind >> 16, at + 4, at + 8
            size = size if size <= 4 else end
        if kind not in _ITEM.keys() | {_MATRIX, _COMPRESSED} or start + size > end:
            raise ValueError(f"element of type {kind} and {size} bytes at byte {at} of {end}")
        yield kind, start, size
        at = after


def _matrix(data: bytes, kind: int, start: int, size: int, order: str, depth: int) -> None:
    if kind != _MATRIX or depth > _DEPTH:
        raise ValueError(f"element of type {kind} at depth {depth}")
    if size == 0:
        return
    parts = list(_elements(data, start, start + size, order))
    kinds = [part[0] for part in parts[:3]]
    # some writers store dimensions without a sign, and names as UTF-8
    if kinds not in ([6, 5, 1], [6, 6, 1], [6, 5, 16]) or parts[0][2] != 8 or parts[1][2] % 4:
        raise ValueError(f"array at byte {start} without flags, dimensions and name")
    about = data[parts[0][1]]
    about = data[parts[0][1] + 3] if order == ">" else about
    dims = struct.unpack_from(f"{order}{parts[1][2] // 4}i", data, parts[1][1])
    n, rest = math.prod(dims), parts[3:]
    if min(dims, default=0) < 0:
        raise ValueError(f"dimensions {dims[:4]}")
    if about in _NUMBERS:
        held = [part[2] // _ITEM.get(part[0], size) for part in rest]
        if len(held) not in (1, 2) or set(held) != {n}:
            raise ValueError(f"{held[:3]} numbers in an array of {dims[:4]}")
    elif about in (_CELL, _STRUCT, _OBJECT):
        if about != _CELL:
            names = rest[about - _STRUCT : about - _STRUCT + 2]  # an object names its class first
            width = struct.unpack_from(f"{order}i", data, names[0][1])[0] if len(names) == 2 and names[0][2] == 4 else 0
            n *= names[1][2] // width if width > 0 else -1
            rest = rest[about - _STRUCT + 2 :]
        if len(rest) != n:
            raise ValueError(f"{len(rest)} arrays in one that holds {n}")
        for inner in rest:
            _matrix(data, *inner, order, depth + 1)
    elif about == _SPARSE and len(rest) not in (3, 4):
        raise ValueError(f"{len(rest)} parts of a sparse array")
