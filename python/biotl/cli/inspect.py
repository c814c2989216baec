"""`biotl inspect`: what a file is."""

from pathlib import Path
from typing import Annotated

import typer

from biotl.cli.output import Json, result


def inspect(
    path: Annotated[Path, typer.Argument(help="A recording, a run folder, a store, a checkpoint or an .onnx model.")],
    as_json: Json = False,
) -> None:
    """Say what a recording, run, store, checkpoint or model holds."""
    from biotl.config import text_of
    from biotl.deploy.describe import describe

    found = describe(path)
    result(found, as_json=as_json, text=text_of(found).rstrip())
