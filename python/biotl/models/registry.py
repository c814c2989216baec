"""Models by the name that a config, a checkpoint and an ONNX file hold."""

import difflib
from collections.abc import Callable
from typing import Any

from torch import nn

from biotl.errors import ConfigError
from biotl.models.ecgbert import DocumentedECGBert, ECGBert

MODELS: dict[str, Callable[..., nn.Module]] = {"ecgbert": ECGBert, "ecgbert_documented": DocumentedECGBert}


def build(name: str, **kwargs: Any) -> nn.Module:
    """Build a model with random weights.

    Parameters
    ----------
    name : str
        A key of `MODELS`.
    **kwargs
        Arguments of its constructor.

    Raises
    ------
    ConfigError
        If there is no such model, or it takes no such argument.

    Examples
    --------
    >>> sum(p.numel() for p in build("ecgbert_documented").parameters())
    65387
    """
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, n=1, cutoff=0)[0]
        raise ConfigError(f"model.name: got {name!r}, wanted one of {', '.join(MODELS)}; nearest is {near!r}")
    try:
        return MODELS[name](**kwargs)
    except TypeError as error:
        raise ConfigError(f"model.options: {error}") from None
