"""Any recipe on synthetic recordings: from nothing to a report and to predictions of a raw file, in minutes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from biotl.config import dump
from biotl.deploy.prediction import Prediction
from biotl.deploy.predictor import Predictor
from biotl.errors import ConfigError
from biotl.recipes import registry
from biotl.recipes.publish import Published
from biotl.recipes.run import finetune, pretrain
from biotl.records import read
from biotl.records.atomic import write_text

HEAD = "# Written by `biotl demo`: synthetic recordings, so the figures say that the path works, not how well.\n"


@dataclass(frozen=True)
class Demo:
    """What a demo has to show.

    Parameters
    ----------
    published : Published
        The files and figures of the run.
    prediction : Prediction
        What onnxruntime says of one raw recording of the test.
    agrees : bool
        Whether these are the answers that torch gave.
    seconds : float
        From the first to the last.
    """

    published: Published
    prediction: Prediction
    agrees: bool
    seconds: float


def run(folder: Path, *, name: str = "demo", seed: int = 0, say: Callable[[str], None]) -> Demo:
    """Write synthetic recordings and a configuration, run it, and predict a raw file with the model file.

    Parameters
    ----------
    folder : Path
        New, empty, or of an interrupted demo, which goes on.
    name : str
        A shipped configuration; its recordings are replaced by synthetic ones.
    seed : int
        Of subjects, vocabulary and model.
    say : callable
        Takes one line for each step.

    Raises
    ------
    ConfigError
        If the folder holds anything else: nothing is overwritten.
    """
    began = time.monotonic()
    path = _configuration(folder, name, seed)
    config = registry.load(path)
    say(f"1/3 synthetic recordings with their truth: {folder / 'manifest.csv'}")
    recipe = registry.find(config.recipe)
    recipe.synthesize(folder, seed)
    resume = (Path(config.run) / "checkpoints").is_dir()
    # a recipe that does both has configurations for the one that are named so
    pretrains = recipe.pretrains or name.endswith("_pretrain")
    say(f"2/3 biotl {'pretrain' if pretrains else 'finetune'} {path}{' --resume' if resume else ''}")
    done = (pretrain if pretrains else finetune)(config, resume=resume)
    raw = max((folder / "recordings").glob("*.hea")).with_suffix("")
    if done.answered:
        raw = folder / "recordings" / done.answered[0].id
    say(f"3/3 biotl predict {done.model} {raw}")
    prediction = Predictor(done.model).predict(read(raw))
    if pretrains:  # the answers are a probe's; that the encoder's file is the encoder, its export has checked
        agrees = len(prediction) > 0 and bool(np.isfinite(prediction.value).all())
    else:
        told = next(iter(done.answered[0].answers.values()))
        agrees = bool((np.array_equal if prediction.labels else np.allclose)(prediction.value, told))
    return Demo(done, prediction, agrees, time.monotonic() - began)


def _configuration(folder: Path, name: str, seed: int) -> Path:
    """Return the configuration of a demo's folder: written now, or by the demo that is to go on."""
    home = folder.resolve()
    own = [f"data.manifest={home / 'manifest.csv'}", f"run={home / 'run'}", f"seed={seed}"]
    config = registry.load(name, [*own, "data.split={by: split}"])
    path, text = folder / "config.yaml", HEAD + dump(config)
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        if (Path(config.run) / "report.html").is_file():
            raise ConfigError(f"{folder} holds a finished demo: see {config.run}/report.html, or choose another folder")
        return path
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty and holds no demo of {name} with seed {seed}: choose another folder")
    write_text(path, text)
    return path
