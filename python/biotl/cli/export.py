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
        Literal["spec", "graph", "causal"],
        typer.Option(
            metavar="WHERE",
            help="spec, graph: the file takes raw samples of windows or sequences, causal: and filters them forward.",
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
    from biotl.recipes.export import export_run, stated

    raw, causal = preprocess != "spec", preprocess == "causal"
    difference = export_run(run, output, stage=stage, embeddings=embeddings, raw=raw, causal=causal, record=record)
    value, text = {"path": str(output), "difference": difference}, f"{output}  "
    text += f"torch and onnxruntime differ by at most {difference:.1g}"
    if raw:
        value["deviation"] = found = stated(output)
        text += (
            f"; graph and preprocessing by {found['input']:.1g} in what the network reads and in {found['answers']} of "
            f"{found['units']} answers"
        )
    result(value, as_json=as_json, text=text)
