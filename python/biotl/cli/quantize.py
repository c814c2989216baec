"""`biotl quantize`: the model of a finished run with smaller weights, if nothing that matters changes."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from biotl.cli.output import Json, result


def quantize(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    output: Annotated[Path, typer.Argument(help="The .onnx file to write.")],
    weights: Annotated[
        Literal["int8", "float16"], typer.Option(help="int8: faster, or refused; float16: half the size.")
    ] = "int8",
    as_json: Json = False,
) -> None:
    """Write the model of a run with int8 or float16 weights, or refuse it with the figures.

    Ranges come from training recordings. On validation recordings at least 99 % of the answers have to stay and the
    main figure within a point, and int8 has to be faster on this machine.
    """
    from biotl.recipes.quantize import quantize_run

    found = quantize_run(run, output, weights)
    text = (
        f"{output}  {found.agreement:.2%} of {found.units} validation answers stay, {found.metric} "
        f"{found.before:.2f} to {found.after:.2f}, {found.bytes_after / found.bytes_before:.2f} of the bytes, "
        f"{found.speed:.2f} of the time"
    )
    result({"path": str(output), **found.as_json()}, as_json=as_json, text=text)
