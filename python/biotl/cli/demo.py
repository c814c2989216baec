"""`biotl demo`: the whole path on synthetic ECG."""

from pathlib import Path
from typing import Annotated

import typer

from biotl.cli.output import Json, Seed, note, result, table


def demo(
    folder: Annotated[Path, typer.Argument(help="The run folder, new or empty.")] = Path("biotl-demo"),
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Walk the whole path on synthetic ECG, in minutes.

    Needs no data and no network: synthetic subjects, filters, R peaks, vocabulary, pretraining, fine-tuning,
    evaluation beside baselines, ONNX, prediction of a raw file, report.
    """
    from biotl.recipes.demo import run

    done = run(folder, seed=seed, say=note)
    rows = done.outcome.rows()
    value = {"scores": rows, "files": done.published.rows(), "agrees": done.agrees, "seconds": round(done.seconds, 1)}
    text = f"{table(rows)}\n\n{table(done.published.rows())}\n\n{done.seconds:.0f} s"
    result(value, as_json=as_json, text=text)
    if not done.agrees:
        raise typer.Exit(1)
