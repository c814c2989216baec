"""Recipes by the name that a configuration holds; adding one is a module and a line here."""

from importlib import import_module
from typing import Any, Protocol, cast

from biotl.config import nearest
from biotl.errors import ConfigError
from biotl.training.data import Task
from biotl.training.stages import Config
from biotl.training.trainer import Result, Trainer

RECIPES = {"ecgbert": "biotl.recipes.mitbih"}
"""The module of each recipe, which is imported when it is asked for."""


class Rows(Protocol):
    """What a command prints as a table."""

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a line."""


class Outcome(Rows, Protocol):
    """The figures of a finished recipe, and the recordings that it refused."""

    refused: Any


class Recipe(Protocol):
    """What the commands need of a recipe's module."""

    CONFIG: type[Config]

    def task(self, config: Any) -> Task:
        """Return what the stages train on."""

    def finetune(self, config: Any, *, resume: bool = False) -> tuple[Outcome, Rows]:
        """Go from raw files to figures, and to the files of the run folder."""


def find(name: object) -> Recipe:
    """Return the recipe of a name.

    Raises
    ------
    ConfigError
        With the nearest name that there is.
    """
    if str(name) not in RECIPES:
        raise ConfigError(f"no recipe is called {name!r}{nearest(str(name), RECIPES)}")
    return cast(Recipe, import_module(RECIPES[str(name)]))


def pretrain(config: Config, *, resume: bool = False) -> Result:
    """Run the stages alone, such as masked-token pretraining; its checkpoints are what another run's ``init`` names."""
    trainer = Trainer(config, find(config.recipe).task(config), resume=resume)
    result = trainer.fit()
    trainer.world.leave()
    return result
