"""`biotl doctor`: what is wrong with a run, before it is run."""

import typer

from biotl.cli.output import Json, result, table
from biotl.cli.recipe import ConfigPath, Device, Run, SeedOverride, Set, load


def doctor(
    config: ConfigPath,
    overrides: Set = None,
    seed: SeedOverride = None,
    device: Device = None,
    run: Run = None,
    as_json: Json = False,
) -> None:
    """Check data, model and stages of a run without training.

    Looks for the target among the features, people on both sides, a recording under two names, a normaliser that saw
    the test, learning rates of 0, groups without a gradient, losses that are 0 or not finite, weights that do not come
    over, validation that is random, classes without examples. Exit code 1 if something is wrong.
    """
    from dataclasses import asdict

    from biotl.recipes.registry import find
    from biotl.training.doctor import examine

    settings = load(config, overrides, seed=seed, device=device, run=run)
    findings = [asdict(finding) for finding in examine(settings, find(settings.recipe).task(settings))]
    result(findings, as_json=as_json, text=table(findings) or f"{config}: nothing found")
    if any(finding["level"] == "error" for finding in findings):
        raise typer.Exit(1)
