"""`biotl doctor`: what is wrong with a run, before it is run."""

import typer

from biotl.cli.output import Json, note, refusals, result, table
from biotl.cli.recipe import ConfigPath, Device, Run, SeedOverride, Set, load


def doctor(
    config: ConfigPath,
    overrides: Set = None,
    seed: SeedOverride = None,
    device: Device = None,
    run: Run = None,
    as_json: Json = False,
) -> None:
    """Check recordings, split, model and stages of a run without training.

    First the recordings: missing files, one file under two ids, one content under two names, one subject in two splits,
    classes with too few subjects, units, rates, sizes, gaps, flat channels. Then every stage on one batch: the target
    among the features, a normaliser that saw the test, learning rates of 0, groups without a gradient, losses that are
    not finite, weights that do not come over, validation that is random. Exit code 1 if something is wrong.
    """
    from dataclasses import asdict

    from biotl.datasets.check import examine_manifest
    from biotl.errors import BiotlError
    from biotl.recipes.prep import fit, prepare, split
    from biotl.recipes.registry import find

    settings = load(config, overrides, seed=seed, device=device, run=run)
    who, known = split(settings)
    recipe, entries = find(settings.recipe), list(known.values())
    target = recipe.target(settings, entries)
    unfitted, needs = recipe.preprocessor(settings), settings.needs
    findings = [asdict(f) for f in examine_manifest(entries, unfitted, who, target=target, needs=needs)]
    try:
        from biotl.recipes.run import task
        from biotl.training.doctor import examine
    except ImportError as error:
        note(f"{error.name} is not installed, so that model and stages were not checked: pip install 'biotl[train]'")
    else:
        try:
            ready = prepare(settings)
            refusals(ready.refused)
            fitted = fit(ready, needs=needs)
            if settings.stages:  # what is fitted at once has none
                findings += [asdict(finding) for finding in examine(settings, task(fitted))]
        except BiotlError as error:  # what is already found explains it
            findings.append({"level": "error", "check": "preparation", "message": str(error)})
    result(findings, as_json=as_json, text=table(findings) or f"{config}: nothing found")
    if any(finding["level"] == "error" for finding in findings):
        raise typer.Exit(1)
