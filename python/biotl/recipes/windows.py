"""What the recipes of windows have in common: their preprocessing, their views, their baselines."""

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from biotl.config import Named, Section
from biotl.datasets.documented import window_spec
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.preprocessor import Prepared, Preprocessor
from biotl.datasets.samples import split_samples
from biotl.datasets.spec_kinds import WindowSpec
from biotl.datasets.transforms import Augmented
from biotl.datasets.window_beats import COLUMNS
from biotl.errors import ConfigError
from biotl.recipes.recipe import Data, RunConfig
from biotl.scoring.baselines import windows as baselines

if TYPE_CHECKING:
    from biotl.recipes.recipe import Ready
    from biotl.training.data import View


Share = Annotated[float, Field(ge=0, lt=1)]


class Augment(Section):
    """How a training window is changed; see `biotl.datasets.transforms.Augmented`. By default it is not."""

    scale: tuple[float, float] = (1.0, 1.0)
    shift: Share = 0.0
    noise: Annotated[float, Field(ge=0)] = 0.0
    drop: Share = 0.0
    warp: Share = 0.0


class WindowData(Data):
    """Recordings cut into windows, which training may change; `datasets.documented` takes the documented files."""

    spec: WindowSpec
    augment: Augment = Augment()

    @model_validator(mode="before")
    @classmethod
    def _from_documented_files(cls, tree: Any) -> Any:
        spec = tree.get("spec") if isinstance(tree, dict) else None
        if isinstance(spec, dict) and ("windows" in spec or isinstance(spec.get("channels"), str)):
            return {**tree, "spec": window_spec(spec)}
        return tree


class WindowConfig(RunConfig):
    """A run on windows."""

    data: WindowData
    model: Named = Named(name="window_net")


def preprocessor(config: WindowConfig) -> Preprocessor:
    """Return the windows of the configured channels."""
    return make_preprocessor(config.data.spec)


def views(ready: "Ready") -> "dict[str, View]":
    """Return ``main``: every window with its target."""
    from biotl.training.data import View

    augment = ready.config.data.augment
    changes = [Augmented(**augment.model_dump())] if augment != Augment() else []
    of = split_samples(ready.store, ready.preprocessor, ready.split, transforms=changes)
    return {"main": View(of["train"], of["validation"])}


def table(preprocessor: Preprocessor, prepared: Prepared) -> NDArray[Any]:
    """Return features of each window, see `biotl.scoring.baselines.windows.table`, and of its beats where asked."""
    spec = cast(WindowSpec, preprocessor.spec)
    cuts = [preprocessor.inputs(prepared, cut) for cut in preprocessor.cuts(prepared)]
    if not cuts:
        return baselines.table(np.zeros((0, len(spec.channels), 1)), spec.fs)
    made = baselines.table(np.stack([np.where(c["measured"], c["signal"], np.nan) for c in cuts]), spec.fs)
    return np.concatenate([made, [c["beats"] for c in cuts]], axis=1) if spec.beats else made


def training_values(ready: "Ready") -> NDArray[np.float64]:
    """Return every known value of the training windows."""
    found: Sequence[NDArray[Any]] = [
        (of := ready.store.targets(part.id))["target"][of["mask"]] for part in ready.parts("train")
    ]
    return np.concatenate(found).astype(np.float64)


def model(ready: "Ready", outputs: int, **options: Any) -> Named:
    """Return a network with an input for each channel, of the window's length and its beats where it asks for these."""
    from biotl.models.registry import find

    config, spec = ready.config, cast(WindowSpec, ready.preprocessor.spec)
    sizes = {"length": spec.length, "beats": len(COLUMNS) if spec.beats else 0}
    asked = inspect.signature(find(config.model.name)).parameters
    known = {name: size for name, size in sizes.items() if name in asked}
    if spec.beats and "beats" not in asked:
        raise ConfigError(f"data.spec.beats: {config.model.name} reads none, wanted spiking or spiking_twin")
    return Named.model_validate(
        {
            "name": config.model.name,
            "channels": list(spec.names),
            "outputs": outputs,
            **known,
            **options,
            **config.model.args,
        }
    )
