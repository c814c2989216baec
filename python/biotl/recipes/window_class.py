"""A class for each window, or for each file: own channels, own labels, any number of classes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from biotl.config import Named
from biotl.datasets.labels import Target, WindowClass
from biotl.datasets.manifest import Entry
from biotl.datasets.stated import values
from biotl.errors import ConfigError
from biotl.recipes import synthetic, windows
from biotl.recipes.recipe import Recipe
from biotl.scoring.baselines import windows as baselines

if TYPE_CHECKING:
    from biotl.recipes.recipe import Ready
    from biotl.training.data import View


class ClassData(windows.WindowData):
    """Recordings with a class for each file, each stretch of one, or each window by its annotations.

    ``column`` of the manifest holds the class; ``classes`` maps its values to classes (by default each value is one).
    Instead, ``annotator`` names annotation files and ``classes`` maps their symbols; ``otherwise`` is the class of a
    window with beats and none of these symbols.
    """

    column: str = ""
    classes: dict[str, str] = Field(default_factory=dict)
    annotator: str = ""
    otherwise: str = ""


class ClassConfig(windows.WindowConfig):
    """A run of this recipe."""

    data: ClassData


def target(config: ClassConfig, entries: Sequence[Entry]) -> Target:
    """Return the class of each window."""
    data = config.data
    classes = data.classes or {value: value for value in values(entries, data.column)}
    if not data.annotator and len(set(classes.values())) < 2:
        held = ", ".join(dict.fromkeys(name for entry in entries for label in entry.labels for name in label.values))
        got = f"{len(classes)} classes in the column {data.column!r}"
        raise ConfigError(f"data.column: got {got}, wanted at least 2; the manifest's columns are: {held or 'none'}")
    return WindowClass(column=data.column, classes=classes, annotator=data.annotator, otherwise=data.otherwise)


def model(ready: "Ready", views: "Mapping[str, View]") -> Named:  # noqa: ARG001
    """Return a network with an output for each class; one for two classes where a stage's loss is ``bce``."""
    single = any(term.name == "bce" for stage in ready.config.stages for term in stage.loss)
    return windows.model(ready, 1 if single else len(ready.target.labels))


def answer_baselines(train: Sequence[Any], test: Sequence[Any], *, seed: int, **_: Any) -> dict[str, list[Any]]:
    """Answer by majority, logistic regression and boosting on features of each window."""
    return baselines.classes(train, test, seed=seed)


RECIPE = Recipe(
    config=ClassConfig,
    preprocessor=windows.preprocessor,
    target=target,
    views=windows.views,
    model=model,
    table=windows.table,
    baselines=answer_baselines,
    question="How well are the windows of {people} people told apart: {labels}?",
    reference="the class that the recordings are labelled with",
    synthesize=synthetic.rhythms,
)
