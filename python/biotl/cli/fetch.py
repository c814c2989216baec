"""`biotl fetch`: download a PhysioNet database."""

from pathlib import Path
from typing import Annotated

import typer

from biotl.cli.output import Json, result


def fetch(
    database: Annotated[str, typer.Argument(help="Short name of a PhysioNet database, such as mitdb.")],
    to: Annotated[Path, typer.Option(help="Where its folder goes; made if need be.")],
    as_json: Json = False,
) -> None:
    """Download a PhysioNet database to FOLDER/DATABASE, checked against its SHA256SUMS.

    Interrupted, it leaves FOLDER/.DATABASE.part; a second run goes on from there.
    """
    from biotl.records.fetch import fetch

    path = fetch(database, to)
    result({"database": database, "path": str(path)}, as_json=as_json, text=str(path))
