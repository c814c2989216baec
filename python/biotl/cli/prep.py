"""`biotl prep`: recordings to shards."""

import typer

from biotl.cli.output import Json, note, result, table
from biotl.cli.recipe import ConfigPath, Run, Set, load


def prep(config: ConfigPath, overrides: Set = None, run: Run = None, as_json: Json = False) -> None:
    """Prepare the recordings of a configuration as shards.

    Lead, rate, filters, R peaks, segments and reference classes, kept in RUN/shards and reused by every later command.
    """
    from biotl.recipes.ecgbert import read_sides

    settings = load(config, overrides, run=run)
    sides, refused = read_sides(settings)
    rows = [
        {"side": side, "record": r.name, "subject": r.subject, "segments": len(r.sentence),
         "beats": len(r.sentence.rpeaks), "missed": len(r.beats.missed), "false": int((r.beats.label == -1).sum())}
        for side, recordings in sides.items() for r in recordings
    ]  # fmt: skip
    for error in refused:
        note(f"refused: {error}")
    result({"recordings": rows, "refused": [str(e) for e in refused]}, as_json=as_json, text=table(rows))
    if refused:
        raise typer.Exit(4 if rows else 3)
