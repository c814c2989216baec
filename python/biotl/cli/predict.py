"""`biotl predict`: raw recordings to an answer for each beat, window or step."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biotl.cli.output import Json, end, note, result

if TYPE_CHECKING:
    from biotl.deploy.prediction import Prediction

Lead = Annotated[str | None, typer.Option(help="The channel to read, instead of the first that fits by name.")]
Units = Annotated[str | None, typer.Option(help="Unit of the channels, where files do not state it or state it wrong.")]
Rate = Annotated[float | None, typer.Option("--fs", help="Rate in Hz, where files do not state it.")]


def predict(
    model: Annotated[Path, typer.Argument(help="An .onnx file that biotl exported.")],
    recordings: Annotated[list[Path], typer.Argument(help="Raw recordings, or folders of them.")],
    lead: Lead = None,
    units: Units = None,
    fs: Rate = None,
    annotations: Annotated[
        Path | None,
        typer.Option(help="Also write each recording's answers, if any, to FOLDER/NAME.biotl, WFDB annotations."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer every beat, window or step of raw recordings.

    Prints one line an answer, as CSV or JSON: where, what, how probable, how good the signal, and why the model
    abstains where it does. A recording that does not fit is refused in one line; the others go on, and the exit code
    is 4.
    """
    import csv
    import io

    from biotl.deploy.prediction import Prediction
    from biotl.deploy.predictor import Predictor
    from biotl.deploy.recordings import predict_files
    from biotl.errors import ConfigError

    done: list[Prediction] = []
    refused: list[dict[str, str]] = []

    def refuse(path: Path, error: Exception) -> None:
        refused.append({"recording": str(path), "reason": str(error)})
        note(f"refused: {error}")

    options: dict[str, Any] = {"units": units, "lead": lead, "read": reader(fs)}
    for path, outcome in predict_files(Predictor(model), recordings, **options):
        if not isinstance(outcome, Prediction):
            refuse(path, outcome)
            continue
        if not as_json and len(outcome):
            lines = io.StringIO()
            rows = outcome.rows()
            if not any(map(len, done)):
                csv.writer(lines, lineterminator="\n").writerow(rows[0])
            csv.writer(lines, lineterminator="\n").writerows(row.values() for row in rows)
            typer.echo(lines.getvalue(), nl=False)
        done.append(outcome)
        note(_summary(outcome, path))
        if annotations is not None and len(outcome):  # WFDB has no file without a mark
            from biotl.records.write import write_annotations

            annotations.mkdir(parents=True, exist_ok=True)
            try:
                if [one.record for one in done].count(outcome.record) > 1:
                    raise ConfigError(f"{path}: another recording is called {outcome.record}: predict it by itself")
                note(f"wrote {write_annotations(annotations / outcome.record, 'biotl', outcome.annotations())}")
            except ConfigError as error:
                refuse(path, error)
    if as_json:
        value = {"model": str(model), "records": [one.to_json() for one in done], "refused": refused}
        result(value, as_json=True, text="")
    end(refused, done)


def _summary(made: "Prediction", path: Path) -> str:
    leads = "+".join(dict.fromkeys(made.leads.values()))
    said = ", ".join(f"{k} {n}" for k, n in made.counts().items())
    return "; ".join(
        filter(None, [f"{made.record}: {len(made)} {made.unit}s from {leads} of {path}", said, *made.notes])
    )


def reader(fs: float | None) -> Any:
    """Return how files are read, at a rate that the user states where they do not."""
    from functools import partial

    from biotl.records import read

    return read if fs is None else partial(read, fs=fs)
