"""The trainer: stages in order, every update and epoch readable from top to bottom, resumable to the same bits."""

import math
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from biotl.errors import ConfigError, TrainingError
from biotl.training import doctor, guards, optimizers
from biotl.training.checkpoint import SUFFIX, Checkpoint, Store, inherit, save
from biotl.training.config import difference, nearest
from biotl.training.data import Batch, Batches, Task, epoch_parts, mix, move, order
from biotl.training.distributed import World
from biotl.training.evaluate import compiled, counts, evaluate, measure, outputs
from biotl.training.groups import apply, snapshot
from biotl.training.logging import RunLog
from biotl.training.losses import LOSSES
from biotl.training.progress import Mean, Progress, StoppedError, catching
from biotl.training.stages import Config, Stage


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
    """

    def __init__(self, config: Config, task: Task, *, resume: bool = False, world: World | None = None) -> None:
        self.config, self.engine, self.task = config, config.engine, task
        self.world = world or World.join()
        self.device = self.world.device(self.engine.device)
        self.amp = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.engine.amp)
        if self.engine.threads:
            torch.set_num_threads(self.engine.threads)
        self.model = task.model.to(self.device)
        self.forward = compiled(self.model, lambda text: self.log.say(text)) if self.engine.compile else self.model
        self.fresh = snapshot(self.model)
        self.best: dict[str, Tensor] = {}
        self.ema: dict[str, Tensor] = {}
        self.caught: list[int] = []
        self.looked_at: set[str] = set()  # views
        self.store = Store(Path(config.run) / "checkpoints", self.engine.keep_last)
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

    # The run ------------------------------------------------------------------------------------------------------

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
        with self.log, self.world.whole_batch_norm(self.model), catching() as self.caught:
            while self.progress.stage < len(self.config.stages):
                self._stage(self.config.stages[self.progress.stage])
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
        guards.stage_trained(stage, self.model, self.trained, progress.fingerprints)
        self._keep(f"best-{stage.name}", self.best, stage)
        progress.next_stage()
        self._save()

    def _begin(self, stage: Stage) -> None:
        """Bring weights and optimiser to where the stage stands: its beginning, or the checkpoint that is resumed."""
        progress, resumed, self.resumed = self.progress, self.resumed, None
        if stage.view not in self.task.views:
            raise ConfigError(
                f"stage {stage.name}: no view is called {stage.view!r}{nearest(stage.view, self.task.views)}"
            )
        self.view = self.task.views[stage.view]
        self.losses = [LOSSES.build(term) for term in stage.loss]
        self.per_epoch = math.ceil(len(self.view.train) / stage.batch_size)
        if not progress.begun:
            self._initialize(stage)
        self.trained = apply(self.model, stage)
        self.optimizer = optimizers.make(stage, self.trained)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.engine.amp == "fp16")
        self.ema = snapshot(self.model) if stage.ema else {}
        if resumed and progress.begun:
            optimizers.restore(self.optimizer, resumed.part("optimizer"))
            self.scaler.load_state_dict(resumed.state["scaler"])
            self.ema = {name: tensor.to(self.device) for name, tensor in resumed.part("ema").items()}
        guards.learning_rates(stage, self.trained, self.per_epoch)
        guards.shares(stage, self.trained, len(self.view.train), self.world)
        self.gradients = guards.Gradients(stage, self.trained)
        if not progress.begun:
            progress.fingerprints, progress.begun = guards.fingerprints(self.model), True
            self.best = {}
            self._look_first(stage)
            self.log.row("stage", {"stage": stage.name, "step": progress.step, **self.trained.counts(self.model)})
        guards.same_start(self.world, progress.fingerprints.values())
        self.log.stage(stage, self.trained, self.model)
        self.saved_at = time.monotonic()

    def _initialize(self, stage: Stage) -> None:
        step: dict[str, Any] = {"stage": stage.name, "init": stage.init}
        if stage.init == "fresh":
            self.model.load_state_dict(self.fresh)
        elif stage.init == "best":
            self.model.load_state_dict(self.best or self.fresh)
        elif stage.inherits:
            source, report = inherit(self.model, stage)
            step |= {"transfer": asdict(report), "lineage": source.state.get("lineage", [])}
            self.log.say(f"stage {stage.name}: from {stage.init}: {report}")
        self.progress.lineage.append(step)

    def _look_first(self, stage: Stage) -> None:
        """Refuse what is known to be wrong before anything is trained; see `doctor`."""
        for finding in doctor.view_findings(stage, self.task) if stage.view not in self.looked_at else ():
            if finding.level == "error":
                raise TrainingError(finding.message)
            self.log.say(f"warning: {finding.message}")
        self.looked_at.add(stage.view)
        for _, check in doctor.probes(stage, self.model, self.view, self.config.seed):
            check()

    # One epoch ----------------------------------------------------------------------------------------------------

    def _train_epoch(self, stage: Stage) -> None:
        progress, world = self.progress, self.world
        numbers = (self.config.seed, progress.stage, progress.epoch)
        indices = order(len(self.view.train), *numbers)
        parts = epoch_parts(indices, stage.batch_size, stage.accumulate, world.rank, world.size)
        batches = Batches(self.view.train, parts, numbers).load(
            start=progress.update * stage.accumulate, workers=self.engine.workers, pin=self.device.type == "cuda"
        )
        self.trained.train(self.model)
        self.pending: list[Tensor] = []
        self.clock = (time.monotonic(), progress.update)
        for update in self.log.bar(progress.update, self.per_epoch, stage, progress.epoch):
            # every update has random numbers of its own, so that there are none to restore
            torch.manual_seed(mix(*numbers, update, world.rank))
            stop = self._update(stage, [part for _ in range(stage.accumulate) if (part := next(batches)) is not None])
            progress.update, progress.step = update + 1, progress.step + 1
            if stop or progress.update % self.engine.log_every == 0 or progress.update == self.per_epoch:
                self._look_at_losses(stage, indices)
            if stop:
                self._save()
                raise StoppedError(stop)
            if time.monotonic() - self.saved_at >= self.engine.save_every_s:
                self._look_at_losses(stage, indices)
                self._save()

    def _update(self, stage: Stage, parts: list[Batch]) -> int:
        """Take one step of the optimiser on the parts of one batch; return the signal to stop for, 0 for none."""
        progress = self.progress
        ns = [counts(stage, self.losses, part) for part in parts]
        # what each loss is the mean over, in all parts and processes; at the end, how many processes caught a signal
        ours = [sum(column) for column in zip(*ns, strict=True)] or [0.0] * len(self.losses)
        *totals, stopping = self.world.sum_numbers([*ours, float(bool(self.caught))], self.device)
        sums = torch.zeros(len(self.losses), dtype=torch.float64, device=self.device)
        for loaded, n in zip(parts, ns, strict=True):
            part = move(loaded, self.device)
            with torch.autocast(self.device.type, dtype=self.amp, enabled=self.amp is not None):
                out = outputs(self.model, part, self.forward)
                terms = measure(stage, self.losses, out, part)
            shares = [spec.times * k / max(total, 1e-12) for spec, k, total in zip(stage.loss, n, totals, strict=True)]
            loss = torch.stack([term * share for term, share in zip(terms, shares, strict=True)]).sum()
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            sums += torch.stack([term.detach().double() * k for term, k in zip(terms, n, strict=True)])
        self.world.sum_gradients(self.trained.parameters.values())
        if self.gradients.waiting:
            self.gradients.look()
        done = progress.epoch * self.per_epoch + progress.update
        for group in self.optimizer.param_groups:
            group["lr"] = stage.schedule.rate(group["base"], done, self.per_epoch, stage.epochs, progress.plateau_scale)
        progress.lr = self.optimizer.param_groups[-1]["lr"]
        self.scaler.unscale_(self.optimizer)  # clip true gradients, not scaled ones
        if stage.clip_norm:
            clip_grad_norm_(self.trained.parameters.values(), stage.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if stage.ema:
            self._average(stage.ema)
        self.pending.append(torch.cat([self.world.sum(sums), sums.new_tensor(totals)]))
        return max(self.caught, default=int(signal.SIGTERM)) if stopping else 0

    def _average(self, decay: float) -> None:
        for name, tensor in self.model.state_dict().items():
            if tensor.is_floating_point():
                self.ema[name].lerp_(tensor, 1 - decay)
            else:
                self.ema[name].copy_(tensor)

    def _look_at_losses(self, stage: Stage, indices: NDArray[np.int64]) -> None:
        """Fetch the losses since the last look, all at once; one that is not finite is refused with its samples."""
        progress, n = self.progress, len(self.losses)
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
            self.gradients.close()
        trained = snapshot(self.model) if stage.ema else {}
        self.model.load_state_dict(self.ema or self.model.state_dict())
        # the main process's figures decide on all of them
        figures, judged = self.world.share(self._validate(stage)), snapshot(self.model)
        self.model.load_state_dict(trained or judged)
        if not figures:
            self._save()
            raise StoppedError(max(self.caught, default=int(signal.SIGTERM)))
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
        options = {"seed": mix(self.config.seed, self.progress.stage), "workers": self.engine.workers}
        return evaluate(self.model, self.view.validation, stage, stop=lambda: self.caught, **options)

    # What stays ---------------------------------------------------------------------------------------------------

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
        parts = {"model": self.model.state_dict(), "best": self.best, "ema": self.ema}
        parts["optimizer"] = optimizers.tensors(self.optimizer)
        tensors = {f"{part}.{name}": tensor for part, of in parts.items() for name, tensor in of.items()}
        state = self._state() | {"progress": asdict(self.progress), "scaler": self.scaler.state_dict()}
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

    def _state(self) -> dict[str, Any]:
        config = self.config.model_dump(mode="json")
        return {"config": config, "about": self.task.about, "lineage": self.progress.lineage}
