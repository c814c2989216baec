"""`biotl pretrain`: the stages of a configuration alone."""

from biotl.cli.output import Json, result, table
from biotl.cli.recipe import ConfigPath, Device, Resume, Run, SeedOverride, Set, load


def pretrain(
    config: ConfigPath,
    overrides: Set = None,
    resume: Resume = False,
    seed: SeedOverride = None,
    device: Device = None,
    run: Run = None,
    as_json: Json = False,
) -> None:
    """Run stages alone, such as masked-token pretraining.

    Prints the best epoch of each stage. Another run starts from the weights through `init: RUN/checkpoints/best-...`.
    """
    from biotl.recipes.ecgbert import pretrain

    done = pretrain(load(config, overrides, seed=seed, device=device, run=run), resume=resume)
    rows = [
        {"stage": stage, "epoch": row["epoch"] + 1, "loss": row["loss"], "accuracy": row.get("accuracy"),
         "checkpoint": str(done.folder / "checkpoints" / f"best-{stage}.safetensors")}
        for stage, row in done.best.items()
    ]  # fmt: skip
    result(rows, as_json=as_json, text=table(rows))
