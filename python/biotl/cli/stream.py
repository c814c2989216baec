"""`biotl stream`: a signal to answers while it is being recorded."""

from pathlib import Path
from typing import Annotated, Any

import typer

from biotl.cli.output import Json, lines_of, note
from biotl.cli.predict import Lead


def stream(
    model: Annotated[Path, typer.Argument(help="An .onnx file that biotl exported.")],
    source: Annotated[Path | None, typer.Argument(help="A file that grows; the standard input by default.")] = None,
    fs: Annotated[float, typer.Option(help="Rate in Hz.")] = 0.0,
    channels: Annotated[
        str | None, typer.Option(help="Names, as in II,V1; by default the first row, or those of the model.")
    ] = None,
    units: Annotated[str | None, typer.Option(help="Unit of the channels; by default those of the model.")] = None,
    lead: Lead = None,
    raw: Annotated[bool, typer.Option("--raw", help="Little-endian float32, channel after channel.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for more at the end of the file.")] = False,
    events: Annotated[bool, typer.Option("--events", help="Print runs of one answer when they have ended.")] = False,
    state: Annotated[
        Path | None, typer.Option(help="Go on from this file if there is one, and write to it at the end.")
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="With --state: the recording ends with this input.")] = False,
    as_json: Json = False,
) -> None:
    """Answer every beat, window or step of a signal as it comes.

    Reads one row of text a sample, a column a channel, or raw numbers; prints a line an answer as soon as nothing that
    is still to come can change it, as CSV, or as JSON, one object a line. How late that is, and how much of the time
    was spent, is said at the end.
    """
    import sys

    from biotl.deploy.feed import Raw, Text, chunks
    from biotl.deploy.predictor import Predictor
    from biotl.deploy.stream import PredictionStream
    from biotl.errors import ConfigError

    predictor = Predictor(model)
    begun = PredictionStream.load(predictor, state) if state is not None and state.is_file() else None
    if begun is None and fs <= 0:
        raise ConfigError("--fs: got nothing, wanted the rate of the signal in Hz")
    names = tuple(name.strip() for name in channels.split(",")) if channels else ()
    known = names or (begun.channels if begun else tuple(channel.name for channel in predictor.channels))
    fs = begun.fs if begun else fs
    feed = Raw(known) if raw else Text("stdin" if source is None else str(source), fs)
    begins = True

    def show(made: Any, ended: Any) -> None:
        nonlocal begins
        found = made.event_rows(ended) if events else made.rows()
        header = made.header(events=events) if begins else ()
        typer.echo(lines_of(found, as_json=as_json, header=header), nl=False)
        begins = False
        sys.stdout.flush()

    def take(x: Any) -> None:
        nonlocal begun
        if not x.shape[1]:
            return
        if begun is None:
            named = names or feed.channels or None
            begun = predictor.stream(fs=fs, channels=named, units=units or feed.units or None, lead=lead)
        made = begun.push(x)
        show(made, begun.events)

    try:
        for data in chunks(source, follow=follow):
            take(feed.push(data))
        take(feed.finish())
        if begun is not None and (state is None or last):
            made = begun.finish()
            show(made, begun.events)
    finally:
        if begun is not None:
            if state is not None and not last:
                begun.save(state)
            each = begun.busy_s / max(begun.heard_s, 1e-9)
            late = f"answers at most {begun.delay_s:g} s after what they are of began"
            note(f"heard {begun.heard_s:.1f} s; {late}; {1e3 * each:.2f} ms of work a second of signal")
