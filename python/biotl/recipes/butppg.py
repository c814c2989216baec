"""A class for each window by a patch encoder, such as the quality of a PPG beside ECG and acceleration."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from biotl.config import Named
from biotl.recipes import window_class
from biotl.recipes.pulses import pulses

if TYPE_CHECKING:
    from biotl.recipes.prep import Ready
    from biotl.training.data import View


class ButppgConfig(window_class.ClassConfig):
    """A run of this recipe."""

    model: Named = Named(name="patch_encoder")


def model(ready: "Ready", views: "Mapping[str, View]") -> Named:
    """Return an encoder with a head, for the channels and the window of the spec."""
    plain = window_class.model(ready, views)
    options: dict[str, Any] = {"length": cast(ButppgConfig, ready.config).data.spec.length, **plain.args}
    return Named(name=plain.name, **options)


RECIPE = replace(window_class.RECIPE, config=ButppgConfig, model=model, synthesize=pulses)
