"""`biotl demo`: the whole path on synthetic recordings."""

from pathlib import Path
from typing import Annotated

import typer

from biotl.cli.output import Json, Seed, note, result, scores, table


def demo(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder, or that of an interrupted demo.")] = Path(
        "biotl-demo"
    ),
    recipe: Annotated[str, typer.Option(help="Of which configuration, see `biotl recipes`.")] = "demo",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Walk the whole path on synthetic recordings, in minutes.

    Needs no data and no network: recordings and their manifest, preparation, training, evaluation beside baselines,
    ONNX, prediction of a raw file, report. Interrupted, it goes on where it was; it never overwrites a file of yours.
    """
    from biotl.recipes.demo import run

    done = run(folder, name=recipe, seed=seed, say=note)
    rows, files = done.published.scores, done.published.files
    agrees = f"{len(done.prediction)} {done.prediction.unit}s of a raw file through onnxruntime: "
    agrees += "the same answers as torch" if done.agrees else "NOT the answers of torch"
    value = {"scores": rows, "files": files, "agrees": done.agrees, "seconds": round(done.seconds, 1)}
    result(value, as_json=as_json, text=f"{scores(rows)}\n\n{table(files)}\n\n{agrees}\n{done.seconds:.0f} s")
    if not done.agrees:
        raise typer.Exit(1)
