"""`biotl tokens`: fit the vocabulary."""

from pathlib import Path
from typing import Annotated

import typer

from biotl.cli.output import Json, note, result, table
from biotl.cli.recipe import ConfigPath, Run, SeedOverride, Set, load


def tokens(
    config: ConfigPath,
    output: Annotated[Path, typer.Option(help="The vocabulary file to write.")] = Path("vocabulary.json"),
    overrides: Set = None,
    seed: SeedOverride = None,
    run: Run = None,
    as_json: Json = False,
) -> None:
    """Fit the vocabulary on the training recordings.

    Prints the segments and clusters of each wave type.
    """
    from biotl.datasets.recordings import learn_vocabulary
    from biotl.recipes.ecgbert import read_sides
    from biotl.signal import WAVES

    settings = load(config, overrides, seed=seed, run=run)
    sides, refused = read_sides(settings)
    for error in refused:
        note(f"refused: {error}")
    vocabulary, spec = learn_vocabulary(sides["train"], settings.data.spec, seed=settings.seed)
    vocabulary.save(output)
    rows = [
        {"wave": wave, "clusters": len(counts), "segments": int(counts.sum()), "smallest": int(counts.min())}
        for wave, counts in zip(WAVES, vocabulary.counts, strict=True)
    ]
    value = {"path": str(output), "sha256": spec.vocabulary, "waves": rows}
    result(value, as_json=as_json, text=f"{table(rows)}\n\n{output}  sha256 {spec.vocabulary}")
