"""The run folder: configuration, environment, a line of JSON per measurement, curves; other loggers by extra."""

import json
import math
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, redirect_stdout
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import nn
from tqdm import tqdm

from biotl.config import dump
from biotl.errors import MissingExtraError
from biotl.records.atomic import naming
from biotl.training.checkpoint import write_atomic
from biotl.training.data import Task
from biotl.training.distributed import World
from biotl.training.groups import Trained
from biotl.training.stages import Config, Stage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIBRARIES = ("biotl", "numpy", "torch", "safetensors", "scipy", "wfdb")


def environment(config: Config, task: Task, world: World) -> dict[str, Any]:
    """Return what a run depends on beside its configuration: versions, machine, threads, processes, data hashes."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    sets = {
        f"{name}.{part}": getattr(view, part) for name, view in task.views.items() for part in ("train", "validation")
    }
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": versions,
        "threads": torch.get_num_threads(),
        "processes": world.size,
        "seed": config.seed,
        "command": sys.argv,
        "data": {
            name: {"samples": len(dataset), "sha256": getattr(dataset, "digest", None)}
            for name, dataset in sets.items()
        },
    }


class RunLog:
    """Writes on the main process and is silent on the others; the other loggers are open within its ``with``."""

    def __init__(self, config: Config, task: Task, world: World, history: list[dict[str, Any]]) -> None:
        self.config, self.world, self.history = config, world, history
        self.folder = Path(config.run)
        self.sinks: list[Sink] = []
        self.open = ExitStack()
        if world.main:
            # what a killed run logged after its last checkpoint is dropped: it will happen again
            write_atomic(self.folder / "metrics.jsonl", "".join(map(_line, history)).encode())
            write_atomic(self.folder / "config.resolved.yaml", dump(config).encode())
            write_atomic(self.folder / "env.json", json.dumps(environment(config, task, world), indent=2).encode())

    def __enter__(self) -> Self:
        if self.world.main:
            sinks = [SINKS[name](self.folder, self.config, bool(self.history)) for name in self.config.engine.loggers]
            self.sinks = [self.open.enter_context(sink) for sink in sinks]
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: PYI036 (an ExitStack takes no less)
        self.open.__exit__(*error)
        self.sinks = []

    def say(self, text: str) -> None:
        """Print one line on stderr."""
        if self.world.main:
            tqdm.write(text, file=sys.stderr)

    def stage(self, stage: Stage, trained: Trained, model: nn.Module) -> None:
        """Say what trains, with counts."""
        counts = trained.counts(model)
        groups = ", ".join(f"{name} {n:,}" for name, n in counts["groups"].items())
        self.say(f"stage {stage.name}: trains {counts['trains']:,} of {counts['of']:,} parameters ({groups})")

    def bar(self, start: int, total: int, stage: Stage, epoch: int) -> "tqdm[int]":
        """Yield the updates of an epoch behind a progress bar, where stderr is a terminal."""
        label = f"{stage.name} {epoch + 1}/{stage.epochs}"
        quiet = True if not self.world.main else None  # None: only on a terminal
        return tqdm(range(start, total), label, total, initial=start, leave=False, file=sys.stderr, disable=quiet)

    def row(self, kind: str, row: dict[str, Any]) -> None:
        """Append one measurement to the history, ``metrics.jsonl`` and the other loggers."""
        row = {"kind": kind, **row}
        self.history.append(row)
        if self.world.main:
            path = self.folder / "metrics.jsonl"
            with naming(path), path.open("a", encoding="utf-8") as file:
                file.write(_line(row))
            numbers = dict(_numbers(row))
            for sink in self.sinks if numbers else ():
                sink(numbers, row["step"])

    def draw(self) -> None:
        """Draw the curves."""
        if self.world.main:
            with naming(path := self.folder / "training_curves.png"):
                curves(self.history).savefig(path, dpi=100)


def _line(row: dict[str, Any]) -> str:
    # JSON has no NaN: what is undefined is null
    clean = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
    return json.dumps(clean) + "\n"


def _numbers(row: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if isinstance(value, float) and math.isfinite(value):
            yield f"{row['stage']}/{row['kind']}.{name}", value


def _need(module: str, extra: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(module, extra) from error


Sink = Callable[[dict[str, float], int], object]


@contextmanager
def _tensorboard(folder: Path, _config: Config, _resumed: bool) -> Iterator[Sink]:  # noqa: FBT001
    board = _need("torch.utils.tensorboard", "tensorboard")
    with board.SummaryWriter(str(folder / "tensorboard")) as writer:

        def sink(numbers: dict[str, float], step: int) -> None:
            for name, value in numbers.items():
                writer.add_scalar(name, value, step)
            writer.flush()

        yield sink


@contextmanager
def _mlflow(folder: Path, config: Config, resumed: bool) -> Iterator[Sink]:  # noqa: FBT001
    """Log to the server of ``MLFLOW_TRACKING_URI``, or into the run folder; a run that is resumed stays one."""
    mlflow = _need("mlflow", "mlflow")
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}"))
    mlflow.set_experiment(config.recipe)
    mine = {"biotl.run": str(folder.resolve())}
    query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in mine.items())
    former = mlflow.search_runs(filter_string=query, output_format="list") if resumed else []
    with mlflow.start_run(run_id=former[0].info.run_id if former else None, run_name=folder.name, tags=mine):
        if not former:
            mlflow.log_params(dict(_leaves(config.model_dump(mode="json"))))
        yield lambda numbers, step: mlflow.log_metrics(numbers, step=step)


@contextmanager
def _trackio(folder: Path, config: Config, resumed: bool) -> Iterator[Sink]:  # noqa: FBT001
    trackio = _need("trackio", "trackio")
    settings = config.model_dump(mode="json")
    with redirect_stdout(sys.stderr):  # where it tells of itself; stdout is for results
        trackio.init(project=config.recipe, name=folder.name, config=settings, resume="allow" if resumed else "never")
    try:
        yield lambda numbers, step: trackio.log(numbers, step=step)
    finally:
        with redirect_stdout(sys.stderr):
            trackio.finish()


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a configuration, named as ``--set`` names them but for MLflow's dots instead of brackets."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else None
    if items is None:
        yield path, tree
    else:
        for key, value in items:
            yield from _leaves(value, f"{path}.{key}".lstrip("."))


SINKS: dict[str, Callable[[Path, Config, bool], AbstractContextManager[Sink]]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "trackio": _trackio,
}


def curves(history: list[dict[str, Any]]) -> "Figure":
    """Draw losses and learning rate over epochs, one panel a stage: losses of stages are not comparable."""
    from matplotlib.figure import Figure as Canvas
    from matplotlib.ticker import MaxNLocator

    stages: dict[str, list[dict[str, Any]]] = {}
    for row in history:
        if row["kind"] == "epoch":
            stages.setdefault(row["stage"], []).append(row)
    figure = Canvas(figsize=(max(4.0 * len(stages), 5), 5), layout="constrained")
    panels = figure.subplots(2, max(len(stages), 1), sharex="col", height_ratios=[3, 1], squeeze=False)
    for (top, bottom), (stage, rows) in zip(panels.T, stages.items(), strict=False):
        place = [row["epoch"] + 1 for row in rows]
        top.plot(place, [row["train.loss"] for row in rows], ".-", label="training")
        top.plot(place, [row["loss"] for row in rows], ".-", label="validation")
        best = [row for row in rows if row["best"]][-1:]
        top.plot([r["epoch"] + 1 for r in best], [r["loss"] for r in best], "o", fillstyle="none", label="kept")
        top.set(title=stage, ylabel="loss")
        top.legend()
        bottom.plot(place, [row["lr"] for row in rows], drawstyle="steps-mid")
        bottom.set(ylabel="learning rate", xlabel="epoch", yscale="log")
        bottom.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure
