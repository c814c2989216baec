"""The first half of the path, without torch: who is on which part of the split, and every recording prepared once."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from biotl.datasets import samples
from biotl.datasets.manifest import Entry
from biotl.datasets.prepare import prepare_store
from biotl.datasets.splits import Split, make_split
from biotl.errors import ConfigError
from biotl.recipes.recipe import Ready, RunConfig, entries
from biotl.recipes.registry import find
from biotl.records.atomic import write_text
from biotl.training.lock import locked


def split(config: RunConfig) -> tuple[Split, dict[str, Entry]]:
    """List the recordings, and say who is learnt from, chosen by and judged on; no recording is read.

    Returns
    -------
    Split, dict of str to Entry
        The split, and every recording by its id.
    """
    found = entries(config)
    return make_split(found, config.data.split, seed=config.seed), {entry.id: entry for entry in found}


def prepare(
    config: RunConfig,
    *,
    executor: Executor | None = None,
    threads: int | None = None,
    shard: tuple[int, int] | None = None,
    needs: Sequence[str] = (),
) -> Ready:
    """Read and prepare every recording of the split, once: what lies whole in the run folder is opened.

    Parameters
    ----------
    config : RunConfig
        The run.
    executor, threads, shard
        See `biotl.datasets.store.prepare_store`.
    needs : sequence of str
        The parts of the split that may not be empty: what is wanted in the end is asked for before any work.

    Returns
    -------
    Ready
        With a preprocessor that is not fitted yet, see `fit`.
    """
    recipe, (who, known) = find(config.recipe), split(config)
    for name in needs:
        if not who.parts[name]:
            raise ConfigError(_none(name, f"the split ({who.how}) gives it none"))
    # in the order of the recordings, not of the split: the folds of one data set then share what is prepared
    named = {part.id for parts in who.parts.values() for part in parts}
    used = [entry for name, entry in known.items() if name in named]
    unfitted, target, folder = recipe.preprocessor(config), recipe.target(config, used), Path(config.run)
    # a run under way reads what lies there; of several processes of one run the main one holds the lock for all
    alone = locked(folder, shared=shard is not None) if _one_process() else nullcontext()
    with alone, main_first(), tqdm(total=len(used), desc="prepare", unit="recording", file=sys.stderr) as bar:
        write_text(folder / "split.json", who.to_json())
        store, refused = prepare_store(
            used, unfitted, target, folder / "store", executor=executor, threads=threads, shard=shard, done=bar.update
        )
    return Ready(recipe, config, known, who, unfitted, target, store, refused)


def fit(ready: Ready, *, needs: Sequence[str] = ("train", "validation")) -> Ready:
    """Fit the preprocessor on the training recordings.

    Parameters
    ----------
    ready : Ready
        What `prepare` gave.
    needs : sequence of str
        The parts of the split that may not be empty.

    Raises
    ------
    ConfigError
        If one of them is, with the first reason, or has no unit whose answer is known.
    """
    for name in needs:
        if not ready.parts(name):
            none = f"the split ({ready.split.how}) gives it none"
            raise ConfigError(_none(name, ready.refused[0] if ready.split.parts[name] else none))
        if not any(_known(ready.store.targets(part.id)) for part in ready.parts(name)):
            unit = ready.preprocessor.unit
            raise ConfigError(
                f"no {unit} of the {name} recordings has a reference: what is stated of a stretch counts where it "
                f"covers more than half of a {unit}; see data.column, data.classes and the length of a {unit}"
            )
    # of a recording that is split in time only the stretch that is learnt from: a scaler must not see what comes after
    fitted = samples.fit(ready.store, ready.preprocessor, ready.parts("train"), seed=ready.config.seed)
    return replace(ready, preprocessor=fitted)


def _none(name: str, why: object) -> str:
    return f"no {name} recording is left: {why}"


def _known(targets: Mapping[str, Any]) -> bool:
    """Say whether an answer is known of any unit; of what learns from the signal itself none has to be."""
    if "labels" in targets:
        return bool((targets["labels"] >= 0).any())
    return "mask" not in targets or bool(targets["mask"].any())


def describe(ready: Ready) -> list[dict[str, Any]]:
    """Return one row a recording: its part of the split, its units, how many have each label, and what was left out."""
    rows = []
    for name, parts in ready.split.parts.items():
        for part in parts:
            if part.id not in ready.store.ids:
                continue
            targets = ready.store.targets(part.id)
            row: dict[str, Any] = {"split": name, "recording": part.id, "subject": ready.entries[part.id].subject}
            row |= {f"{ready.preprocessor.unit}s": len(ready.preprocessor.units(ready.store[part.id]))}
            if "labels" in targets:
                row |= {label: int((targets["labels"] == k).sum()) for k, label in enumerate(ready.target.labels)}
            elif "mask" in targets:
                row |= {"with a value": int(targets["mask"].sum())}
            if left := ready.store.about(part.id).get("left out"):
                row |= {"left out": ", ".join(f"{n} {reason}" for reason, n in left.items())}
            rows.append(row | ({"missed": len(targets["missed"])} if "missed" in targets else {}))
    return rows


def _one_process() -> bool:
    return os.environ.get("WORLD_SIZE", "1") == "1"


@contextmanager
def main_first() -> Iterator[None]:
    """Let the main process of several through before the others, who then find the files that it made."""
    if _one_process():
        yield
        return
    from biotl.training.distributed import World  # brings torch, which one process does without here

    with World.join().main_first():
        yield
