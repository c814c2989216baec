"""A finished run, exported again: its own model file to the byte, another stage, or the encoder alone."""

import json
from pathlib import Path
from typing import Any

from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.store import Store
from biotl.deploy.answer import batches
from biotl.deploy.bundle import Bundle
from biotl.deploy.export import export_checkpoint
from biotl.deploy.metadata import PREFIX
from biotl.errors import RecordError
from biotl.recipes import registry
from biotl.recipes.prep import split
from biotl.recipes.publish import BUNDLE
from biotl.records import Record, read
from biotl.training.checkpoint import SUFFIX

SOME = 3
"""Recordings that a graph is compared with its preprocessing on."""


def export_run(
    run: Path,
    path: Path,
    *,
    stage: str | None = None,
    embeddings: bool = False,
    raw: bool = False,
    causal: bool = False,
    record: Path | None = None,
) -> float:
    """Export the weights of a finished run, with all that its own model file says.

    Parameters
    ----------
    run : Path
        A run folder.
    path : Path
        The ``.onnx`` file to write.
    stage : str, optional
        Whose best epoch; the last stage by default. What was chosen and scored for the last stage does not go with
        another one's weights.
    embeddings : bool
        Export the encoder, whose prediction is an embedding of each unit.
    raw : bool
        Put the preprocessing into the graph, see `biotl.deploy.export.export`.
    causal : bool
        With filters in that graph that run once, forward.
    record : Path, optional
        A recording with the rates that the file is then for; by default recordings of the run.

    Returns
    -------
    float
        How far onnxruntime is from torch, see `biotl.deploy.export.export`.

    Raises
    ------
    RecordError
        If the folder holds no finished run, or no such stage.
    ConfigError
        If no stage up to that one trained what is exported.
    """
    if not (run / BUNDLE).is_file():
        raise RecordError(str(run), BUNDLE, "nothing", "a finished run", "finish it with `biotl finetune`")
    bundle = Bundle.from_json((run / BUNDLE).read_text(encoding="utf-8"), str(run / BUNDLE))
    stages = [str(item["stage"]) for item in bundle.about.lineage]
    chosen = stage or stages[-1]
    if chosen not in stages:
        raise RecordError(str(run), "stage", chosen, f"one of {', '.join(stages)}")
    store = Store(run / "store")
    preprocessor = make_preprocessor(store.spec, bundle.state)
    some = next(batch for name in store.ids for batch in batches(preprocessor, store[name], 4))
    checkpoint = run / "checkpoints" / f"best-{chosen}{SUFFIX}"
    own = bundle if chosen == stages[-1] else None
    recordings = _raw(run, store, record) if raw else ()
    return export_checkpoint(
        checkpoint, path, example=some, bundle=own, embeddings=embeddings, raw=recordings, causal=causal
    )


def _raw(run: Path, store: Store, record: Path | None) -> list[list[Record]]:
    """Return the recordings that a graph is compared on: that one, or some of the run that were learnt from."""
    if record is not None:
        return [[read(record)]]
    config = registry.load(run / "config.resolved.yaml")
    who, known = split(config)
    for name in ("validation", "train"):
        ids = [part.id for part in who.parts[name] if part.id in store.ids][:SOME]
        if ids:
            return [known[id_].read() for id_ in ids]
    raise RecordError(str(run), "split", "no recording", "one to compare graph and preprocessing on", "--record FILE")


def stated(path: Path) -> dict[str, Any]:
    """Return how far a file that takes raw samples says that it is from its preprocessing."""
    import onnx

    found = {item.key: item.value for item in onnx.load(path).metadata_props}
    return dict(json.loads(found[f"{PREFIX}deviation"]))
