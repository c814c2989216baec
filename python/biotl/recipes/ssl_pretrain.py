"""Self-supervised pretraining on windows: parts of a signal are hidden, and restored from what is left."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import Field

from biotl.config import Named, Section
from biotl.datasets.labels import Itself, Target, WindowClass, WindowValue, values
from biotl.datasets.manifest import Entry
from biotl.datasets.samples import split_samples
from biotl.datasets.transforms import Augmented, MaskedPatches
from biotl.errors import ConfigError
from biotl.recipes import windows
from biotl.recipes.pulses import pulses
from biotl.recipes.recipe import Recipe
from biotl.scoring.baselines import windows as baselines

if TYPE_CHECKING:
    from biotl.recipes.prep import Ready
    from biotl.training.data import View

Share = Annotated[float, Field(ge=0, lt=1)]


class Mask(Section):
    """What is hidden: ``share`` of the patches of ``patch`` samples, ``span`` in a row, of ``channels`` (or of all)."""

    patch: Annotated[int, Field(gt=0)] = 125
    share: Share = 0.4
    span: Annotated[int, Field(gt=0)] = 1
    channels: tuple[str, ...] = ()


class Augment(windows.Augment):
    """How a training window is changed; see `biotl.datasets.transforms.Augmented`."""

    scale: tuple[float, float] = (0.8, 1.2)
    shift: Share = 0.1


class SslData(windows.WindowData):
    """Recordings without labels, or with a column that says what an encoder should know.

    ``probe`` is a column of the manifest: a linear model on the encoder's embeddings is asked for it, beside random
    weights and simple features. Its values are numbers, or the classes that ``classes`` maps them to.
    """

    mask: Mask = Mask()
    augment: Augment = Augment()
    probe: str = ""
    classes: dict[str, str] = Field(default_factory=dict)


class SslConfig(windows.WindowConfig):
    """A run of this recipe."""

    data: SslData
    model: Named = Named(name="patch_encoder")


def target(config: SslConfig, entries: Sequence[Entry]) -> Target:
    """Return what the probe asks for."""
    data = config.data
    if not data.probe:
        return Itself()
    if data.classes:
        return WindowClass(column=data.probe, classes=data.classes)
    if not values(entries, data.probe):
        raise ConfigError(f"data.probe: no recording has a value in {data.probe!r}")
    return WindowValue(column=data.probe)


def views(ready: "Ready") -> "dict[str, View]":
    """Return ``main``: windows with patches to restore, the same ones in every validation."""
    from biotl.training.data import View

    data, names = cast(SslConfig, ready.config).data, ready.preprocessor.spec.names
    if strange := [name for name in data.mask.channels if name not in names]:
        raise ConfigError(f"data.mask.channels: got {', '.join(strange)}, wanted some of {', '.join(names)}")
    hidden = tuple(names.index(name) for name in data.mask.channels) or None
    mask = MaskedPatches(length=data.mask.patch, share=data.mask.share, span=data.mask.span, channels=hidden)
    changes = (Augmented(**data.augment.model_dump()), mask)
    of = split_samples(ready.store, ready.preprocessor, ready.split, transforms=changes)
    return {"main": View(of["train"], of["validation"])}


def model(ready: "Ready", views: "Mapping[str, View]") -> Named:  # noqa: ARG001
    """Return an encoder with a decoder, for the channels and the window of the spec."""
    config = cast(SslConfig, ready.config)
    spec = config.data.spec
    own: dict[str, Any] = {"channels": list(spec.names), "length": spec.length, "reconstruct": True}
    return Named(name=config.model.name, **own, **config.model.args)


def answer_baselines(train: Any, test: Any, *, labels: Any, seed: int) -> Any:
    """Answer by a constant, a linear model and boosting on features of each window."""
    return (baselines.classes if labels else baselines.values)(train, test, seed=seed)


RECIPE = Recipe(
    config=SslConfig,
    preprocessor=windows.preprocessor,
    target=target,
    views=views,
    model=model,
    table=windows.table,
    baselines=answer_baselines,
    question="What does an encoder know of {people} people whose signals it has only restored?",
    reference="what the manifest says of each window",
    synthesize=pulses,
    pretrains=True,
)
