"""The trainer: stages and epochs in order, readable from top to bottom, resumable to the same bits."""

import math
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from biotl.config import difference
from biotl.errors import ConfigError, TrainingError
from biotl.training import doctor, guards
from biotl.training.checkpoint import SUFFIX, Checkpoint, Store, inherit, save, write_atomic
from biotl.training.data import Batch, Batches, Task, epoch_parts, mix, order
from biotl.training.distributed import World
from biotl.training.evaluate import compiled, evaluate
from biotl.training.groups import snapshot
from biotl.training.learner import Learner
from biotl.training.lock import lock
from biotl.training.logging import RunLog
from biotl.training.memory import keep_freed
from biotl.training.progress import Mean, Progress, StoppedError, catching
from biotl.training.stages import Config, Stage

Hook = Callable[[str, "Trainer"], object]


@dataclass(frozen=True)
class Result:
    """What a run leaves: the model with the best weights of its last stage, the best epoch of each, the history."""

    model: nn.Module
    best: dict[str, dict[str, Any]]
    history: list[dict[str, Any]]
    folder: Path


class Trainer:
    """Runs the stages of a configuration on a task.

    Parameters
    ----------
    config : Config
        The run as data.
    task : Task
        Model and data views. Build the model the same way (seeded) when a run is resumed.
    resume : bool
        Go on from the newest whole checkpoint of the run folder, where there is one.
    world : World, optional
        The processes of the run; by default those of torchrun, or this one.
    hook : callable, optional
        Called with the name of an event and the trainer: ``begin`` (a stage has its weights and nothing is trained),
        ``update``, ``validate`` (before each) and ``keep`` (weights to use were written). It may `stop` the run.
    """

    def __init__(
        self,
        config: Config,
        task: Task,
        *,
        resume: bool = False,
        world: World | None = None,
        hook: Hook = lambda _event, _trainer: None,
    ) -> None:
        self.config, self.engine, self.task, self.hook = config, config.engine, task, hook
        self.world = world or World.join()
        self.device = self.world.device(self.engine.device)
        self.amp = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.engine.amp)
        if self.engine.threads:
            torch.set_num_threads(self.engine.threads)
        keep_freed()
        guards.names(config.stages, task.model, task.views)
        self.model = task.model.to(self.device)
        self.forward = compiled(self.model, lambda text: self.log.say(text)) if self.engine.compile else self.model
        self.fresh = snapshot(self.model)
        self.best: dict[str, Tensor] = {}
        self.caught: list[int] = []
        self.looked_at: set[str] = set()  # views
        self.store = Store(Path(config.run) / "checkpoints", self.engine.keep_last)
        self.lock = lock(Path(config.run)) if self.world.main else None
        self.resumed = self._find(resume)
        self.progress = Progress.read(self.resumed.state["progress"]) if self.resumed else Progress()
        if self.world.main:
            self.store.open()
        self.log = RunLog(config, task, self.world, self.progress.history)

    def _find(self, resume: bool) -> Checkpoint | None:  # noqa: FBT001
        """Return the checkpoint to go on from; refuse to overwrite a run, or to go on with another configuration."""
        if not resume:
            if self.store.lasts():
                raise ConfigError(f"{self.config.run} holds a run: go on with --resume, or choose another run folder")
            return None
        found = self.store.newest(quarantine=self.world.main)
        now = self.config.model_dump(mode="json")
        then = found.state["config"] if found else now
        pairs = [(then[name], now[name], name) for name in ("seed", "data", "model", "stages")]
        # the rest of the engine may change, as when a run goes on with more workers or on another machine
        for pair in [*pairs, (then["engine"]["amp"], now["engine"]["amp"], "engine.amp")]:
            if changed := difference(*pair):
                raise ConfigError(f"resume: {changed}; finish the run as it began, or choose another run folder")
        return found

    def stop(self, signum: int = signal.SIGTERM) -> None:
        """End the run after the update in work, with a checkpoint, as that signal would."""
        self.caught.append(signum)

    def fit(self) -> Result:
        """Run what is left of the stages.

        Raises
        ------
        TrainingError
            If a guard refuses (see `guards`), or a checkpoint cannot be written.
        StoppedError
            After SIGTERM or SIGINT, once a checkpoint is written.
        """
        if self.resumed:
            self.model.load_state_dict(self.resumed.part("model"))
            self.best = {name: tensor.to(self.device) for name, tensor in self.resumed.part("best").items()}
        with self.log, self.world.whole_batch_norm(self.model), catching(self.caught):
            while self.progress.stage < len(self.config.stages):
                self._stage(self.config.stages[self.progress.stage])
            if any(self.world.sum_numbers([float(bool(self.caught))], self.device)):
                raise StoppedError(self._signal)
        self.model.load_state_dict(self.best)
        self.log.draw()
        best = {row["stage"]: row for row in self.progress.history if row["kind"] == "epoch" and row["best"]}
        return Result(self.model, best, self.progress.history, Path(self.config.run))

    def _stage(self, stage: Stage) -> None:
        self._begin(stage)
        progress = self.progress
        while progress.epoch < stage.epochs and progress.bad_epochs < (stage.patience or math.inf):
            self._train_epoch(stage)
            self._close_epoch(stage)
        guards.stage_trained(stage, self.model, self.learner.trained, progress.fingerprints)
        self._keep(f"best-{stage.name}", self.best, stage)
        progress.next_stage()
        self._save()

    def _begin(self, stage: Stage) -> None:
        """Bring weights and optimiser to where the stage stands: its beginning, or the checkpoint that is resumed."""
        progress, resumed, self.resumed = self.progress, self.resumed, None
        self.view = self.task.views[stage.view]
        self.per_epoch = math.ceil(len(self.view.train) / stage.batch_size)
        if not progress.begun:
            self._initialize(stage)
        self.learner = Learner(stage, self.model, self.forward, self.per_epoch, amp=self.amp, world=self.world)
        if resumed and progress.begun:
            self.learner.restore(resumed)
        guards.learning_rates(stage, self.learner.trained, self.per_epoch)
        guards.shares(stage, self.learner.trained, len(self.view.train), self.world)
        if not progress.begun:
            self._look_first(stage)
            progress.trained = sorted({*progress.trained, *self.learner.trained.parameters})
            progress.fingerprints, progress.begun = guards.fingerprints(self.model), True
            self.best = {}
            self.log.row(
                "stage", {"stage": stage.name, "step": progress.step, **self.learner.trained.counts(self.model)}
            )
        guards.same_start(self.world, progress.fingerprints.values())
        self.log.stage(stage, self.learner.trained, self.model)
        self.saved_at = time.monotonic()
        self.hook("begin", self)

    def _initialize(self, stage: Stage) -> None:
        step: dict[str, Any] = {"stage": stage.name, "init": stage.init}
        if stage.init == "fresh":
            self.model.load_state_dict(self.fresh)
            self.progress.trained = []
        elif stage.init == "best":
            self.model.load_state_dict(self.best or self.fresh)
        elif stage.inherits:
            source, report = inherit(self.model, stage)
            step |= {"transfer": asdict(report), "lineage": source.state.get("lineage", [])}
            # what came of another program is taken to be trained: it says nothing of it
            learnt = source.state.get("trained", report.came)
            self.progress.trained = sorted(set(learnt) & set(report.came))
            self.log.say(f"stage {stage.name}: from {stage.init}: {report}")
            if self.world.main:
                write_atomic(Path(self.config.run) / f"transfer-{stage.name}.csv", report.table().encode())
        self.progress.lineage.append(step)

    def _look_first(self, stage: Stage) -> None:
        """Refuse what is known to be wrong before anything is trained; see `doctor`."""
        found = [] if self.looked_at else list(doctor.model_findings(self.model))
        if stage.view not in self.looked_at:
            found += doctor.view_findings(stage, self.task, lambda: self.caught)
        if self.caught:
            raise StoppedError(self._signal)  # nothing has happened since the last checkpoint
        for finding in found:
            if finding.level == "error":
                raise TrainingError(finding.message)
            self.log.say(f"warning: {finding.message}")
        self.looked_at.add(stage.view)
        for _, check in doctor.probes(stage, self.model, self.view, self.config.seed):
            check()

    def _train_epoch(self, stage: Stage) -> None:
        progress, world = self.progress, self.world
        numbers = (self.config.seed, progress.stage, progress.epoch)
        indices = order(len(self.view.train), *numbers)
        parts = epoch_parts(indices, stage.batch_size, stage.accumulate, world.rank, world.size)
        batches = Batches(self.view.train, parts, numbers).load(
            start=progress.update * stage.accumulate, workers=self.engine.workers, pin=self.device.type == "cuda"
        )
        self.learner.trained.train(self.model)
        self.pending: list[Tensor] = []
        self.clock = (time.monotonic(), progress.update)
        for update in self.log.bar(progress.update, self.per_epoch, stage, progress.epoch):
            # every update has random numbers of its own, so that there are none to restore
            torch.manual_seed(mix(*numbers, update, world.rank))
            stop = self._update([part for _ in range(stage.accumulate) if (part := next(batches)) is not None])
            progress.update, progress.step = update + 1, progress.step + 1
            if stop or progress.update % self.engine.log_every == 0 or progress.update == self.per_epoch:
                self._look_at_losses(stage, indices)
            if stop:
                self._save()
                raise StoppedError(stop)
            if time.monotonic() - self.saved_at >= self.engine.save_every_s:
                self._look_at_losses(stage, indices)
                self._save()

    def _update(self, parts: list[Batch]) -> int:
        """Learn from the parts of one batch; return the signal to stop for, 0 for none."""
        progress = self.progress
        self.hook("update", self)
        done = progress.epoch * self.per_epoch + progress.update
        losses, stop = self.learner.update(parts, done, progress.plateau_scale, stop=bool(self.caught))
        progress.lr = self.learner.lr
        self.pending.append(losses)
        return self._signal if stop else 0

    @property
    def _signal(self) -> int:
        """The signal to stop for, which another process may have got."""
        return max(self.caught, default=int(signal.SIGTERM))

    def _look_at_losses(self, stage: Stage, indices: NDArray[np.int64]) -> None:
        """Fetch the losses since the last look, all at once; one that is not finite is refused with its samples."""
        progress, n = self.progress, len(stage.loss)
        values = torch.stack(self.pending).tolist() if self.pending else []
        for update, value in enumerate(values, progress.update - len(values)):
            samples = indices[update * stage.batch_size : (update + 1) * stage.batch_size].tolist()
            where = f"epoch {progress.epoch}, update {update}, samples {samples}"
            guards.update_loss(stage, value[:n], value[n:], where, first=progress.epoch + update == 0)
            for mean in (progress.epoch_loss, progress.window_loss):
                mean.add(value[:n], value[n:])
        self.pending.clear()
        if progress.window_loss.sums and (
            progress.update % self.engine.log_every == 0 or progress.update == self.per_epoch
        ):
            self._row("update", stage, progress.window_loss.figures(stage))
            progress.window_loss = Mean()

    def _close_epoch(self, stage: Stage) -> None:
        """Validate, judge, keep."""
        progress, (began, first) = self.progress, self.clock
        speed = (progress.update - first) * stage.batch_size / max(time.monotonic() - began, 1e-9)
        if progress.epoch == 0:
            self.learner.gradients.close()
        with self.learner.averaged():
            # the main process's figures decide on all of them
            figures, judged = self.world.share(self._validate(stage)), snapshot(self.model)
        if not figures:
            self._save()
            raise StoppedError(self._signal)
        figures = progress.epoch_loss.figures(stage, "train.") | figures
        better = progress.judge(stage, figures)
        self._row("epoch", stage, figures | {"best": better, "samples_per_s": speed})
        chosen = {"train": "train.loss", "loss": "loss"} | {c.metric: c.metric for c in stage.select}
        line = "  ".join(f"{label} {figures[name]:.4f}" for label, name in chosen.items())
        self.log.say(f"{stage.name} {progress.epoch + 1}/{stage.epochs}  {line}{'  best' if better else ''}")
        if better:
            self.best = judged
            self._keep(f"best-{stage.name}", self.best, stage)
        if self.engine.keep_every and (progress.epoch + 1) % self.engine.keep_every == 0:
            self._keep(f"epoch-{stage.name}-{progress.epoch + 1:04d}", judged, stage)
        progress.next_epoch()
        self._save()

    def _validate(self, stage: Stage) -> dict[str, float]:
        """Return the figures on the validation data; empty where a signal came."""
        self.hook("validate", self)
        options = {"seed": mix(self.config.seed, self.progress.stage), "workers": self.engine.workers}
        return evaluate(self.model, self.view.validation, stage, stop=lambda: self.caught, **options)

    def _row(self, kind: str, stage: Stage, figures: dict[str, Any]) -> None:
        at = {
            "stage": stage.name,
            "epoch": self.progress.epoch,
            "step": self.progress.step,
            "lr": self.progress.lr,
        }
        self.log.row(kind, at | figures)

    def _save(self) -> None:
        """Write everything that the run needs to go on from here."""
        self.saved_at = time.monotonic()
        if not self.world.main:
            return
        parts = {"model": self.model.state_dict(), "best": self.best, **self.learner.tensors()}
        tensors = {f"{part}.{name}": tensor for part, of in parts.items() for name, tensor in of.items()}
        state = self._state() | {"progress": asdict(self.progress), **self.learner.state()}
        self.store.save_last(Checkpoint(tensors, state))

    def _keep(self, name: str, weights: dict[str, Tensor], stage: Stage) -> None:
        """Write weights to use, with all that explains them."""
        if self.world.main:
            tensors = {f"model.{key}": tensor for key, tensor in weights.items()}
            rows = [row for row in self.progress.history if row["kind"] == "epoch"]
            metrics: dict[str, Any] = next(
                (row for row in reversed(rows) if row["stage"] == stage.name and row["best"]), {}
            )
            save(
                self.store.folder / f"{name}{SUFFIX}",
                Checkpoint(tensors, self._state() | {"metrics": metrics, "history": rows}),
            )
        self.hook("keep", self)

    def _state(self) -> dict[str, Any]:
        config = self.config.model_dump(mode="json")
        lineage, trained = self.progress.lineage, self.progress.trained
        return {"config": config, "about": self.task.about, "lineage": lineage, "trained": trained}
