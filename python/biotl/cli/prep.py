"""`biotl prep`: recordings to the store that every later command reads."""

from typing import Annotated, Any

import typer

from biotl.cli.output import Json, end, refusals, result, table
from biotl.cli.recipe import ConfigPath, Run, SeedOverride, Set, load


def prep(
    config: ConfigPath,
    overrides: Set = None,
    seed: SeedOverride = None,
    run: Run = None,
    shard: Annotated[
        str | None, typer.Option(help="Only the i-th of n shares, as 2/8: one job each, then once without.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Prepare the recordings of a configuration, and fit what is fitted on those of training.

    Kept in RUN/store and reused by every later command; interrupted, a second run goes on. Exit code 4 if recordings
    were refused.
    """
    import hashlib
    import json

    from biotl.recipes.prep import describe, fit, prepare

    settings = load(config, overrides, seed=seed, run=run)
    ready = prepare(settings, shard=_share(shard))
    refused = refusals(ready.refused)
    rows = describe(ready)
    fitted: dict[str, Any] = {}
    if rows and shard is None:
        state = json.dumps(fit(ready).preprocessor.state, sort_keys=True)
        fitted = {"recordings": len(ready.parts("train")), "sha256": hashlib.sha256(state.encode()).hexdigest()}
    value = {"recordings": rows, "fitted": fitted, "refused": refused}
    said = f"\n\nfitted on {fitted['recordings']} recordings: sha256 {fitted['sha256']}" if fitted else ""
    result(value, as_json=as_json, text=table(rows) + said)
    end(refused, rows)


def _share(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    from biotl.errors import ConfigError

    i, slash, n = text.partition("/")
    if not (slash and i.isdigit() and n.isdigit() and 1 <= int(i) <= int(n)):
        raise ConfigError(f"--shard: got {text}, wanted i/n with i from 1 to n, such as 2/8")
    return int(i) - 1, int(n)
