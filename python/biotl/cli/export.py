"""`biotl export`: a finished run to one ONNX file."""

from pathlib import Path
from typing import Annotated

import typer

from biotl.cli.output import Json, result


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    output: Annotated[Path, typer.Argument(help="The .onnx file to write.")],
    stage: Annotated[str | None, typer.Option(help="Whose best epoch; the last stage by default.")] = None,
    embeddings: Annotated[
        bool, typer.Option("--embeddings", help="The encoder alone: predict then writes embeddings.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Export a finished run as one ONNX file.

    Network, preprocessing, what was fitted for it, decision and lineage. It is written only if onnxruntime computes
    what torch does, to 1e-5, on batches of 1, 3 and 17.
    """
    from biotl.recipes.export import export_run

    difference = export_run(run, output, stage=stage, embeddings=embeddings)
    text = f"{output}  torch and onnxruntime differ by at most {difference:.1g}"
    result({"path": str(output), "difference": difference}, as_json=as_json, text=text)
