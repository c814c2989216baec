"""What the recipes of windows have in common: their preprocessing, their views, their baselines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from biotl.config import Named
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.preprocessor import Prepared, Preprocessor
from biotl.datasets.samples import split_samples
from biotl.datasets.spec_kinds import WindowSpec
from biotl.recipes.recipe import Data, RunConfig
from biotl.scoring.baselines import windows as baselines

if TYPE_CHECKING:
    from biotl.recipes.prep import Ready
    from biotl.training.data import View


class WindowData(Data):
    """Recordings cut into windows."""

    spec: WindowSpec


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

    of = split_samples(ready.store, ready.preprocessor, ready.split)
    return {"main": View(of["train"], of["validation"])}


def table(preprocessor: Preprocessor, prepared: Prepared) -> NDArray[Any]:
    """Return features of each window, see `biotl.scoring.baselines.windows.table`."""
    spec = preprocessor.spec
    cuts = [preprocessor.inputs(prepared, cut) for cut in preprocessor.cuts(prepared)]
    if not cuts:
        return baselines.table(np.zeros((0, len(spec.channels), 1)), spec.fs)
    return baselines.table(np.stack([np.where(c["measured"], c["signal"], np.nan) for c in cuts]), spec.fs)


def training_values(ready: "Ready") -> NDArray[np.float64]:
    """Return every known value of the training windows."""
    found: Sequence[NDArray[Any]] = [
        (of := ready.store.targets(part.id))["target"][of["mask"]] for part in ready.parts("train")
    ]
    return np.concatenate(found).astype(np.float64)


def model(ready: "Ready", outputs: int, **options: Any) -> Named:
    """Return a network with an input for each channel."""
    config = ready.config
    channels = list(ready.preprocessor.spec.names)
    return Named.model_validate(
        {"name": config.model.name, "channels": channels, "outputs": outputs, **options, **config.model.args}
    )
