"""What results and streams have in common: results compare and print in one line, streams copy whole or not at all."""

from __future__ import annotations

import copy
from dataclasses import fields
from typing import Any, NoReturn, Self

import numpy as np

from biotl.errors import SignalError

# a line that a terminal shows whole
WIDTH = 160


class Result:
    """Base of the frozen dataclasses of arrays that kernels return: equal by value, NaN equal to NaN."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(same(value, getattr(other, name)) for name, value in values(self))

    def __repr__(self) -> str:
        return line(type(self).__name__, values(self))


def values(result: Any) -> list[tuple[str, Any]]:
    """Return the fields of a dataclass by name."""
    return [(field.name, getattr(result, field.name)) for field in fields(result)]


def same(a: Any, b: Any) -> bool:
    """Return whether two fields are equal, arrays value by value."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f" and b.dtype.kind == "f")
    return bool(a == b)


def line(name: str, fields_: list[tuple[str, Any]]) -> str:
    """Return a representation in one line, the last fields left out where they are too many."""
    shown = ""
    for field, value in fields_:
        part = f"{', ' if shown else ''}{field}={brief(value)}"
        if len(name) + len(shown) + len(part) > WIDTH:
            return f"{name}({shown}, ...)"
        shown += part
    return f"{name}({shown})"


def brief(value: Any) -> str:
    """Return an array, or anything else, in a few words."""
    if isinstance(value, np.ndarray):
        text = np.array2string(value, threshold=4, edgeitems=2, precision=4, separator=" ", max_line_width=10**6)
        return (
            text if value.ndim < 2 and value.size <= 4 else f"{' '.join(text.split())[:60]} {value.dtype}{value.shape}"
        )
    if isinstance(value, Result):
        first = values(value)[0][1]
        return f"{type(value).__name__}[{len(first)}]"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]} ..."


class Stream:
    """Base of the streams: a copy is a stream of its own from there on."""

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise SignalError(
            f"{type(self).__name__}: a stream cannot be pickled; make one in each process and push the signal there"
        )
