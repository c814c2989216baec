"""`biotl predict`: raw recordings to an answer for each beat, window or step."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biotl.cli.output import Json, end, lines_of, note, result, table

if TYPE_CHECKING:
    from biotl.deploy.prediction import Prediction

Lead = Annotated[str | None, typer.Option(help="The channel to read, instead of the first that fits by name.")]
Units = Annotated[str | None, typer.Option(help="Unit of the channels, where files do not state it or state it wrong.")]
Rate = Annotated[float | None, typer.Option("--fs", help="Rate in Hz, where files do not state it.")]
Written = Callable[["Prediction", Path, str], None]


def predict(
    model: Annotated[Path, typer.Argument(help="An .onnx file that biotl exported.")],
    # one that may not be read is refused by itself, not the command
    recordings: Annotated[list[Path], typer.Argument(readable=False, help="Raw recordings, or folders of them.")],
    lead: Lead = None,
    units: Units = None,
    fs: Rate = None,
    events: Annotated[bool, typer.Option("--events", help="Runs of one answer, instead of every answer.")] = False,
    as_table: Annotated[bool, typer.Option("--table", help="Print aligned columns instead of CSV.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="Write the answers to this .csv or .parquet file instead of printing them.")
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(help="Also write each recording's answers, if any, to FOLDER/NAME.biotl, WFDB annotations."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Also draw each recording with its answers, to FOLDER/NAME.png.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer every beat, window or step of raw recordings.

    Prints one line an answer, as CSV, table or JSON: where, what, how probable, how good the signal, and why the model
    abstains where it does. A recording that does not fit is refused in one line; the others go on, and the exit code
    is 4.
    """
    from biotl.deploy import tables
    from biotl.deploy.prediction import Prediction
    from biotl.deploy.predictor import Predictor
    from biotl.deploy.recordings import predict_files
    from biotl.deploy.recordings import recordings as recordings_of
    from biotl.errors import BiotlError, ConfigError

    done: list[Prediction] = []
    refused: list[dict[str, str]] = []
    kept: list[dict[str, Any]] = []
    options: dict[str, Any] = {"units": units, "lead": lead, "read": reader(fs)}
    ways = {"--json": as_json, "--table": as_table, "--output": output}
    if len(given := [name for name, value in ways.items() if value]) > 1:
        raise ConfigError(f"predict: got {' and '.join(given)}, wanted one of them")
    if output is not None:
        tables.check(output)
    for option, folder in (("--annotations", annotations), ("--plot", plot)):
        if folder is not None:
            tables.check_place(option, folder)
    if Path("-") in recordings:
        raise ConfigError("predict: got -, wanted recordings; of the standard input `biotl stream` reads")
    predictor = Predictor(model)
    places = recordings_of(recordings)
    beside = [] if annotations is None else [_marks(annotations, predictor.bundle.decision)]
    beside += [] if plot is None else [_picture(plot, options)]

    def refuse(path: Path, error: Exception) -> None:
        refused.append({"recording": str(path), "reason": str(error)})
        note(f"refused: {error}")

    called: set[str] = set()
    shared = _shared(places)
    for path, outcome in predict_files(predictor, places, **options):
        if not isinstance(outcome, Prediction):
            refuse(path, outcome)
            continue
        rows = [] if as_json else outcome.event_rows() if events else outcome.rows()
        if any(ways.values()):
            kept += rows
        else:
            typer.echo(lines_of(rows, header=() if done else outcome.header(events=events)), nl=False)
        done.append(outcome)
        note(_summary(outcome, path))
        name = f"{path.resolve().parent.name}_{outcome.record}" if _stem(path) in shared else outcome.record
        for write in beside:
            try:
                if name in called:
                    raise ConfigError(f"{path}: another recording is called {name}: predict it by itself")
                write(outcome, path, name)
            except BiotlError as error:
                refuse(path, error)
        called.add(name)
    if output is not None and done:
        tables.write(kept, output, done[0].header(events=events))
        note(f"wrote {output}: {len(kept)} rows")
    elif output is not None:
        output.unlink(missing_ok=True)  # answers of another day are not those to these recordings
    elif as_json:
        value = {"model": str(model), "records": [one.to_json() for one in done], "refused": refused}
        result(value, as_json=True, text="")
    elif kept:
        typer.echo(table(kept))
    end(refused, done)


def _stem(path: Path) -> str:
    return path.stem if path.is_file() else path.name


def _shared(places: Sequence[Path]) -> set[str]:
    """Return the names of more than one file, such as a holter.csv in the folder of each patient."""
    return {name for name, count in Counter(map(_stem, places)).items() if count > 1}


def _marks(folder: Path, decision: Any) -> Written:
    from biotl.errors import ConfigError

    for label in getattr(decision, "labels", ()):
        if label.encode("latin-1", "ignore").decode("latin-1") != label:
            raise ConfigError(
                f"--annotations: got the class {label}, wanted characters of Latin-1, which is all that WFDB has; "
                "leave it out, or train with data.classes that map to other names"
            )

    def write(made: "Prediction", _: Path, name: str) -> None:
        from biotl.records.write import write_annotations

        if not len(made):  # WFDB has no file without a mark, and one of another day is none of this recording
            (folder / f"{name}.biotl").unlink(missing_ok=True)
            return
        folder.mkdir(parents=True, exist_ok=True)
        note(f"wrote {write_annotations(folder / name, 'biotl', made.annotations(), fs=made.fs)}")

    return write


def _picture(folder: Path, options: dict[str, Any]) -> Written:
    from biotl.report import trace
    from biotl.report.style import style

    with style():  # says that matplotlib is missing before any work is done
        pass

    def write(made: "Prediction", path: Path, name: str) -> None:
        trace.write(made, [options["read"](path)], folder / f"{name}.png")
        note(f"wrote {folder / name}.png")

    return write


def _summary(made: "Prediction", path: Path) -> str:
    from biotl.deploy.judge import LEAST_SCORE

    said = ", ".join(f"{k} {n}" for k, n in made.counts().items())
    if poor := sum(q < LEAST_SCORE and not why for q, why in zip(made.quality, made.abstained, strict=True)):
        said += f"; {poor} answers of a signal so poor (quality below {LEAST_SCORE:g}) that it may be anything"
    return "; ".join(
        filter(None, [f"{made.record}: {len(made)} {made.unit}s from {made.lead} of {path}", said, *made.notes])
    )


def reader(fs: float | None) -> Any:
    """Return how files are read, at a rate that the user states where they do not."""
    from functools import partial

    from biotl.records import read

    return read if fs is None else partial(read, fs=fs)
