"""`biotl evaluate`: an exported model against recordings with a reference."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biotl import __version__
from biotl.cli.output import Json, end, note, refusals, result, scores, table

if TYPE_CHECKING:
    from biotl.datasets.manifest import Entry


def evaluate(
    model: Annotated[Path, typer.Argument(help="An .onnx file that biotl exported.")],
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(readable=False, help="Raw recordings with annotations beside them, or folders of them."),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Instead: a CSV of recordings with their labels, see docs/own-data.md.")
    ] = None,
    annotator: Annotated[
        str | None, typer.Option(help="Extension of the annotations; by default the one that was learnt from.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Count beats by this map: aami, or ec57, where escape beats (e, j, n) are S.")
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another run folder, once or more: MODEL is one too, compared with each on what they answered."
        ),
    ] = None,
    stress: Annotated[
        Path | None,
        typer.Option(
            help="A folder of NSTDB's bw, em and ma: MODEL is a run folder, and its test recordings are made worse."
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=1, help="With --stress: so many minutes of each recording, not all of it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score an exported model on recordings with a reference, set two finished runs against each other, or stress one.

    The reference is read as it was for training: the same annotations or column, the same classes. A missed unit and a
    false detection count as errors; false alarms of classes that no recording holds are shown. A recording that does
    not fit is refused in one line; the others go on, and the exit code is 4.
    """
    given = {
        "recordings": recordings,
        "--manifest": manifest,
        "--annotator": annotator,
        "--classes": classes,
        "--against": against,
        "--stress": stress,
        "--minutes": minutes,
    }
    _together({name for name, value in given.items() if value})
    if against:
        _compare(model, against, as_json=as_json)
        return
    if stress is not None:
        _stress(model, stress, minutes, as_json=as_json)
        return
    import numpy as np

    from biotl.datasets.labels import parse_target
    from biotl.datasets.manifest import read_manifest
    from biotl.deploy.evaluate import evaluate_entries
    from biotl.deploy.predictor import Predictor
    from biotl.errors import ConfigError
    from biotl.recipes import figures
    from biotl.scoring.classes import ClassScore
    from biotl.scoring.results import results

    if bool(recordings) == (manifest is not None):
        raise ConfigError("evaluate: name recordings, or --manifest FILE.csv, one of the two")
    predictor = Predictor(model)
    target: Any = parse_target(predictor.bundle.about.target, source=str(model))
    if annotator is not None:
        target = replace(target, annotator=annotator)
    if classes is not None:
        target = _counted_by(target, classes)
    entries = _entries(recordings or []) if manifest is None else read_manifest(manifest)
    answered, errors, notes = evaluate_entries(predictor, entries, target)
    refused = refusals(errors)
    for line in notes:
        note(line)
    asked = figures.asked_of(predictor.decision)
    split = {"how": "the recordings named to biotl evaluate", "claim": "see the notes", "digest": "", "notes": notes}
    recipe = predictor.bundle.about.recipe
    tree = results(answered, asked, recipe=recipe, split=split, looks=1, refused=refused)
    text = scores(figures.rows(tree))
    if asked.labels:
        own = next(iter(tree["models"]))
        false = {label: tree["models"][own][f"false_alarms.{label}"] for label in asked.labels}
        text += "\n\n" + table([{"false alarms an hour": label, "of": rate} for label, rate in false.items()])
        text += "\n\n" + "\n".join(ClassScore(asked.labels, np.array(tree["confusion"][own])).unheld())
    result(tree | {"notes": notes}, as_json=as_json, text=text)
    end(refused, answered)


def _together(given: set[str]) -> None:
    """Refuse options of which one would be passed over without a word."""
    from biotl.errors import ConfigError

    for name, along in (("--against", set[str]()), ("--stress", {"--minutes"})):
        if name in given and (beside := sorted(given - {name} - along)):
            raise ConfigError(f"evaluate: got {name} and {', '.join(beside)}, wanted {name} with a run folder alone")
    if "--minutes" in given and "--stress" not in given:
        raise ConfigError("evaluate: got --minutes alone, wanted it with --stress")


def _counted_by(target: Any, classes: str) -> Any:
    from biotl.config import nearest
    from biotl.datasets.beats import CLASSES
    from biotl.datasets.labels import BeatClass
    from biotl.errors import ConfigError

    if classes not in CLASSES or not isinstance(target, BeatClass):
        raise ConfigError(f"classes: got {classes}{nearest(classes, CLASSES)}, wanted {', '.join(CLASSES)}, of beats")
    return replace(target, classes=CLASSES[classes])


def _compare(first: Path, others: list[Path], *, as_json: bool) -> None:
    from dataclasses import asdict

    from biotl.report import html, model_card
    from biotl.report.against import runs, several

    found: dict[str, Any]
    if len(others) == 1:
        apart, report = runs(first, others[0])
        page, found = first / f"against_{others[0].name}.html", {key: asdict(of) for key, of in apart.items()}
    else:
        pairs, report = several(first, others)
        page = first / "against.html"
        found = {name: {key: asdict(of) for key, of in apart.items()} for name, apart in pairs.items()}
    html.write(report, page, made_by=f"biotl {__version__}")
    told = model_card.render(report, made_by=f"page: {page}")
    result({"differences": found, "report": str(page)}, as_json=as_json, text=told)


def _stress(run: Path, noise: Path, minutes: float | None, *, as_json: bool) -> None:
    from biotl.recipes.stress import stress, told

    rows = told(stress(run, noise, minutes=minutes))
    result({"levels": rows, "report": str(run / "report.html")}, as_json=as_json, text=table(rows))


def _entries(paths: list[Path]) -> "list[Entry]":
    """Return the recordings that paths name, each once; who was recorded is not known."""
    from biotl.datasets.manifest import Entry
    from biotl.records import find

    return [Entry(str(path), (path,), "") for path in find(paths)]
