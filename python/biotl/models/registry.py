"""Models by the name that a config, a checkpoint and an ONNX file hold.

What every model declares, so that trainer, exporter and predictor need not know it:

``inputs``
    Names of the batch fields that are the arguments of ``forward``, which returns a dict of tensors.
``output``
    The output that is exported, such as ``logits``; an output ``embedding`` can be exported instead.
``axes``
    The free dimensions by name, of every input and of what is exported: ``{"x": {0: "batch", 2: "steps"}}``.
``groups()``
    What a stage can train by name, from the input to the output; a random first group is never taken over.
``channels``, ``by_channel``
    Where it has several channels: their names in order, and the tensors with a block for each, with its axis.
"""

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

from torch import nn

from biotl.config import nearest
from biotl.errors import ConfigError

MODELS: dict[str, str | Callable[..., nn.Module]] = {
    "ecgbert": "biotl.models.ecgbert:ECGBert",
    "boosted_trees": "biotl.models.boosted_trees:BoostedTrees",
    "ecgbert_documented": "biotl.models.foreign_ecgbert:DocumentedECGBert",
    "patch_encoder": "biotl.models.patch_encoder:PatchEncoder",
    "patch_encoder_small": "biotl.models.patch_encoder:SmallPatchEncoder",
    "ttm": "biotl.models.ttm:TinyTimeMixer",
    "heart_rate_lstm": "biotl.models.heart_rate_lstm:HeartRateLSTM",
    "heart_rate_response": "biotl.models.heart_rate_response:HeartRateResponse",
    "spiking": "biotl.models.spiking:Spiking",
    "spiking_twin": "biotl.models.spiking:SpikingTwin",
    "window_net": "biotl.models.window_net:WindowNet",
}
"""Makers, or where they lie; that module is imported when it is asked for."""


def find(name: str) -> Callable[..., nn.Module]:
    """Return the maker of a name.

    Raises
    ------
    ConfigError
        With the nearest name that there is.
    """
    if name not in MODELS:
        raise ConfigError(f"model.name: got {name!r}{nearest(name, MODELS)}")
    maker = MODELS[name]
    if isinstance(maker, str):
        module, _, attribute = maker.partition(":")
        maker = getattr(import_module(module), attribute)
    return maker


def build(name: str, **options: Any) -> nn.Module:
    """Build a model with random weights.

    Parameters
    ----------
    name : str
        A key of `MODELS`.
    **options
        Arguments of its constructor; those that the recipe fills in (`classes`, `channels` and the like) included.

    Raises
    ------
    ConfigError
        If there is no such model, or it takes no such argument.

    Examples
    --------
    >>> sum(p.numel() for p in build("ecgbert_documented").parameters())
    65387
    """
    maker = find(name)
    known = inspect.signature(maker).parameters
    for key in options:
        if key not in known:
            raise ConfigError(f"model.{key}: {name} takes no such option{nearest(key, known)}")
    try:
        return maker(**options)
    except TypeError as error:
        raise ConfigError(f"model: {name}: {error}") from None
