"""Where a run stands: with the tensors all that resuming needs, for orders and random numbers follow from it."""

import math
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from biotl.errors import TrainingError
from biotl.training.stages import Stage


class StoppedError(TrainingError):
    """The run was asked to stop, and left a clean checkpoint."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name} after a clean checkpoint; go on with --resume")
        self.exit_code = 128 + signum


@contextmanager
def catching(caught: list[int], signals: Sequence[int] = (signal.SIGINT, signal.SIGTERM)) -> Iterator[None]:
    """Collect these signals in a list; a second one ends the process as it would without biotl.

    Only the main thread can do this; in another one the list stays as it is.
    """
    former: dict[int, Any] = {}

    def note(signum: int, _frame: FrameType | None) -> None:
        caught.append(signum)
        for number, handler in former.items():
            signal.signal(number, handler)

    try:
        former |= {number: signal.signal(number, note) for number in signals}
    except ValueError:
        former.clear()
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@dataclass
class Mean:
    """Sums and counts of each loss term, from which a mean over any number of updates comes."""

    sums: list[float] = field(default_factory=list)
    counts: list[float] = field(default_factory=list)

    def add(self, sums: Sequence[float], counts: Sequence[float]) -> None:
        """Take in one update or batch."""
        self.sums = [a + b for a, b in zip(self.sums or [0.0] * len(sums), sums, strict=True)]
        self.counts = [a + b for a, b in zip(self.counts or [0.0] * len(counts), counts, strict=True)]

    def figures(self, stage: Stage, prefix: str = "") -> dict[str, float]:
        """Return ``loss``, and each term by name if there are several; NaN where nothing counted."""
        means = [s / n if n else math.nan for s, n in zip(self.sums, self.counts, strict=True)]
        total = sum(term.times * mean for term, mean in zip(stage.loss, means, strict=False)) if means else math.nan
        parts = {f"{prefix}loss.{term.name}": mean for term, mean in zip(stage.loss, means, strict=False)}
        return {f"{prefix}loss": total} | (parts if len(parts) > 1 else {})


@dataclass
class Progress:
    """Position, selection, and what has happened so far; plain JSON."""

    stage: int = 0
    epoch: int = 0
    update: int = 0  # updates done in this epoch
    step: int = 0  # updates done in the run
    lr: float = 0.0  # of the last update, for the group nearest the output
    begun: bool = False  # whether the stage has its initial weights
    epoch_loss: Mean = field(default_factory=Mean)
    window_loss: Mean = field(default_factory=Mean)
    best: list[float] | None = None
    best_epoch: int = -1
    bad_epochs: int = 0
    plateau_bad: int = 0
    plateau_scale: float = 1.0
    fingerprints: dict[str, str] = field(default_factory=dict)  # of every tensor as the stage began
    history: list[dict[str, Any]] = field(default_factory=list)
    lineage: list[dict[str, Any]] = field(default_factory=list)
    trained: list[str] = field(default_factory=list)  # parameters that some stage has trained, since they were drawn

    @classmethod
    def read(cls, state: dict[str, Any]) -> "Progress":
        """Return the progress that `dataclasses.asdict` gave."""
        means = {name: Mean(**state[name]) for name in ("epoch_loss", "window_loss")}
        return cls(**(state | means))

    def judge(self, stage: Stage, figures: dict[str, float]) -> bool:
        """Say whether an epoch is the best so far; ties go to the earlier one, and the first is better than none."""
        score = list(stage.score(figures))
        better = self.best is None or score > self.best
        if better:
            self.best, self.best_epoch = score, self.epoch
        self.bad_epochs = 0 if better else self.bad_epochs + 1
        self.plateau_bad = 0 if better else self.plateau_bad + 1
        if stage.schedule.name == "plateau" and self.plateau_bad > stage.schedule.patience:
            self.plateau_scale *= stage.schedule.factor
            self.plateau_bad = 0
        return better

    def next_epoch(self) -> None:
        """Step to the next epoch."""
        self.epoch, self.update, self.epoch_loss, self.window_loss = self.epoch + 1, 0, Mean(), Mean()

    def next_stage(self) -> None:
        """Step to the next stage; history and lineage go with it."""
        went = {name: getattr(self, name) for name in ("step", "history", "lineage", "trained")}
        self.__dict__.update(Progress(stage=self.stage + 1, **went).__dict__)
