"""Libraries of others: brought in when a file asks for one, and what they make of damage said in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from biotl.errors import BiotlError, MissingExtraError, RecordError


def bring(module: str, extra: str) -> Any:
    """Import a library.

    Raises
    ------
    MissingExtraError
        If it is not installed; `extra` brings it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(module.partition(".")[0], extra) from error


@contextmanager
def refused(where: str | Path, wanted: str, hint: str = "", *, field: str = "file") -> Iterator[None]:
    """Turn whatever a library meets damage with, each with exceptions of its own, into one refusal.

    Parameters
    ----------
    where : str or Path
        The file.
    wanted, hint, field : str
        See `RecordError`.

    Raises
    ------
    RecordError
        Naming the library's exception.

    Examples
    --------
    >>> with refused("a.edf", "an EDF file"):
    ...     {}["version"]
    Traceback (most recent call last):
    biotl.errors.RecordError: a.edf: file: got KeyError: 'version', wanted an EDF file
    """
    try:
        yield
    except BiotlError:
        raise
    except Exception as error:
        got = " ".join(f"{type(error).__name__}: {error}".split())[:120]
        raise RecordError(str(where), field, got, wanted, hint) from error
