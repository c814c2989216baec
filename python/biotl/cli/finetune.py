"""`biotl finetune`: a recipe from raw files to a model and its report."""

from typing import TYPE_CHECKING

from biotl.cli.output import end, refusals, result, scores, table
from biotl.cli.recipe import training

if TYPE_CHECKING:
    from biotl.recipes.recipe import RunConfig


@training
def finetune(settings: "RunConfig", *, resume: bool, as_json: bool) -> None:
    """Train a recipe from raw files to model and report.

    Prepares the recordings, fits what is fitted on those of training, runs the stages, judges once on the test
    recordings beside the baselines, and writes model.onnx, report.html, model_card.md, results.json and predictions.csv
    into the run folder. Exit code 4 if recordings were refused. In two processes: torchrun --nproc-per-node=2 -m --
    biotl finetune CONFIG.
    """
    from biotl.recipes.run import finetune

    done = finetune(settings, resume=resume)
    refused = refusals(done.refused)
    value = {"scores": done.scores, "files": done.files, "refused": refused}
    result(value, as_json=as_json, text=f"{scores(done.scores)}\n\n{table(done.files)}")
    end(refused, done.scores)
