"""`biotl finetune`: a recipe from raw files to a model and its report."""

import typer

from biotl.cli.output import Json, note, result, table
from biotl.cli.recipe import ConfigPath, Device, Resume, Run, SeedOverride, Set, load


def finetune(
    config: ConfigPath,
    overrides: Set = None,
    resume: Resume = False,
    seed: SeedOverride = None,
    device: Device = None,
    run: Run = None,
    as_json: Json = False,
) -> None:
    """Train a recipe from raw files to model and report.

    Prepares the recordings, fits the vocabulary, runs the stages, judges once on the test recordings beside the
    baselines, and writes model.onnx, report.html and model_card.md into the run folder. Exit code 4 if recordings were
    refused.
    """
    from biotl.recipes.mitbih import finetune

    outcome, published = finetune(load(config, overrides, seed=seed, device=device, run=run), resume=resume)
    refused = [str(error) for error in outcome.refused]
    for reason in refused:
        note(f"refused: {reason}")
    rows = outcome.rows()
    text = f"{table(rows)}\n\n{table(published.rows())}"
    result({"scores": rows, "files": published.rows(), "refused": refused}, as_json=as_json, text=text)
    if refused:
        raise typer.Exit(4)
