"""Answers as a file of columns: CSV, or Parquet where pyarrow is installed."""

import csv
import io
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
        If its name does not end in .csv or .parquet.
    MissingExtraError
        If it is Parquet, and pyarrow is not installed.
    """
    if path.suffix not in {".csv", ".parquet"}:
        raise ConfigError(f"--output: got {path.name}, wanted a name that ends in .csv or .parquet")
    if path.suffix == ".parquet":
        _arrow()


def write(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write rows, whole or not at all; the columns are those of the first.

    Parameters
    ----------
    rows : sequence of dict
        As of `Prediction.rows` or `Prediction.event_rows`; at least one.
    path : Path
        As of `check`.
    """
    if path.suffix == ".csv":
        lines = io.StringIO()
        writer = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_bytes(path, lines.getvalue().encode())
        return
    arrow = _arrow()
    kinds = {name: arrow.string() if name in _TEXT else arrow.int64() if name in _WHOLE else arrow.float64()
             for name in rows[0]}  # fmt: skip
    columns = {name: arrow.array([row[name] for row in rows], kind) for name, kind in kinds.items()}
    file = arrow.BufferOutputStream()
    import_module("pyarrow.parquet").write_table(arrow.table(columns), file)
    write_bytes(path, file.getvalue().to_pybytes())


def _arrow() -> Any:
    try:
        return import_module("pyarrow")
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
