"""`biotl finetune`: a recipe from raw files to a model and its report."""

from typing import TYPE_CHECKING

import typer

from biotl.cli.output import note, result, table
from biotl.cli.recipe import training

if TYPE_CHECKING:
    from biotl.training.stages import Config


@training
def finetune(settings: "Config", *, resume: bool, as_json: bool) -> None:
    """Train a recipe from raw files to model and report.

    Prepares the recordings, fits the vocabulary, runs the stages, judges once on the test recordings beside the
    baselines, and writes model.onnx, report.html and model_card.md into the run folder. Exit code 4 if recordings were
    refused. In two processes: torchrun --nproc-per-node=2 -m -- biotl finetune CONFIG.
    """
    from biotl.recipes.registry import find

    outcome, published = find(settings.recipe).finetune(settings, resume=resume)
    refused = [str(error) for error in outcome.refused]
    for reason in refused:
        note(f"refused: {reason}")
    rows = outcome.rows()
    text = f"{table(rows)}\n\n{table(published.rows())}"
    result({"scores": rows, "files": published.rows(), "refused": refused}, as_json=as_json, text=text)
    if refused:
        raise typer.Exit(4)
