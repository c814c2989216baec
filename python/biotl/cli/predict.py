"""`biotl predict`: raw recordings to a label, time and probability per beat."""

from pathlib import Path
from typing import Annotated

import typer

from biotl.cli.output import Json, note, result

HEADER = "record,sample,time_s,label,probability"


def predict(
    model: Annotated[Path, typer.Argument(help="An .onnx file that biotl exported.")],
    recordings: Annotated[list[Path], typer.Argument(help="Raw recordings: WFDB (no extension), .npz, .mat, .csv.")],
    annotations: Annotated[
        Path | None,
        typer.Option(help="Also write each recording's beats, if any, to FOLDER/NAME.biotl, a WFDB annotation file."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Classify every beat of raw recordings.

    Prints one line a beat, as CSV or JSON. A recording that does not fit the model is refused in one line; the others
    go on, and the exit code is 4.
    """
    import csv
    import io

    from biotl.deploy.predictor_before import Prediction, Predictor, predict_files
    from biotl.errors import ConfigError

    predictor = Predictor(model)
    done: list[Prediction] = []
    refused: list[dict[str, str]] = []
    if not as_json:
        typer.echo(HEADER)
    for path, outcome in predict_files(predictor, recordings):
        if not isinstance(outcome, Prediction):
            refused.append({"recording": str(path), "reason": str(outcome)})
            note(f"refused: {outcome}")
            continue
        done.append(outcome)
        if not as_json and len(outcome):
            lines = io.StringIO()
            csv.writer(lines, lineterminator="\n").writerows(row.values() for row in outcome.rows())
            typer.echo(lines.getvalue(), nl=False)
        note(f"{outcome.record}: {len(outcome)} beats, {', '.join(f'{k} {n}' for k, n in outcome.counts().items())}")
        if annotations is not None and len(outcome):  # WFDB has no file without a mark
            from biotl.records.write import write_annotations

            annotations.mkdir(parents=True, exist_ok=True)
            try:
                if [one.record for one in done].count(outcome.record) > 1:
                    raise ConfigError(f"{path}: another recording is called {outcome.record}: predict it by itself")
                note(f"wrote {write_annotations(annotations / outcome.record, 'biotl', outcome.annotations())}")
            except ConfigError as error:
                refused.append({"recording": str(path), "reason": str(error)})
                note(f"refused: {error}")
    if as_json:
        records = [{"record": p.record, "fs": p.fs, "counts": p.counts(), "beats": p.rows()} for p in done]
        result({"model": str(model), "records": records, "refused": refused}, as_json=True, text="")
    if refused:
        raise typer.Exit(4 if done else 3)
