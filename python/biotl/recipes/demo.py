"""The whole path on synthetic ECG, in minutes: nothing is fetched, nothing is needed, and the truth is known."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from biotl.config import Named, validate
from biotl.datasets import SignalSpec
from biotl.datasets.beats import match
from biotl.datasets.recordings import Recording, prepare_recording
from biotl.deploy.predictor_before import Prediction, Predictor
from biotl.errors import ConfigError
from biotl.parallel import in_threads
from biotl.recipes.ecgbert import Outcome, evaluate, learn, write_results
from biotl.recipes.publish import Published, Words, publish
from biotl.records import Record, ecg, read
from biotl.records.write import write_wfdb
from biotl.training.stages import Config

SUBJECTS = {"train": 40, "validation": 10, "test": 14}
MINUTES = 3.0
STAGES: list[dict[str, Any]] = [
    {
        "name": "pretrain",
        "view": "tokens",
        "trains": ["embedding", "encoder", "mlm"],
        "epochs": 4,
        "loss": {"name": "cross_entropy", "output": "mlm_logits"},
        "metrics": {"name": "classification", "output": "mlm_logits"},
    },
    {"name": "head", "view": "beats", "trains": ["encoder", "head"], "epochs": 1},
    {"name": "all", "view": "beats", "trains": ["embedding", "encoder", "head"], "epochs": 6},
]
# rare classes count more, by about the inverse square root of their share
LOSS = {"name": "cross_entropy", "weight": [0.3, 1.4, 1.1, 2.2, 1.0]}


@dataclass(frozen=True)
class Demo:
    """What a demo run has to show.

    Parameters
    ----------
    outcome : Outcome
        Model, baselines and figures on unseen subjects.
    published : Published
        The files.
    prediction : Prediction
        What onnxruntime says of one raw recording.
    agrees : bool
        Whether these are the labels that torch gave.
    seconds : float
        From the first to the last.
    """

    outcome: Outcome
    published: Published
    prediction: Prediction
    agrees: bool
    seconds: float


class DemoConfig(Config):
    """The demo's run."""

    model: Named = Named(name="ecgbert")


def config(folder: Path, *, seed: int = 0) -> DemoConfig:
    """Return the demo's run as data."""
    beats = {"loss": LOSS, "metrics": {"name": "classification", "names": list("NSVFQ")}}
    beats["select"] = {"metric": "macro_f1", "mode": "max"}
    common = {"batch_size": 8, "lr": 2e-3, "schedule": {"name": "cosine", "warmup_epochs": 0.5}}
    stages = [{**common, **(beats if stage["view"] == "beats" else {}), **stage} for stage in STAGES]
    tree = {"recipe": "demo", "run": str(folder), "seed": seed, "stages": stages}
    # one thread: the batches are small, and a second one waits for the first more than it works
    tree["engine"] = {"threads": 1}
    tree["model"] = {"name": "ecgbert", "dim": 48, "layers": 2, "hidden": 96}
    return validate(DemoConfig, tree, source="demo")


