"""What the commands that run a recipe have in common: the configuration file and what overrides it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from biotl.recipes.ecgbert import EcgbertConfig

ConfigPath = Annotated[Path, typer.Argument(help="A YAML file such as configs/ecgbert_mitbih.yaml.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Override a value: stages[1].lr=3e-4. May be repeated.")]
SeedOverride = Annotated[int | None, typer.Option("--seed", help="Override the seed.")]
Device = Annotated[str | None, typer.Option(help="Override the device: cpu, cuda or auto.")]
Run = Annotated[Path | None, typer.Option("--run", help="Override the run folder.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the run folder's newest checkpoint.")]


def load(
    path: Path,
    overrides: list[str] | None = None,
    *,
    seed: int | None = None,
    device: str | None = None,
    run: Path | None = None,
) -> "EcgbertConfig":
    """Read a configuration; the options of the command line win over the file and the environment."""
    from biotl.recipes.ecgbert import EcgbertConfig
    from biotl.training.config import load

    named = {"seed": seed, "engine.device": device, "run": run}
    options = [f"{key}={value}" for key, value in named.items() if value is not None]
    return load(path, EcgbertConfig, overrides=[*(overrides or []), *options])
