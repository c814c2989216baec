"""`biotl pretrain`: the stages of a configuration alone."""

from typing import TYPE_CHECKING

from biotl.cli.output import result, table
from biotl.cli.recipe import training

if TYPE_CHECKING:
    from biotl.training.stages import Config


@training
def pretrain(settings: "Config", *, resume: bool, as_json: bool) -> None:
    """Run stages alone, such as masked-token pretraining.

    Prints the best epoch of each stage. Another run starts from the weights through `init: RUN/checkpoints/best-...`.
    """
    from biotl.recipes.registry import pretrain

    done = pretrain(settings, resume=resume)
    rows = [
        {"stage": stage, "epoch": row["epoch"] + 1, "loss": row["loss"], "accuracy": row.get("accuracy"),
         "checkpoint": str(done.folder / "checkpoints" / f"best-{stage}.safetensors")}
        for stage, row in done.best.items()
    ]  # fmt: skip
    result(rows, as_json=as_json, text=table(rows))
