"""Models that lie in files: a run folder to ONNX, and a foreign checkpoint to one of ours."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from biotl.datasets import SignalSpec, Vocabulary
from biotl.datasets.sentences import prepare, window_arrays, windows
from biotl.deploy.export_before import export
from biotl.errors import RecordError
from biotl.models.foreign import import_ecgbert
from biotl.models.registry import build
from biotl.models.transfer import Transfer
from biotl.records import ecg
from biotl.training.checkpoint import SUFFIX, Checkpoint, load, save


def export_run(run: Path, path: Path, *, stage: str | None = None) -> float:
    """Export the best weights of a finished run, with the thresholds that were chosen on its validation recordings.

    Parameters
    ----------
    run : Path
        A run folder.
    path : Path
        The ``.onnx`` file to write.
    stage : str, optional
        Whose best epoch; the last stage by default.

    Returns
    -------
    float
        How far onnxruntime is from torch, see `biotl.deploy.export.export`.

    Raises
    ------
    RecordError
        If the folder holds no finished run, or no such stage.
    """
    results = run / "results.json"
    if not results.is_file():
        raise RecordError(str(run), "results.json", "nothing", "a finished run", "finish it with `biotl finetune`")
    try:
        thresholds = json.loads(results.read_text())["thresholds"]
    except (ValueError, TypeError, KeyError):
        raise RecordError(str(results), "thresholds", "none", "those of a finished run", "finish it again") from None
    checkpoints = {p.stem.removeprefix("best-"): p for p in (run / "checkpoints").glob(f"best-*{SUFFIX}")}
    newest = max(checkpoints.values(), key=lambda p: load(p).state["history"][-1]["step"]) if checkpoints else None
    chosen = checkpoints.get(stage) if stage else newest
    if chosen is None:
        raise RecordError(str(run), "stage", str(stage), f"one of {', '.join(sorted(checkpoints)) or 'none'}")
    checkpoint = load(chosen)
    about = checkpoint.state["about"]
    model = build(about["model"]["name"], **about["model"]["options"])
    model.load_state_dict(checkpoint.part("model"))
    spec = SignalSpec.model_validate(about["spec"])
    vocabulary = Vocabulary.from_json(json.dumps(about["vocabulary"]), str(chosen))
    # no recording is at hand, and none is needed: any ECG in the right form shows whether the two agree
    sentence = prepare(ecg(0, duration_s=120.0, fs=spec.fs), spec, vocabulary)
    cuts = [window_arrays(sentence, window, spec) for window in windows(sentence, spec)]
    return export(
        model,
        path,
        spec=spec,
        vocabulary=vocabulary,
        labels=about["labels"],
        example={name: np.stack([cut[name] for cut in cuts]) for name in cuts[0]},
        thresholds=thresholds,
        about={"recipe": checkpoint.state["config"]["recipe"], "checkpoint": chosen.name, **about["model"]},
    )


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
