"""`biotl evaluate`: an exported model against annotated recordings."""

from pathlib import Path
from typing import Annotated

import typer

from biotl.cli.output import Json, note, result, table


def evaluate(
    model: Annotated[Path, typer.Argument(help="An .onnx file that biotl exported.")],
    recordings: Annotated[list[Path], typer.Argument(help="Raw recordings with their .atr beside them.")],
    as_json: Json = False,
) -> None:
    """Score an exported model on annotated recordings.

    Prints sensitivity, PPV and F1 of each class over all beats; a missed beat and a false detection count as errors. A
    recording that does not fit is refused in one line; the others go on, and the exit code is 4.
    """
    from biotl.deploy.evaluate_before import evaluate_files
    from biotl.deploy.predictor_before import Predictor

    done = evaluate_files(Predictor(model), recordings)
    for error in done.refused:
        note(f"refused: {error}")
    value = {
        "macro_f1": 100 * done.total.macro_f1,
        "accuracy": 100 * done.total.accuracy,
        "classes": done.rows(),
        "confusion": done.total.confusion.tolist(),
        "recordings": {path: {"macro_f1": 100 * s.macro_f1, "accuracy": 100 * s.accuracy}
                       for path, s in done.recordings.items()},
        "refused": [str(error) for error in done.refused],
    }  # fmt: skip
    summary = f"macro-F1 {value['macro_f1']:.1f} %, accuracy {value['accuracy']:.1f} %"
    result(value, as_json=as_json, text=f"{table(done.rows())}\n\n{summary}")
    if done.refused:
        raise typer.Exit(4)
