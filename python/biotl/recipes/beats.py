"""Beats told apart by boosted trees: what each one is within its recording, on one ECG lead or two."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from numpy.typing import NDArray
from pydantic import Field

from biotl.config import Named
from biotl.datasets.beat_features import FEATURES
from biotl.datasets.beats import AAMI_CLASSES
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.labels import BeatClass, Target
from biotl.datasets.manifest import Entry
from biotl.datasets.preprocessor import Prepared, Preprocessor
from biotl.datasets.spec_kinds import BeatSpec
from biotl.recipes import synthetic
from biotl.recipes.recipe import Data, Recipe, RunConfig
from biotl.scoring.baselines import beats as baselines
from biotl.training.stages import Stage

if TYPE_CHECKING:
    from biotl.recipes.prep import Ready
    from biotl.training.data import Task, View
    from biotl.training.trainer import Result

STAGE = "trees"
"""What the one fit is called where a run's files name a stage."""


class BeatTableData(Data):
    """Recordings with beat annotations.

    ``annotator`` is the extension of the annotation files, ``classes`` the class of each symbol in them: the five of
    AAMI, normal against abnormal, or a map of one's own. Where a class is called S, copies with supraventricular beats
    and with fibrillation are learnt from too.
    """

    spec: BeatSpec = BeatSpec()
    annotator: str = "atr"
    classes: Literal["aami", "binary"] | dict[str, str] = "aami"


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
    own = {symbol: "normal" if name == "N" else "abnormal" for symbol, name in AAMI_CLASSES.items()}
    named = {"aami": AAMI_CLASSES, "binary": own}
    return BeatClass(annotator=config.data.annotator, classes=named[classes] if isinstance(classes, str) else classes)


def learn(ready: "Ready", *, resume: bool) -> "tuple[Task, Result]":  # noqa: ARG001  (a fit of two minutes starts over)
    """Fit the trees on the training recordings, and leave them as a stage would."""
    from biotl.models.boosted_trees import BoostedTrees
    from biotl.recipes.decide import undecided
    from biotl.recipes.run import bundle
    from biotl.training.boosting import Heart, fit_trees
    from biotl.training.checkpoint import SUFFIX, Checkpoint, save
    from biotl.training.data import Task
    from biotl.training.trainer import Result

    config, folder = cast(BeatsConfig, ready.config), Path(ready.config.run)
    hearts = []
    for part in ready.parts("train"):
        whole = ready.store[part.id]
        start, stop = (round(share * whole.samples) for share in (part.start, part.stop))
        peak = ready.preprocessor.units(whole)[:, 0]
        label = ready.store.targets(part.id)["labels"][(peak >= start) & (peak < stop)]
        of = (whole if part.stop - part.start == 1 else ready.preprocessor.stretch(whole, start, stop)).arrays
        subject = ready.split.subjects[part.id] or part.id
        hearts.append(Heart(subject, of["signal"], config.data.spec.fs, of["rpeaks"], label))
    seeds = [config.seed + k for k in range(config.seeds)]
    trees = fit_trees(hearts, ready.target.labels, seeds=seeds)
    model = BoostedTrees.of(trees)
    named = Named(name=config.model.name, **model.options())
    about = bundle(ready, named, model, undecided(ready.target)).model_dump(mode="json")
    best = {"trees": len(trees.root), "seeds": seeds}
    lineage = [{"stage": STAGE, **best}]
    path = folder / "checkpoints" / f"best-{STAGE}{SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    save(path, Checkpoint(tensors, {"about": about, "lineage": lineage}))
    return Task(model, {}, about), Result(model, {STAGE: best}, [], folder)


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
    learn=learn,
)