def run(folder: Path, *, seed: int = 0, say: Callable[[str], None]) -> Demo:
    """Walk the whole path: synthetic subjects to a report, and a raw file to predictions.

    Parameters
    ----------
    folder : Path
        The run folder, new or empty.
    seed : int
        Of the subjects, the vocabulary and the model.
    say : callable
        Takes one line for each step.

    Returns
    -------
    Demo

    Raises
    ------
    ConfigError
        If the folder holds a run.
    """
    if (folder / "metrics.jsonl").exists():
        raise ConfigError(f"{folder} holds a run: choose another folder")
    began = time.monotonic()
    plan, spec = config(folder, seed=seed), SignalSpec()
    total = sum(SUBJECTS.values())
    say(f"1/6 {total} synthetic subjects, {MINUTES:g} minutes of two-lead ECG each; filter, R peaks, segments")
    sides, raw = _sides(spec, seed)
    found = _detection([*sides["train"], *sides["validation"], *sides["test"]], raw, spec)
    say(f"    R peaks against the truth: {found}")
    say("2/6 vocabulary of segments, masked-token pretraining, staged fine-tuning")
    learnt = learn(plan, spec, sides)
    say("3/6 evaluation on subjects never seen, beside the baselines")
    outcome = evaluate(plan, learnt, sides, [])
    write_results(folder, outcome)
    say("4/6 ONNX, checked against torch; report and model card")
    test = {recording.name: raw[recording.name] for recording in sides["test"]}
    headline = [
        (found.sensitivity, "of R peaks found", f"PPV {found.ppv}, median lag {found.lag}"),
        (f"{time.monotonic() - began:.0f} s", "from nothing to here", "no data, no network"),
    ]
    published = publish(plan, outcome, sides, test, _words(), headline)
    say(f"    torch and onnxruntime differ by at most {published.difference:.1g}")
    say("5/6 a raw file through onnxruntime")
    path = write_wfdb(next(iter(test.values())), folder / "raw")
    prediction = Predictor(published.model).predict(read(path))
    agrees = bool(np.array_equal(prediction.label, outcome.predictions["ecgbert"][0]))
    say(f"    {path}: {len(prediction)} beats, {'the same labels as torch' if agrees else 'NOT the labels of torch'}")
    say(f"6/6 done: open {published.report}")
    return Demo(outcome, published, prediction, agrees, time.monotonic() - began)


def _sides(spec: SignalSpec, seed: int) -> tuple[dict[str, list[Recording]], dict[str, Record]]:
    total = sum(SUBJECTS.values())

    def one(subject: int) -> tuple[Record, Recording]:
        record = ecg(seed, subject, duration_s=60 * MINUTES)
        return record, prepare_recording(record, spec)

    made = list(tqdm(in_threads(one, range(total)), "prepare", total, unit="subject", file=sys.stderr))
    recordings = iter([recording for _, recording in made])
    sides = {side: [next(recordings) for _ in range(n)] for side, n in SUBJECTS.items()}
    return sides, {record.name: record for record, _ in made}


@dataclass(frozen=True)
class Detection:
    """R peaks against the truth, in words."""

    sensitivity: str
    ppv: str
    lag: str

    def __str__(self) -> str:
        return f"{self.sensitivity} found, {self.ppv} of the found are true, median lag {self.lag}"


def _detection(recordings: list[Recording], raw: dict[str, Record], spec: SignalSpec) -> Detection:
    true = detected = hits = 0
    lags: list[np.ndarray[Any, np.dtype[np.float64]]] = []
    for recording in recordings:
        record = raw[recording.name]
        truth = record.annotations["atr"].sample / record.fs
        peaks = recording.sentence.rpeaks / spec.fs
        pairs = match(np.rint(truth * 1000), np.rint(peaks * 1000), 150)
        true, detected, hits = true + len(truth), detected + len(peaks), hits + int((pairs >= 0).sum())
        lags.append(peaks[pairs >= 0] - truth[pairs[pairs >= 0]])
    lag_ms = float(np.median(np.abs(np.concatenate(lags)))) * 1000
    return Detection(f"{100 * hits / true:.2f} %", f"{100 * hits / detected:.2f} %", f"{lag_ms:.1f} ms")


def _words() -> Words:
    sides = ", ".join(f"{n} to {verb}" for n, verb in zip(SUBJECTS.values(), ("learn", "choose", "judge"), strict=True))
    return Words(
        title="ECGBERT on synthetic ECG",
        question="Can a model that has learnt to read ECG as sentences name every beat of people it has never seen?",
        data={
            "recordings": f"{sum(SUBJECTS.values())} synthetic subjects of {MINUTES:g} minutes, two leads, 360 Hz, "
            "after the dynamical model of McSharry et al. (2003): sinus, atrial, ventricular and fusion beats, bundle "
            "branch block and atrial fibrillation, with baseline wander, mains hum and muscle noise",
            "subjects": f"{sides}; nobody is on two sides",
            "reference": "exact: the beats are made, not annotated; detected R peaks are matched to them within 150 ms",
        },
        limits=[
            "Synthetic ECG is easier than any real one. These figures say that the whole path works, not how well it "
            "would do on patients: for that, run the recipe on the MIT-BIH Arrhythmia Database.",
            "A model file says nothing of leads, rates or rhythms that it was not trained on; it is no medical device.",
        ],
    )
