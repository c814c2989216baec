"""What a run folder is: of which recipe, how far it came, and what it found."""

import json
from pathlib import Path
from typing import Any

from biotl.config import read_tree
from biotl.errors import RecordError
from biotl.training.lock import NAME, holder

SPLIT = "split.json"
"""Stands in every run folder from its first step on."""
_CONFIG, _RESULTS, _LOG = "config.resolved.yaml", "results.json", "metrics.jsonl"


def describe_run(folder: Path) -> dict[str, Any]:
    """Say what a run folder holds.

    Parameters
    ----------
    folder : Path
        Of `biotl split`, `prep`, `pretrain` or `finetune`.

    Returns
    -------
    dict
        JSON: recipe, how far it is, what may be claimed, the headline of each model with its interval, files in bytes.

    Raises
    ------
    RecordError
        If a file of it is not what was written.
    """
    config = read_tree(folder / _CONFIG) if (folder / _CONFIG).is_file() else {}
    split = _json(folder / SPLIT)
    found = {"kind": "run", "recipe": config.get("recipe"), "seed": config.get("seed"), "state": _state(folder)}
    found |= {"recordings": {name: len(parts) for name, parts in split.get("parts", {}).items()}}
    found |= {"claim": split.get("claim")}
    if (folder / _RESULTS).is_file():
        found |= _figures(_json(folder / _RESULTS))
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
    files.pop(NAME, None)
    return {name: value for name, value in found.items() if value is not None} | {"files": files}


def _state(folder: Path) -> str:
    if who := holder(folder):
        return f"{who} runs in this folder"
    if (folder / "report.html").is_file():
        return "finished"
    log = (folder / _LOG).read_text(encoding="utf-8").splitlines() if (folder / _LOG).is_file() else []
    if not list(folder.glob("checkpoints/*")):
        return "not trained yet"
    try:
        last = json.loads(log[-1])
        return f"interrupted in stage {last['stage']}, epoch {last['epoch'] + 1}: go on with --resume"
    except (IndexError, ValueError, KeyError, TypeError):
        return "interrupted: go on with --resume"


def _figures(results: dict[str, Any]) -> dict[str, Any]:
    try:
        key = results["task"]["headline"]
        figure, shown = results["figures"][key], {}
        for model, values in results["models"].items():
            low, high = results["intervals"][model][key]
            digits = 1 if figure["unit"] == "%" else 2
            between = "" if low is None else f" ({low:.{digits}f} to {high:.{digits}f})"
            shown[model] = None if values[key] is None else f"{values[key]:.{digits}f}{between}"
        name = f"{figure['name']} {figure['unit']}".strip()
        return {name: shown, "looks at the test": results["looks"], "refused": len(results["refused"])}
    except (KeyError, TypeError, ValueError):
        raise RecordError(_RESULTS, "figures", "something else", "what a run writes") from None


def _json(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        tree = None
    if not isinstance(tree, dict):
        raise RecordError(str(path), "file", "something else", "the JSON that a run writes")
    return tree
