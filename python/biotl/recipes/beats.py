"""Beats told apart by boosted trees: what each one is within its recording, on one ECG lead or two."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from numpy.typing import NDArray
from pydantic import Field

from biotl.config import Named
from biotl.datasets.beat_features import FEATURES
from biotl.datasets.beats import CLASSES
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.labels import BeatClass, Target
from biotl.datasets.manifest import Entry
from biotl.datasets.preprocessor import Prepared, Preprocessor
from biotl.datasets.spec_kinds import BeatSpec
from biotl.deploy.prevalence import Prevalence
from biotl.recipes import synthetic
from biotl.recipes.recipe import Data, Recipe, RunConfig
from biotl.recipes.trees import learn
from biotl.scoring.baselines import beats as baselines
from biotl.training.stages import Stage

if TYPE_CHECKING:
    from biotl.recipes.recipe import Ready
    from biotl.training.data import View


class BeatTableData(Data):
    """Recordings with beat annotations.

    ``annotator`` is the extension of the annotation files, ``classes`` the class of each symbol in them: the five of
    AAMI, the same with escape beats as S, normal against abnormal, or a map of one's own. Where a class is called S,
    copies with supraventricular beats and with fibrillation are learnt from too.
    """

    spec: BeatSpec = BeatSpec()
    annotator: str = "atr"
    classes: Literal["aami", "ec57", "binary"] | dict[str, str] = "aami"


class BeatsConfig(RunConfig):
    """A run of this recipe. Trees are fitted at once: there are no stages. ``seeds`` models are averaged."""

    data: BeatTableData
    model: Named = Named(name="boosted_trees")
    seeds: Annotated[int, Field(ge=1)] = 4
    stages: tuple[Stage, ...] = ()


def preprocessor(config: BeatsConfig) -> Preprocessor:
    """Return the tables of the configured leads."""
    return make_preprocessor(config.data.spec)


def target(config: BeatsConfig, entries: Sequence[Entry]) -> Target:  # noqa: ARG001
    """Return the class of each beat."""
    classes = config.data.classes
    return BeatClass(annotator=config.data.annotator, classes=CLASSES[classes] if isinstance(classes, str) else classes)


def views(ready: "Ready") -> "dict[str, View]":  # noqa: ARG001
    """Return nothing: no stage reads samples."""
    return {}


def model(ready: "Ready", views: Any) -> Named:  # noqa: ARG001
    """Return the name alone: the fit says how large the trees are."""
    return Named(name=ready.config.model.name)


def table(of: Preprocessor, prepared: Prepared) -> NDArray[Any]:  # noqa: ARG001
    """Return the features of each beat, the two intervals of the RR rule first."""
    first = [FEATURES.index(name) for name in ("before_to_local_median", "after_to_local_mean")]
    rest = [i for i in range(len(FEATURES)) if i not in first]
    return prepared.arrays["features"][:, [*first, *rest]]


RECIPE = Recipe(
    config=BeatsConfig,
    preprocessor=preprocessor,
    target=target,
    views=views,
    model=model,
    table=table,
    baselines=baselines.run,
    question="How well are the beats of {people} people told apart: {labels}?",
    reference="the annotated beats; detected R peaks are matched to them within 150 ms, and a beat that is missed, or "
    "found where there is none, counts as an error",
    synthesize=synthetic.beats,
    use="research: the beats of a finished ambulatory ECG sorted by class, for a person to review",
    learn=learn,
    prevalence=Prevalence(of="S", usual="N"),
)
