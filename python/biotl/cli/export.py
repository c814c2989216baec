"""`biotl export`: a finished run to one ONNX file."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from biotl.cli.output import Json, result


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    output: Annotated[Path, typer.Argument(help="The .onnx file to write.")],
    stage: Annotated[str | None, typer.Option(help="Whose best epoch; the last stage by default.")] = None,
    embeddings: Annotated[
        bool, typer.Option("--embeddings", help="The encoder alone: predict then writes embeddings.")
    ] = False,
    preprocess: Annotated[
        Literal["spec", "graph"],
        typer.Option(
            help="graph: the file takes raw samples and needs nothing but an onnxruntime; windows, sequences."
        ),
    ] = "spec",
    record: Annotated[
        Path | None, typer.Option(help="A recording with the rates that a graph is for; the run's own by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Export a finished run as one ONNX file.

    Network, preprocessing, what was fitted for it, decision and lineage. It is written only if onnxruntime computes
    what torch does, to 1e-5, on batches of 1, 3, 17 and 64.
    """
    from biotl.recipes.export import export_run

    difference = export_run(run, output, stage=stage, embeddings=embeddings, raw=preprocess == "graph", record=record)
    text = f"{output}  torch and onnxruntime differ by at most {difference:.1g}"
    result({"path": str(output), "difference": difference}, as_json=as_json, text=text)
