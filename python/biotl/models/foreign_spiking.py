"""The weights that the documented spiking script writes, and a checkpoint of ours under the keys that it names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from biotl.errors import RecordError
from biotl.models.foreign import Layout, read_tensors
from biotl.models.spiking import Spiking
from biotl.models.transfer import Transfer, transfer

NAMES = {"fc1.": "layers.0.", "fc2.": "layers.1.", "fc3.": "layers.2."}
LAYOUT = Layout(prefixes=NAMES)
FIGURES = {"val_acc": "accuracy", "val_sensitivity": "sensitivity", "val_specificity": "specificity"}
"""The documented figures in per cent, and ours."""


def import_spiking(path: Path | str, *, strict: bool = True, minimum: float = 0.9) -> tuple[Spiking, Transfer]:
    """Bring in a ``best_model.pt`` of the documented script, of any sizes; nothing in the file is run.

    Parameters
    ----------
    path : Path or str
        The file.
    strict, minimum
        See `biotl.models.transfer.transfer`.

    Returns
    -------
    Spiking, Transfer
        In evaluation mode, with the encoding that the weights were made with; and what came of which tensor. The
        numbers of the cells that snnTorch keeps beside the weights are the documented ones, and are left out.

    Raises
    ------
    RecordError
        If the file holds no three layers of that kind.
    """
    found = {name: tensor for name, tensor in read_tensors(path, layout=LAYOUT).items() if not name.startswith("lif")}
    sizes = [found[f"layers.{k}.weight"].shape for k in range(3) if f"layers.{k}.weight" in found]
    if len(sizes) != 3 or any(len(size) != 2 for size in sizes):
        held = ", ".join(found)[:120] or "nothing"
        raise RecordError(str(path), "layers", held, "fc1, fc2 and fc3 of the documented network")
    model = Spiking(length=sizes[0][1], hidden=(sizes[0][0], sizes[1][0]), outputs=sizes[2][0], encoding="rate")
    report = transfer(model, found, strict=strict, minimum=minimum)
    return model.eval(), report


def documented(tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checkpoint of ours under the documented keys.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        ``model.*`` of a ``best-STAGE.safetensors``.
    state : mapping
        What that file says beside.

    Returns
    -------
    dict
        ``model_state_dict`` with ``fc1`` to ``fc3``; ``epoch`` from 1, ``stage`` from 1; ``val_acc``, ``val_loss``,
        ``val_sensitivity``, ``val_specificity`` and ``val_g_mean``, shares in per cent; ``history``, ``targets_met``
        and ``config``. The state of the optimiser is in the run's ``last-*.safetensors``.
    """
    weights = {}
    for name, tensor in tensors.items():
        own = name.removeprefix("model.")
        for theirs, ours in NAMES.items():
            own = theirs + own.removeprefix(ours) if own.startswith(ours) else own
        weights[own] = tensor
    best = state["metrics"]
    stages = [stage["name"] for stage in state["config"]["stages"]]
    return {
        "model_state_dict": weights,
        "epoch": best["epoch"] + 1,
        "stage": stages.index(best["stage"]) + 1,
        **{theirs: 100 * best[ours] for theirs, ours in FIGURES.items()},
        "val_loss": best["loss"],
        "val_g_mean": 100 * best["g_mean"],
        "history": state["history"],
        "targets_met": bool(best["targets_met"]),
        "config": state["config"],
    }
