"""What a finished run on steps leaves beside the rest: the documented history, and a picture of each test recording."""

import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from biotl.deploy.answer import Forward, answer
from biotl.deploy.decision import Decision, Value
from biotl.recipes.minutes import by_minutes
from biotl.recipes.units import reference, within
from biotl.records.atomic import write_bytes, write_text
from biotl.report import figures
from biotl.report.robustness import keep

if TYPE_CHECKING:
    from biotl.recipes.recipe import Ready

MOST = 24
"""Pictures of so many test recordings, the first ones."""


def leave(ready: "Ready", run: Forward, decision: Decision) -> None:
    """Write ``training_history.json``, ``predictions/ID.png``, and the table by minutes where a channel is lagged."""
    folder = Path(ready.config.run)
    log = folder / "metrics.jsonl"
    if ready.config.stages and log.is_file():
        rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        sizes = {stage.name: stage.batch_size for stage in ready.config.stages}
        write_text(folder / "training_history.json", json.dumps(history(rows, sizes), indent=1))
    draw(ready, run, decision, folder / "predictions")
    if (panels := by_minutes(ready, run, decision)) is not None:
        keep(folder, panels)


def history(rows: Sequence[Mapping[str, Any]], sizes: Mapping[str, int]) -> dict[str, list[Any]]:
    """Return the numbers of each epoch by the documented keys, all stages one after the other, and whose they are.

    Examples
    --------
    >>> row = {"kind": "epoch", "stage": "top", "train.loss": 9.0, "loss": 8.0, "lr": 5e-4, "step": 10}
    >>> history([{**row, "samples_per_s": 20.0}], {"top": 4})
    {'train_loss': [9.0], 'val_loss': [8.0], 'learning_rate': [0.0005], 'stage': ['top'], 'epoch_time': [2.0]}
    """
    epochs = [row for row in rows if row["kind"] == "epoch"]
    keys = {"train_loss": "train.loss", "val_loss": "loss", "learning_rate": "lr", "stage": "stage"}
    updates = np.diff([0, *(row["step"] for row in epochs)]).tolist()
    seconds = [n * sizes[row["stage"]] / row["samples_per_s"] for n, row in zip(updates, epochs, strict=True)]
    return {key: [row[name] for row in epochs] for key, name in keys.items()} | {"epoch_time": seconds}


def draw(ready: "Ready", run: Forward, decision: Decision, folder: Path) -> None:
    """Draw answers over time beside the reference, a picture a test recording."""
    for part in ready.parts("test")[:MOST]:
        prepared = ready.store[part.id]
        said, of = answer(ready.preprocessor, decision, prepared, run), reference(ready, part)
        told = said.value[within(part, said.span, prepared.samples)]
        apart = np.abs(of.truth - told)
        if not np.isfinite(apart).any():
            continue
        unit = decision.unit if isinstance(decision, Value) else ""
        title = f"{part.id}: MAE {np.nanmean(apart):.1f} {unit}"
        picture = io.BytesIO()
        figures.trace(of.span[:, 0] / of.fs, of.truth, told, title, unit, None).savefig(picture, dpi=150)
        write_bytes(folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', part.id)}.png", picture.getvalue())
