"""`biotl bench`: how fast a model file is here, or the tables of the README again."""

from pathlib import Path
from typing import Annotated

import typer

from biotl.cli.output import Json, note, result

SCRIPTS = ("table.py", "rpeaks.py", "waves.py", "ppg.py", "quality.py", "heart_rate.py", "training.py")
"""Of `benches/`, those that print a table of the README without learning anything, quickest first."""


def bench(
    model: Annotated[
        Path | None, typer.Argument(help="An .onnx file; without one, the tables of the README are measured again.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure a model file: latency beside torch, cold start, memory, and how much faster than real time.

    Without a model, run the scripts of a checkout that print the README's tables.
    """
    import subprocess
    import sys
    import tempfile

    import biotl
    from biotl.errors import ConfigError

    if model is not None:
        from biotl.deploy.bench import markdown, measure

        with tempfile.TemporaryDirectory() as work:
            found = measure(model, Path(work))
        result(found, as_json=as_json, text=markdown(found))
        return
    folder = Path(biotl.__file__).parents[2] / "benches"
    if not (folder / SCRIPTS[0]).is_file():
        raise ConfigError("bench: got an installed biotl, wanted a checkout of its repository, whose benches/ it runs")
    for script in SCRIPTS:
        note(f"python benches/{script}")
        done = subprocess.run([sys.executable, str(folder / script)], check=False)
        if done.returncode:
            note(f"benches/{script} ended with {done.returncode}: see its first lines for what it needs")
