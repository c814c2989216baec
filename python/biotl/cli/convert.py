"""`biotl convert`: foreign weights to a checkpoint of ours."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from biotl.cli.output import Json, Seed, result


def convert(
    weights: Annotated[list[Path], typer.Argument(help="The checkpoint; of ECGBERT also its emb_ and bert_ pair.")],
    output: Annotated[Path, typer.Option(help="The .safetensors file to write.")],
    model: Annotated[
        Literal["ecgbert", "spiking", "ttm"],
        typer.Option(help="Whose weights: of the public ECGBERT, the documented spiking network, or IBM's TTM."),
    ] = "ecgbert",
    min_share: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of the parameters that must come; at 1 every tensor must fit."),
    ] = 1.0,
    reinit_attention: Annotated[
        bool, typer.Option("--reinit-attention", help="Draw the attention anew: the public weights never trained it.")
    ] = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Convert public weights to a checkpoint.

    A stage names the file in its init. Prints what came of which tensor, and says plainly what is known of the weights.
    """
    from biotl.errors import ConfigError
    from biotl.models.transfer import KINDS
    from biotl.recipes.convert import convert_ecgbert, convert_spiking, convert_ttm

    if model != "ecgbert" and (len(weights) > 1 or reinit_attention):
        raise ConfigError(f"convert --model {model}: takes one file, and has no attention to draw anew")
    if model == "ttm":
        report, sha256 = convert_ttm(weights[0], output)
    elif model == "spiking":
        report, sha256 = convert_spiking(weights[0], output, min_share=min_share)
    else:
        report, sha256 = convert_ecgbert(
            weights, output, min_share=min_share, reinit_attention=reinit_attention, seed=seed
        )
    odd = {kind: list(getattr(report, kind)) for kind in KINDS if kind != "matched"}
    value = {"path": str(output), "sha256": sha256, "share": report.share, "matched": len(report.matched), **odd}
    lines = [f"{kind}: {', '.join(names)}" for kind, names in odd.items() if names]
    text = "\n".join([f"{output}  sha256 {sha256}", str(report), *lines])
    result(value | {"notes": list(report.notes)}, as_json=as_json, text=text)
