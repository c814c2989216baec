"""`biotl split`: who is learnt from, chosen by and judged on."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from biotl.cli.output import Json, note, result, table
from biotl.cli.recipe import ConfigPath, Run, SeedOverride, Set, load


def split(
    config: ConfigPath,
    overrides: Set = None,
    mode: Annotated[
        Literal["fasttrack", "full"] | None, typer.Option(help="Of 70 subjects or of all: --set data.split.by=...")
    ] = None,
    seed: SeedOverride = None,
    run: Run = None,
    as_json: Json = False,
) -> None:
    """Show the split of a configuration, and write it to RUN/split.json.

    Only recordings that are there are listed. A split that has one subject in two splits is refused. `--mode fasttrack`
    is `--set data.split.by=fasttrack`, `--mode full` `--set data.split.by=subject`: say so to the later commands too.
    """
    import json

    from biotl.recipes.prep import split
    from biotl.records.atomic import write_text
    from biotl.training.lock import locked

    by = {"fasttrack": "fasttrack", "full": "subject"}
    chosen = [] if mode is None else [f"data.split.by={by[mode]}"]
    settings = load(config, [*(overrides or []), *chosen], seed=seed, run=run)
    who, known = split(settings)
    path = Path(settings.run) / "split.json"
    with locked(path.parent):
        write_text(path, who.to_json())
    rows = [
        {"split": name, "recording": part.id, "subject": known[part.id].subject}
        | ({} if part.start <= 0 and part.stop >= 1 else {"from": part.start, "to": part.stop})
        for name, parts in who.parts.items()
        for part in parts
    ]
    for line in (f"{who.how}: {who.claim}", *who.notes, f"wrote {path}"):
        note(line)
    result(json.loads(who.to_json()), as_json=as_json, text=table(rows))
