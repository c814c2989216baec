"""`biotl pretrain`: the stages of a configuration alone, and what the encoder is worth."""

from typing import TYPE_CHECKING

from biotl.cli.output import refusals, result, scores, table
from biotl.cli.recipe import training

if TYPE_CHECKING:
    from biotl.recipes.recipe import RunConfig


@training
def pretrain(settings: "RunConfig", *, resume: bool, as_json: bool) -> None:
    """Run stages alone, such as masked-token pretraining.

    Ends with report.html, results.json (a linear probe on the embeddings beside random initialisation, scored on the
    validation recordings) and encoder.onnx, whose `biotl predict` writes embeddings. Another run starts from the
    weights through `init: RUN/checkpoints/best-...`.
    """
    from biotl.recipes.run import pretrain

    done = pretrain(settings, resume=resume)
    refused = refusals(done.refused)
    value = {"stages": done.stages, "scores": done.scores, "files": done.files, "refused": refused}
    text = "\n\n".join(filter(None, (table(done.stages), scores(done.scores), table(done.files))))
    result(value, as_json=as_json, text=text)
