"""Recipes by the name that a configuration holds, and the shipped configurations by theirs."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from biotl.config import nearest, read_tree, validate
from biotl.errors import ConfigError
from biotl.recipes.recipe import Recipe

RECIPES = {
    "beats": "biotl.recipes.beats",
    "butppg": "biotl.recipes.butppg",
    "ecgbert": "biotl.recipes.ecgbert",
    "response": "biotl.recipes.response",
    "ssl_pretrain": "biotl.recipes.ssl_pretrain",
    "steps": "biotl.recipes.steps",
    "value": "biotl.recipes.value",
    "window_class": "biotl.recipes.window_class",
}
"""The module of each recipe, whose ``RECIPE`` is imported when it is asked for; adding one is a module and a line."""
CONFIGS = Path(__file__).parents[1] / "configs"
"""Where the configurations lie that the package ships."""


def find(name: object) -> Recipe:
    """Return the recipe of a name.

    Raises
    ------
    ConfigError
        With the nearest name that there is.
    """
    if str(name) not in RECIPES:
        raise ConfigError(f"no recipe is called {name!r}{nearest(str(name or ''), RECIPES)}")
    return cast(Recipe, importlib.import_module(RECIPES[str(name)]).RECIPE)


def shipped() -> dict[str, Path]:
    """Return the shipped configurations by name."""
    return {path.stem: path for path in sorted(CONFIGS.glob("*.yaml"))}


def config_path(name: str | Path) -> Path:
    """Return the file of a configuration: a path, or the name of a shipped one.

    Raises
    ------
    ConfigError
        If it is neither, with the nearest name.

    Examples
    --------
    >>> config_path("ecgbert_mitbih").name
    'ecgbert_mitbih.yaml'
    """
    path, known = Path(name), shipped()
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        return path
    if str(name) not in known:
        raise ConfigError(f"{name}: no such file, and no configuration is called so{nearest(str(name), known)}")
    return known[str(name)]


def load(name: str | Path, overrides: Sequence[str] = ()) -> Any:
    """Read a configuration, by path or name, as its recipe's own.

    Parameters
    ----------
    name : str or Path
        See `config_path`.
    overrides : sequence of str
        See `biotl.config.read_tree`.
    """
    path = config_path(name)
    tree = read_tree(path, overrides)
    recipe = tree.get("recipe")
    if recipe is None:
        raise ConfigError(f"{path}: recipe: Field required, one of {', '.join(RECIPES)}; {_whole(recipe)}")
    try:
        of = find(recipe)
    except ConfigError as error:
        raise ConfigError(f"{path}: recipe: {error}") from None
    try:
        return validate(of.config, tree, source=str(path))
    except ConfigError as error:
        raise (ConfigError(f"{error}; {_whole(recipe)}") if "Field required" in str(error) else error) from None


def _whole(recipe: object) -> str:
    """Say from which shipped configuration one of a recipe is best begun."""
    of = [name for name, path in shipped().items() if read_tree(path, environment={}).get("recipe") == recipe]
    if not of:
        return "`biotl recipes` lists whole ones, and `biotl recipes NAME --copy mine.yaml` copies one to begin with"
    return f"begin with a whole one: `biotl recipes {recipe if recipe in of else of[0]} --copy mine.yaml`"
