"""`biotl convert`: foreign weights to a checkpoint of ours."""

from pathlib import Path
from typing import Annotated

import typer

from biotl.cli.output import Json, Seed, result


def convert(
    weights: Annotated[list[Path], typer.Argument(help="The public ECGBERT checkpoint, or its emb_ and bert_ pair.")],
    output: Annotated[Path, typer.Option(help="The .safetensors file to write.")],
    reinit_attention: Annotated[
        bool, typer.Option("--reinit-attention", help="Draw the attention anew: the public weights never trained it.")
    ] = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Convert the public ECGBERT weights to a checkpoint.

    A stage names the file in its init. Prints what came of which tensor, and says plainly what is known of the weights.
    """
    from biotl.recipes.stored import convert_ecgbert

    report, sha256 = convert_ecgbert(weights, output, reinit_attention=reinit_attention, seed=seed)
    value = {"path": str(output), "sha256": sha256, "share": report.share, "notes": list(report.notes)}
    result(value, as_json=as_json, text=f"{output}  sha256 {sha256}\n{report}")
