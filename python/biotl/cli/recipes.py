"""`biotl recipes`: the configurations that come with biotl."""

from pathlib import Path
from typing import Annotated

import typer

from biotl.cli.output import Json, result, table


def recipes(
    name: Annotated[str | None, typer.Argument(help="The one to print or copy; all are listed by default.")] = None,
    copy: Annotated[Path | None, typer.Option(help="Copy it to this new file, for editing.")] = None,
    as_json: Json = False,
) -> None:
    """List the shipped configurations, print one, or copy one out.

    `biotl recipes ecgbert_mitbih --copy mine.yaml`, edit, `biotl finetune mine.yaml`.
    """
    from biotl.errors import ConfigError
    from biotl.recipes.registry import config_path, shipped
    from biotl.records.atomic import write_text

    if name is None:
        if copy is not None:
            raise ConfigError("--copy: which configuration? `biotl recipes NAME --copy FILE`")
        heads = {known: path.read_text(encoding="utf-8").splitlines()[0] for known, path in shipped().items()}
        rows = [{"name": known, "what": head.lstrip("# ")} for known, head in heads.items()]
        result(rows, as_json=as_json, text=table(rows))
        return
    text = config_path(name).read_text(encoding="utf-8")
    if copy is None:
        result({"name": name, "text": text}, as_json=as_json, text=text.rstrip())
        return
    if copy.exists():  # never over a file of the user's
        raise ConfigError(f"{copy}: it is there already; choose another name")
    write_text(copy, text)
    result({"name": name, "path": str(copy)}, as_json=as_json, text=str(copy))
