"""Answers in a file, ``answers.npz``: scored again, reported again or set against another run without predicting."""

import io
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from biotl.errors import RecordError
from biotl.records.atomic import write_bytes
from biotl.scoring.answers import Answered

ANSWERS = "answers.npz"
"""What the file is called in a run folder."""
VALIDATION = "validation.npz"
"""The same of the recordings that the decision was chosen on."""
_FIELDS = ("span", "truth", "missed", "probability", "low", "high")


def write(answered: Sequence[Answered], path: Path) -> None:
    """Write test recordings with every answer, whole or not at all.

    Parameters
    ----------
    answered : sequence of Answered
        What was answered.
    path : Path
        Such as ``run/answers.npz``.

    Examples
    --------
    >>> of = Answered("100", "", "window", 1.0, np.array([[0, 10]]), np.array([1]), {"m": np.array([1])})
    >>> path = getfixture("tmp_path") / "answers.npz"
    >>> write([of], path)
    >>> read(path)[0].answers
    {'m': array([1])}
    """
    index: list[dict[str, Any]] = []
    arrays: dict[str, Any] = {}
    for k, of in enumerate(answered):
        index.append({"id": of.id, "subject": of.subject, "unit": of.unit, "fs": of.fs, "models": list(of.answers)})
        arrays |= {f"{k}.{name}": found for name in _FIELDS if (found := getattr(of, name)) is not None}
        arrays |= {f"{k}.answer.{m}": answer for m, answer in enumerate(of.answers.values())}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, index=np.frombuffer(json.dumps(index).encode(), np.uint8), **arrays)
    write_bytes(path, buffer.getvalue())


def read_run(folder: Path) -> tuple[list[Answered], dict[str, Any]]:
    """Read what a finished run answered, and its ``results.json``.

    Raises
    ------
    RecordError
        If the folder holds no finished run.
    """
    path = folder / "results.json"
    try:
        tree: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        wanted = "the figures of a finished run"
        raise RecordError(str(path), "results", "none", wanted, "finish it with `biotl finetune`") from None
    return read(folder / ANSWERS), tree


def read(path: Path) -> list[Answered]:
    """Read what `write` wrote.

    Raises
    ------
    RecordError
        If there is no such file, or it is not whole.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            index = json.loads(file["index"].tobytes())
            return [
                Answered(
                    row["id"],
                    row["subject"],
                    row["unit"],
                    row["fs"],
                    answers={name: file[f"{k}.answer.{m}"] for m, name in enumerate(row["models"])},
                    **{name: file[f"{k}.{name}"] for name in _FIELDS if f"{k}.{name}" in file},
                )
                for k, row in enumerate(index)
            ]
    except FileNotFoundError:
        raise RecordError(str(path), "answers", "no such file", "the answers of a finished run") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise RecordError(str(path), "answers", type(error).__name__, "the answers of a finished run") from None
