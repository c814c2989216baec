"""What the commands that run a recipe have in common: the configuration and what overrides it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from biotl.cli.output import Json

if TYPE_CHECKING:
    from biotl.recipes.recipe import RunConfig

ConfigPath = Annotated[str, typer.Argument(help="A shipped configuration (see `biotl recipes`), or a YAML file.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Override a value: stages[1].lr=3e-4. May be repeated.")]
SeedOverride = Annotated[int | None, typer.Option("--seed", help="Override the seed.")]
Device = Annotated[str | None, typer.Option(help="Override the device: cpu, cuda or auto.")]
Run = Annotated[Path | None, typer.Option("--run", help="Override the run folder.")]
Epochs = Annotated[int | None, typer.Option(min=1, help="Of all stages together; by default those of each.")]
OneStage = Annotated[
    str | None, typer.Option("--stage", help="Run one stage alone, by its number or name; both runs every one.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the run folder's newest checkpoint.")]


def load(
    config: str,
    overrides: list[str] | None = None,
    *,
    seed: int | None = None,
    device: str | None = None,
    run: Path | None = None,
) -> Any:
    """Read a configuration as its recipe's own; the command line wins over the file and the environment."""
    from biotl.recipes.registry import load

    named = {"seed": seed, "engine.device": device, "run": run}
    options = [f"{key}={value}" for key, value in named.items() if value is not None]
    return load(config, [*(overrides or []), *options])


class Trains(Protocol):
    """A command that trains what a configuration says."""

    __name__: str

    def __call__(self, settings: "RunConfig", *, resume: bool, as_json: bool) -> None:
        """Train, and print what came of it."""


def training(command: Trains) -> Callable[..., None]:
    """Give a command that trains its arguments: configuration, overrides, and whether to go on."""

    def parsed(
        config: ConfigPath,
        overrides: Set = None,
        resume: Resume = False,
        seed: SeedOverride = None,
        device: Device = None,
        run: Run = None,
        stage: OneStage = None,
        epochs: Epochs = None,
        as_json: Json = False,
    ) -> None:
        settings = load(config, overrides, seed=seed, device=device, run=run)
        from biotl.training.stages import in_all, one_of

        stages = settings.stages if stage is None else one_of(settings.stages, stage)
        stages = stages if epochs is None else in_all(stages, epochs)
        settings = settings.model_copy(update={"stages": stages})
        command(settings, resume=resume, as_json=as_json)

    parsed.__name__, parsed.__doc__ = command.__name__, command.__doc__
    return parsed
