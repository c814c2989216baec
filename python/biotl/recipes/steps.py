"""A value for each step of a sequence, such as heart rate from speed and altitude; steps without one are masked."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat

from biotl.config import Named
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.labels import ChannelAt, Target
from biotl.datasets.manifest import Entry
from biotl.datasets.preprocessor import Prepared, Preprocessor
from biotl.datasets.samples import split_samples
from biotl.datasets.spec import Channel
from biotl.datasets.spec_kinds import SequenceSpec
from biotl.errors import ConfigError
from biotl.recipes import synthetic, windows
from biotl.recipes.leavings import leave
from biotl.recipes.recipe import Data, Recipe, RunConfig
from biotl.scoring.baselines import steps as baselines

if TYPE_CHECKING:
    from biotl.recipes.recipe import Ready
    from biotl.training.data import View


ONE_VALUE = ("sport", "typical", "daytime")
RUNNING_MEAN = re.compile(r"_\d+s$")


class StepData(Data):
    """Recordings of slow channels, one of which is to be told from the others.

    ``target`` is that channel; ``horizon_s`` how far ahead of each step it is told; ``reach_s`` how far from a sample
    of it a step is still learnt from and scored; ``limits`` are values that it cannot lie outside of: a recording that
    does is refused.
    """

    spec: SequenceSpec
    target: Channel
    horizon_s: float = 0.0
    reach_s: PositiveFloat = 15.0
    limits: tuple[float, float] | None = None


class StepConfig(RunConfig):
    """A run of this recipe."""

    data: StepData


def preprocessor(config: StepConfig) -> Preprocessor:
    """Return the sequences of the configured channels."""
    return make_preprocessor(config.data.spec)


def target(config: StepConfig, entries: Sequence[Entry]) -> Target:  # noqa: ARG001
    """Return the channel that is to be told."""
    data = config.data
    return ChannelAt(channel=data.target, horizon_s=data.horizon_s, reach_s=data.reach_s, limits=data.limits)


def views(ready: "Ready") -> "dict[str, View]":
    """Return ``main``: every sequence with its target."""
    from biotl.training.data import View

    of = split_samples(ready.store, ready.preprocessor, ready.split)
    return {"main": View(of["train"], of["validation"])}


def model(ready: "Ready", views: "Mapping[str, View]") -> Named:  # noqa: ARG001
    """Return a network whose head begins at the mean of the training values."""
    values, config = windows.training_values(ready), ready.config
    if not len(values):
        raise ConfigError("data.target: no training recording holds that channel")
    options = {"channels": list(ready.preprocessor.spec.names), "mean": round(float(values.mean()), 3)}
    return Named.model_validate({"name": config.model.name, **options, **config.model.args})


def table(of: Preprocessor, prepared: Prepared) -> NDArray[Any]:
    """Return features of each step and of what came before it, see `biotl.scoring.baselines.steps.table`."""
    spec, columns = cast(SequenceSpec, of.spec), prepared.arrays["signal"].T
    before = None if spec.lagged is None else columns[-1]
    known = {name: k for k, name in enumerate(of.state.get("users", ()), start=1)}
    # running means are the baselines' own, and of what is one value a recording trees learn the recording by heart
    names = [name for name in spec.names if name not in {*ONE_VALUE, spec.lagged.name if spec.lagged else ""}]
    plain = [spec.names.index(name) for name in names if not RUNNING_MEAN.search(name)]
    return baselines.table(columns[plain], before=before, user=known.get(prepared.about.get("subject", ""), 0))


def answer_baselines(
    train: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    test: Sequence[NDArray[Any]],
    *,
    labels: Sequence[str],  # noqa: ARG001
    seed: int,
) -> dict[str, list[NDArray[Any]]]:
    """Answer by means, a first-order response, ridge regression and boosting on features of each step."""
    return {name: [np.asarray(one) for one in told] for name, told in baselines.run(train, test, seed=seed).items()}


RECIPE = Recipe(
    config=StepConfig,
    preprocessor=preprocessor,
    target=target,
    views=views,
    model=model,
    table=table,
    baselines=answer_baselines,
    question="How near is the answer to the reference, step by step, in recordings of {people} people?",
    reference="the channel as it was recorded; steps far from any of its samples are neither learnt from nor scored",
    synthesize=synthetic.workouts,
    leave=leave,
)
