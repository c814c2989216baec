"""Whole pipelines: raw files to a model and the evidence that it works.

A recipe is a module with a subclass of `Config`, ``run(config, resume=)``, and ``task(config)``, which gives to whoever
wants to look before what `run` would train on.
"""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from biotl.errors import ConfigError
from biotl.training.config import nearest, read_tree, validate
from biotl.training.stages import Config


def read(path: str | Path, overrides: Iterable[str] = ()) -> tuple[ModuleType, Config]:
    """Read a configuration with the class of the recipe that it names.

    Parameters
    ----------
    path : str or Path
        A YAML file with a key ``recipe``.
    overrides : iterable of str
        Such as ``stages[1].lr=3e-4``.

    Returns
    -------
    module, Config
        The recipe and its configuration.

    Raises
    ------
    ConfigError
        If there is no such recipe, or the configuration does not fit it.
    """
    tree = read_tree(path, overrides)
    name = tree.get("recipe") if isinstance(tree, dict) else None
    known = [module.name for module in iter_modules(__path__)]
    if name not in known:
        raise ConfigError(f"{path}: recipe: got {name!r}{nearest(str(name), known)}")
    module = import_module(f"biotl.recipes.{name}")
    classes = [cls for cls in vars(module).values() if isinstance(cls, type) and issubclass(cls, Config)]
    classes = [cls for cls in classes if cls is not Config]
    if not classes or not hasattr(module, "task"):
        raise ConfigError(f"{path}: recipe: {name} is not run from a configuration")
    return module, validate(classes[0], tree, source=str(path))
