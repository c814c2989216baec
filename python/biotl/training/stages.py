"""A run as data: what each stage trains, at which rates, for how long, by which loss, and what counts as best."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from biotl.config import Named, Section, nearest
from biotl.errors import ConfigError

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str | dict) else value


class Optimizer(Section):
    """Which optimiser; a new one is made for every stage."""

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    weight_decay: NotNegative = 0.01
    betas: tuple[Share, Share] = (0.9, 0.999)
    momentum: NotNegative = 0.9


class Schedule(Section):
    """How the learning rate moves; the warm-up is linear, and every change happens per update.

    ``cosine`` falls from the stage's rate towards `min_lr`, where it would be after the last update; ``plateau``
    multiplies by `factor` after `patience` epochs without a better selection. Neither raises a rate below `min_lr`.
    """

    name: Literal["constant", "cosine", "plateau"] = "constant"
    warmup_epochs: NotNegative = 0.0
    min_lr: NotNegative = 0.0
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    patience: PositiveInt = 3

    def rate(self, base: float, update: int, per_epoch: int, epochs: int, scale: float = 1.0) -> float:
        """Return the learning rate of one update.

        Parameters
        ----------
        base : float
            The rate of the parameter's group.
        update : int
            Counted from 0 at the start of the stage.
        per_epoch, epochs : int
            Updates in an epoch, and epochs in the stage.
        scale : float
            What a plateau has left of the rate.

        Examples
        --------
        >>> schedule = Schedule(name="cosine", warmup_epochs=1)
        >>> [round(schedule.rate(1.0, update, 2, 3), 3) for update in range(6)]
        [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
        """
        warmup = round(self.warmup_epochs * per_epoch)
        if update < warmup:
            return base * (update + 1) / warmup
        floor = min(base, self.min_lr)
        if self.name == "cosine":
            progress = (update - warmup) / max(1, per_epoch * epochs - warmup)
            return floor + (base - floor) * 0.5 * (1 + math.cos(math.pi * progress))
        return max(base * scale, floor)


class Criterion(Section):
    """A metric to select by; beyond `target` it counts no more, so that the next criterion decides."""

    metric: str = "loss"
    mode: Literal["min", "max"] | None = None
    target: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _loss_is_minimised(cls, value: Any) -> Any:
        if not isinstance(value, str | dict):
            return value
        value = {"metric": value} if isinstance(value, str) else dict(value)
        if str(value.get("metric", "loss")).split(".")[0] == "loss":
            value.setdefault("mode", "min")
        if "mode" not in value:
            raise ValueError(f"{value['metric']}: say whether mode is max or min")
        return value

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return what is to be maximised; an undefined value loses against every defined one."""
        if self.metric not in metrics:
            raise ConfigError(f"select: nothing measures {self.metric!r}{nearest(self.metric, metrics)}")
        value = metrics[self.metric]
        if math.isnan(value):
            return -math.inf
        if self.mode == "min":
            return -(value if self.target is None else max(value, self.target))
        return value if self.target is None else min(value, self.target)


class Term(Named):
    """A loss by name and arguments, and how many times it counts."""

    times: float = 1.0


class Stage(Section):
    """One stage of transfer learning.

    ``trains`` names groups of the model (``head``, ``blocks[-2:]``, ``all``; ``channels[ACC_X, ACC_Y]``: of the tensors
    that hold a block for each channel, those of these channels alone); everything else is frozen: parameters, running
    statistics and dropout. ``lr`` is one rate, or a rate by group pattern, of which
    the first that holds a parameter gives its rate. ``layer_decay`` multiplies the rate once for every layer below the
    top. ``batch_size`` counts samples per update over all processes and accumulated parts. ``init`` is ``best`` or
    ``last`` (weights of the stage before), ``fresh`` (as the model was built), or the path of a checkpoint, of which at
    least ``min_share`` of the model's numbers must come; ``inflate`` says where channels start that it does not have.
    """

    name: Annotated[str, Field(pattern=r"^[\w-]+$")]
    view: str = "main"
    trains: Annotated[tuple[str, ...], BeforeValidator(_as_tuple), Field(min_length=1)] = ("all",)
    lr: NotNegative | dict[str, NotNegative] = 1e-3
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    epochs: PositiveInt = 1
    batch_size: PositiveInt = 32
    accumulate: PositiveInt = 1
    clip_norm: Positive | None = 1.0
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    loss: Annotated[tuple[Term, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
    metrics: Annotated[tuple[Named, ...], BeforeValidator(_as_tuple)] = ()
    select: Annotated[tuple[Criterion, ...], BeforeValidator(_as_tuple), Field(min_length=1)] = (Criterion(mode="min"),)
    patience: PositiveInt | None = None
    init: str = "best"
    min_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    inflate: Literal["zero", "mean", "noise"] = "zero"

    @property
    def inherits(self) -> bool:
        """Whether the weights come from the checkpoint of another run."""
        return self.init not in {"best", "last", "fresh"}

    def score(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """Return the selection as a tuple that is larger for a better epoch."""
        return tuple(criterion.score(metrics) for criterion in self.select)


def in_all(stages: Sequence[Stage], epochs: int) -> tuple[Stage, ...]:
    """Return stages of so many epochs in all: each has its own while there are some left, the last one all the rest.

    Examples
    --------
    >>> head, top = (Stage(name=name, loss="mse", epochs=n) for name, n in (("head", 5), ("top", 25)))
    >>> [[stage.epochs for stage in in_all((head, top), total)] for total in (1, 30, 50)]
    [[1], [5, 25], [5, 45]]
    """
    kept: list[Stage] = []
    for stage in stages:
        left = epochs - sum(before.epochs for before in kept)
        if left > 0:
            own = left if stage is stages[-1] else min(stage.epochs, left)
            kept.append(stage.model_copy(update={"epochs": own}))
    return tuple(kept)


def one_of(stages: Sequence[Stage], which: str) -> tuple[Stage, ...]:
    """Return one stage by its name or its number from 1; of ``both`` or ``all`` every one.

    Raises
    ------
    ConfigError
        If there is none, or it begins with the weights of a stage that would not run.

    Examples
    --------
    >>> head, top = (Stage(name=name, loss="mse") for name in ("head", "top"))
    >>> [stage.name for stage in one_of((head, top), "1")]
    ['head']
    """
    if which in {"both", "all"} and which not in {stage.name for stage in stages}:
        return tuple(stages)
    known = {key: stage for number, stage in enumerate(stages, 1) for key in (str(number), stage.name)}
    if which not in known:
        raise ConfigError(f"--stage: got {which!r}, wanted one of {', '.join(known)}, both")
    stage = known[which]
    if stage is not stages[0] and stage.init in {"best", "last"}:
        at = list(stages).index(stage)
        raise ConfigError(
            f"--stage {which}: {stage.name} begins with what stage {stages[at - 1].name} learnt, which does not run: "
            f"--set stages[{at}].init=RUN/checkpoints/best-{stages[at - 1].name}.safetensors takes that of another run"
        )
    return (stage,)


class Engine(Section):
    """How the machine is used; nothing here changes which samples an update sees."""

    device: str = "auto"
    amp: Literal["off", "bf16", "fp16"] = "off"
    workers: Annotated[int, Field(ge=0)] = 0
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    compile: bool = False
    log_every: PositiveInt = 50
    save_every_s: NotNegative = 60.0
    keep_last: Annotated[int, Field(ge=2)] = 2
    keep_every: PositiveInt | None = None
    loggers: tuple[Literal["tensorboard", "mlflow", "trackio"], ...] = ()


class Config(Section):
    """A run: a recipe with its data and model, the engine, and the stages. Recipes narrow `data` and `model`."""

    recipe: str
    run: str = "run"
    seed: Annotated[int, Field(ge=0)] = 0
    data: Any = None
    model: Any = None
    engine: Engine = Engine()
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "Config":
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"stages need names of their own, got {', '.join(names)}")
        return self
