"""Beats of one ECG lead read as a sentence: masked-token pretraining, and the class of each beat."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from numpy.typing import NDArray
from pydantic import Field

from biotl.config import Named
from biotl.datasets.beat_features import FEATURES as DESCRIBED
from biotl.datasets.beats import CLASSES
from biotl.datasets.copies import Copy, copies
from biotl.datasets.joined import Joined
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.labels import BeatClass
from biotl.datasets.manifest import Entry
from biotl.datasets.prepare import prepare_store
from biotl.datasets.preprocessor import Prepared, Preprocessor
from biotl.datasets.samples import Samples, split_samples
from biotl.datasets.spec_kinds import SentenceSpec
from biotl.datasets.splits import Part
from biotl.datasets.store import Store
from biotl.datasets.transforms import HideTokens, MaskedTokens, Transform
from biotl.recipes import synthetic
from biotl.recipes.recipe import Data, Recipe, RunConfig
from biotl.scoring.baselines import beats as baselines

if TYPE_CHECKING:
    from biotl.recipes.recipe import Ready
    from biotl.training.data import View


class BeatData(Data):
    """Recordings with beat annotations.

    ``annotator`` is the extension of the annotation files, ``classes`` the class of each symbol in them: the five of
    AAMI, the same with escape beats as S, normal against abnormal, or a map of one's own such as
    ``{N: normal, V: ectopic, S: ectopic}``. ``hide`` is a share of the tokens that lose their name, their samples or
    their features while training; see `HideTokens`. With ``copies`` every training recording is learnt from in several
    forms, see `biotl.datasets.copies`; with ``balance`` each label has a ``weight``, which a loss takes ``by: weight``,
    see `biotl.datasets.joined`.
    """

    spec: SentenceSpec = SentenceSpec()
    annotator: str = "atr"
    classes: Literal["aami", "ec57", "binary"] | dict[str, str] = "aami"
    hide: Annotated[float, Field(ge=0, lt=1)] = 0.0
    copies: bool = False
    balance: bool = False


class EcgbertConfig(RunConfig):
    """A run of this recipe."""

    data: BeatData
    model: Named = Named(name="ecgbert")


def preprocessor(config: EcgbertConfig) -> Preprocessor:
    """Return the sentences of the configured lead."""
    return make_preprocessor(config.data.spec)


def target(config: EcgbertConfig, entries: Sequence[Entry]) -> BeatClass:  # noqa: ARG001
    """Return the class of each beat."""
    classes = config.data.classes
    return BeatClass(annotator=config.data.annotator, classes=CLASSES[classes] if isinstance(classes, str) else classes)


def views(ready: "Ready") -> "dict[str, View]":
    """Return ``beats``, the labelled beats, and ``tokens``, the same sentences with tokens to restore."""
    from biotl.training.data import View

    made, data = {}, ready.config.data
    copied = _copied(ready) if data.copies else None
    transforms: dict[str, Transform] = {"beats": HideTokens(data.hide), "tokens": MaskedTokens()}
    for name, transform in transforms.items():
        of = split_samples(ready.store, ready.preprocessor, ready.split, transforms=(transform,))
        train, validation = [of["train"]], of["validation"]
        if copied is not None:
            parts = [Part(id_) for id_ in copied.ids]
            train.append(Samples(copied, ready.preprocessor, parts, transforms=(transform,)))
        classes = len(ready.target.labels) if data.balance and name == "beats" else 0
        plain = copied is None and not classes
        made[name] = (
            View(train[0], validation) if plain else View(Joined(train, classes), Joined([validation], classes))
        )
    return made


def _copied(ready: "Ready") -> Store:
    """Prepare the copies of the training recordings; those that are whole are learnt from, and not stretches."""
    config, labels = ready.config, ready.target.labels
    parts = [part for part in ready.parts("train") if (part.start, part.stop) == (0.0, 1.0)]
    counts = []
    for part in parts:
        label = ready.store.targets(part.id)["labels"]
        counts.append({name: int((label == k).sum()) for k, name in enumerate(labels)})
    like = Copy("", config.data.annotator, target(config, ()).classes, config.seed)
    made = copies([ready.entries[part.id] for part in parts], counts, labels, like)
    folder = Path(config.run) / "copies"
    store, refused = prepare_store(made, ready.recipe.preprocessor(config), ready.target, folder)
    if refused:
        raise refused[0]
    return store


def model(ready: "Ready", views: "Mapping[str, View]") -> Named:  # noqa: ARG001
    """Return the model with an output for each class; one for two classes where a stage's loss is ``bce``."""
    config = ready.config
    single = any(term.name == "bce" for stage in config.stages for term in stage.loss)
    classes = 1 if single else len(ready.target.labels)
    described = {"described": len(DESCRIBED)} if config.data.spec.describe == "beats" else {}
    return Named.model_validate({"name": config.model.name, "classes": classes, **described, **config.model.args})


def table(of: Preprocessor, prepared: Prepared) -> NDArray[Any]:  # noqa: ARG001
    """Return the features of each beat that the baselines learn from."""
    return baselines.table(prepared.arrays)


RECIPE = Recipe(
    config=EcgbertConfig,
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
)
