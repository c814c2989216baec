"""A number for each window, or for each file: own channels, own unit."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from biotl.config import Named
from biotl.datasets.labels import Target, WindowValue
from biotl.datasets.manifest import Entry
from biotl.errors import ConfigError
from biotl.recipes import synthetic, windows
from biotl.recipes.recipe import Recipe
from biotl.scoring.baselines import windows as baselines

if TYPE_CHECKING:
    from biotl.recipes.recipe import Ready
    from biotl.training.data import View


class ValueData(windows.WindowData):
    """Recordings with a number for each file or stretch: ``column`` of the manifest, in ``unit``."""

    column: str
    unit: str = ""


class ValueConfig(windows.WindowConfig):
    """A run of this recipe."""

    data: ValueData


def target(config: ValueConfig, entries: Sequence[Entry]) -> Target:  # noqa: ARG001
    """Return the number of each window."""
    return WindowValue(column=config.data.column, unit=config.data.unit)


def model(ready: "Ready", views: "Mapping[str, View]") -> Named:  # noqa: ARG001
    """Return a network that begins at mean and spread of the training values."""
    values = windows.training_values(ready)
    if not len(values):
        raise ConfigError(f"data.column: no training recording has a number in {ready.config.data.column!r}")
    offset, scale = float(values.mean()), float(values.std()) or 1.0
    return windows.model(ready, 1, offset=round(offset, 6), scale=round(scale, 6) or 1.0)


def answer_baselines(train: Sequence[Any], test: Sequence[Any], *, seed: int, **_: Any) -> dict[str, list[Any]]:
    """Answer by mean, ridge regression and boosting on features of each window."""
    return baselines.values(train, test, seed=seed)


RECIPE = Recipe(
    config=ValueConfig,
    preprocessor=windows.preprocessor,
    target=target,
    views=windows.views,
    model=model,
    table=windows.table,
    baselines=answer_baselines,
    question="How near is the answer to the reference in windows of {people} people?",
    reference="the number that the recordings are labelled with",
    synthesize=synthetic.rates,
)
