"""`biotl doctor`: what is wrong with a run, before it is run."""

from pathlib import Path
from typing import Annotated

import typer

from biotl.cli.output import Json, result, table

Overrides = Annotated[list[str] | None, typer.Option("--set", help="Such as stages[1].lr=3e-4; may be repeated.")]


def doctor(
    config: Annotated[Path, typer.Argument(help="A YAML file like configs/ecgbert_mitbih.yaml.")],
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Check data, model and stages of a run without training; exit code 1 if something is wrong."""
    from dataclasses import asdict

    from biotl.recipes import read
    from biotl.training.doctor import examine

    recipe, settings = read(config, overrides or ())
    findings = [asdict(finding) for finding in examine(settings, recipe.task(settings))]
    result(findings, as_json=as_json, text=table(findings) or f"{config}: nothing found")
    if any(finding["level"] == "error" for finding in findings):
        raise typer.Exit(1)
