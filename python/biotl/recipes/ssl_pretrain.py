"""Self-supervised pretraining on windows: parts are hidden and restored, or it is told where beats and waves are."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import Field

from biotl.config import Named, Section
from biotl.datasets import dense
from biotl.datasets.labels import Itself, Target, WindowClass, WindowValue
from biotl.datasets.manifest import Entry
from biotl.datasets.samples import Some, split_samples
from biotl.datasets.stated import values
from biotl.datasets.transforms import Augmented, MaskedPatches, Transform
from biotl.datasets.windows import WindowPreprocessor
from biotl.errors import ConfigError
from biotl.recipes import windows
from biotl.recipes.pulses import pulses
from biotl.recipes.recipe import Recipe
from biotl.scoring.baselines import windows as baselines

if TYPE_CHECKING:
    from biotl.recipes.recipe import Ready
    from biotl.training.data import Task, View
    from biotl.training.trainer import Result

Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(gt=0)]
FAST = (1000, 200)
"""Training and validation windows of the documented ``--fast``."""


class Mask(Section):
    """What is hidden: ``share`` of the patches of ``patch`` samples, ``span`` in a row, of ``channels`` (or of all)."""

    patch: Count = 125
    share: Share = 0.4
    span: Count = 1
    channels: tuple[str, ...] = ()


class Augment(windows.Augment):
    """How a training window is changed; see `biotl.datasets.transforms.Augmented`."""

    scale: tuple[float, float] = (0.8, 1.2)
    shift: Share = 0.1


class SslData(windows.WindowData):
    """Recordings without labels, or with a column that says what an encoder should know.

    ``dense`` adds the targets of `biotl.datasets.dense` and the view ``synthetic`` of so many windows an epoch, endless
    and with exact targets; in the view ``main`` biotl's detectors say them; ``both`` joins the two. ``fast`` takes
    1,000 training and 200 validation windows. ``probe`` is a column of the manifest: a linear model on the encoder's
    embeddings is asked for it, beside random weights and simple features, at the end and, with ``probe_every``, after
    so many epochs each. Its values are numbers, or the classes that ``classes`` maps them to.
    """

    mask: Mask = Mask()
    augment: Augment = Augment()
    dense: Annotated[int, Field(ge=0)] = 0
    fast: bool = False
    probe: str = ""
    probe_every: Count | None = None
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
    """Return ``main``, windows with patches to restore, the same in every validation; ``synthetic``; and ``both``."""
    from biotl.training.data import View

    data, spec = cast(SslConfig, ready.config).data, ready.preprocessor.spec
    names = spec.names
    if strange := [name for name in data.mask.channels if name not in names]:
        raise ConfigError(f"data.mask.channels: got {', '.join(strange)}, wanted some of {', '.join(names)}")
    if data.dense and data.augment.shift:
        raise ConfigError(f"data.augment.shift: got {data.augment.shift}, wanted 0 with data.dense: maps do not turn")
    hidden = tuple(names.index(name) for name in data.mask.channels) or None
    mask = MaskedPatches(length=data.mask.patch, share=data.mask.share, span=data.mask.span, channels=hidden)
    changes: tuple[Transform, ...] = (Augmented(**data.augment.model_dump()), mask)
    ppg, ecg = (names.index(name) if name in names else None for name in ("PPG", "ECG"))
    taught: tuple[Transform, ...] = (dense.TaughtMaps(spec.fs, ppg, ecg),) if data.dense else ()
    of = split_samples(ready.store, ready.preprocessor, ready.split, transforms=(*taught, *changes))
    train, validation, seed = of["train"], of["validation"], ready.config.seed
    if not data.fast:
        found = {"main": View(train, validation)}
    else:
        found = {"main": View(Some(train, FAST[0], seed=seed), Some(validation, FAST[1], seed=seed))}
    if data.dense:
        sizes = (data.dense, min(data.dense, FAST[1]))
        windowed = cast(WindowPreprocessor, ready.preprocessor)
        made = [dense.SyntheticPulses(windowed, n, seed=k, transforms=changes) for k, n in enumerate(sizes)]
        found["synthetic"] = View(*made)
        found["both"] = View(
            dense.Joined(found["main"].train, made[0]), dense.Joined(found["main"].validation, made[1])
        )
    return found


def model(ready: "Ready", views: "Mapping[str, View]") -> Named:  # noqa: ARG001
    """Return an encoder with a decoder, for the channels and the window of the spec."""
    config = cast(SslConfig, ready.config)
    spec = config.data.spec
    own: dict[str, Any] = {"channels": list(spec.names), "length": spec.length, "reconstruct": True}
    if config.data.dense:
        own |= {"maps": len(dense.MAPS), "steps": round(spec.length_s / dense.STEP_S)}
        own |= {"values": len(dense.VALUES), "rates": len(dense.RATES_BPM)}
    return Named(name=config.model.name, **own, **config.model.args)


def learn(ready: "Ready", *, resume: bool) -> "tuple[Task, Result]":
    """Train by stages, watched by a probe, and leave the documented ``training_history.json``."""
    from biotl.recipes import collapse
    from biotl.recipes.run import by_stages

    work, result = by_stages(ready, resume=resume, hook=collapse.watch(ready))
    collapse.write_history(ready.config.run, result.history)
    return work, result


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
    learn=learn,
    pretrains=True,
)
