"""Foreign weights to a checkpoint of ours, which a stage's ``init`` can name."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from biotl.models.foreign import import_ecgbert
from biotl.models.foreign_spiking import import_spiking
from biotl.models.registry import build
from biotl.models.transfer import Transfer, transfer
from biotl.models.ttm import read_ttm
from biotl.training.checkpoint import Checkpoint, save


def convert_ecgbert(
    paths: Sequence[Path], output: Path, *, min_share: float = 1.0, reinit_attention: bool = False, seed: int = 0
) -> tuple[Transfer, str]:
    """Bring the public ECGBERT checkpoint into a file that a stage's ``init`` can name.

    Parameters
    ----------
    paths : sequence of Path
        The one file, or the ``emb_...`` and ``bert_...`` pair.
    output : Path
        The ``.safetensors`` file to write.
    min_share : float
        Share of the model's parameters that must come; at 1 every tensor must be there and fit.
    reinit_attention : bool
        Draw the attention anew, which the public weights never trained.
    seed : int
        Of what is drawn.

    Returns
    -------
    Transfer, str
        What came of which tensor, and the sha256 of the file's contents.
    """
    model, report = import_ecgbert(
        *paths, strict=min_share == 1, minimum=min_share, reinit_attention=reinit_attention, seed=seed
    )
    lineage: list[dict[str, Any]] = [{"imported": [str(path) for path in paths], "notes": list(report.notes)}]
    about = {"model": {"name": "ecgbert_documented", "options": {}}}
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    output.parent.mkdir(parents=True, exist_ok=True)
    return report, save(output, Checkpoint(tensors, {"about": about, "lineage": lineage}))


def convert_spiking(path: Path, output: Path, *, min_share: float = 1.0) -> tuple[Transfer, str]:
    """Bring weights of the documented spiking script into a file that a stage's ``init`` can name.

    Parameters
    ----------
    path, output, min_share
        As in `convert_ecgbert`.

    Returns
    -------
    Transfer, str
        What came of which tensor, and the sha256 of the file's contents.
    """
    model, report = import_spiking(path, strict=min_share == 1, minimum=min_share)
    hidden = [layer.out_features for layer in list(model.layers)[:-1]]
    length, outputs = model.layers[0].in_features, model.layers[-1].out_features
    options = {"length": length, "hidden": hidden, "outputs": outputs, "encoding": model.encoding}
    about = {"model": {"name": "spiking", "options": options}}
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    output.parent.mkdir(parents=True, exist_ok=True)
    lineage: list[dict[str, Any]] = [{"imported": [str(path)], "notes": list(report.notes)}]
    return report, save(output, Checkpoint(tensors, {"about": about, "lineage": lineage}))


def convert_ttm(path: Path, output: Path) -> tuple[Transfer, str]:
    """Bring the encoder of IBM's TinyTimeMixer into a file that a stage's ``init`` can name.

    Parameters
    ----------
    path : Path
        ``model.safetensors`` of granite-tsfm.
    output : Path
        The ``.safetensors`` file to write.

    Returns
    -------
    Transfer, str
        What came of which tensor, its notes the ``model`` that a configuration is to name; and the sha256.
    """
    options, tensors = read_ttm(path)
    model = build("ttm", **options)
    report = transfer(model, tensors)
    sizes = ", ".join(f"{key}: {value}" for key, value in options.items() if key != "length")
    notes = (f"windows of {options['length']} samples", f"model: {{name: ttm, {sizes}}}".replace("True", "true"))
    about = {"model": {"name": "ttm", "options": options}}
    held = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    output.parent.mkdir(parents=True, exist_ok=True)
    lineage: list[dict[str, Any]] = [{"imported": [str(path)], "notes": list(notes)}]
    return replace(report, notes=notes), save(output, Checkpoint(held, {"about": about, "lineage": lineage}))
