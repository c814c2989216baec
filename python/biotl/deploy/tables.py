"""Answers as a file of columns: CSV, or Parquet where pyarrow is installed."""

import csv
import io
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from biotl.errors import ConfigError, MissingExtraError
from biotl.records.atomic import write_bytes

_TEXT = frozenset({"record", "path", "lead", "label", "unit", "abstained"})
_WHOLE = frozenset({"sample", "units"})


def check(path: Path) -> None:
    """Refuse a file that could not be written, before any work is done for it.

    Raises
    ------
    ConfigError
        If its name does not end in .csv or .parquet, it is a folder, or nobody may write there.
    MissingExtraError
        If it is Parquet, and pyarrow is not installed.
    """
    if path.suffix not in {".csv", ".parquet"}:
        raise ConfigError(f"--output: got {path.name}, wanted a name that ends in .csv or .parquet")
    if path.suffix == ".parquet":
        _arrow()
    check_place("--output", path.parent)
    if path.is_dir():
        raise ConfigError(f"--output: {path} is a folder, wanted the name of a file")


def check_place(option: str, folder: Path) -> None:
    """Refuse a folder in which no file could be made, before any work is done for it.

    Raises
    ------
    ConfigError
        If it, or the first folder above that is there, is a file or closed to writing.
    """
    there = next(above for above in (folder, *folder.absolute().parents) if above.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"{option}: {there} is {'closed to writing' if there.is_dir() else 'a file, no folder'}")


def write(rows: Sequence[dict[str, Any]], path: Path, header: Sequence[str]) -> None:
    """Write rows, whole or not at all.

    Parameters
    ----------
    rows : sequence of dict
        As of `Prediction.rows` or `Prediction.event_rows`; may be none.
    path : Path
        As of `check`.
    header : sequence of str
        As of `Prediction.header`.
    """
    if path.suffix == ".csv":
        lines = io.StringIO()
        writer = csv.DictWriter(lines, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_bytes(path, lines.getvalue().encode())
        return
    arrow = _arrow()
    kinds = {name: arrow.string() if name in _TEXT else arrow.int64() if name in _WHOLE else arrow.float64()
             for name in header}  # fmt: skip
    columns = {name: arrow.array([row[name] for row in rows], kind) for name, kind in kinds.items()}
    file = arrow.BufferOutputStream()
    import_module("pyarrow.parquet").write_table(arrow.table(columns), file)
    write_bytes(path, file.getvalue().to_pybytes())


def _arrow() -> Any:
    try:
        return import_module("pyarrow")
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
