"""ECGBERT on beats: recordings to sentences, vocabulary, masked-token pretraining, staged fine-tuning, evaluation."""

import csv
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import nn
from tqdm import tqdm

from biotl.config import Named, Section
from biotl.datasets import SignalSpec, Vocabulary
from biotl.datasets.beats import AAMI, BINARY, BeatScore, binary, score
from biotl.datasets.recordings import Recording, learn_vocabulary, prepare_files
from biotl.datasets.splits import NOTES, check_leakage, de_chazal, mitdb_subject
from biotl.datasets.views import BeatWindows, MaskedTokens
from biotl.deploy.predictor_before import decide, probabilities
from biotl.errors import BiotlError, ConfigError
from biotl.models.registry import build
from biotl.records.atomic import write_text
from biotl.training.baselines import run_baselines
from biotl.training.data import Task, View
from biotl.training.distributed import World
from biotl.training.evaluate import predict
from biotl.training.stages import Config
from biotl.training.trainer import Trainer

Beats = Literal["aami", "binary"]
Predictions = list[NDArray[np.int64]]
EMPTY = np.zeros(0, np.int64)


class Data(Section):
    """Which recordings, prepared how, and who is on which side.

    ``root`` is a folder of the MIT-BIH Arrhythmia Database; ``validation`` are records of DS1 that are chosen by and
    not learnt from; ``task`` is the five AAMI classes, or normal against abnormal; ``hide`` see
    `BeatWindows`.
    """

    root: Path
    spec: SignalSpec = SignalSpec()
    validation: Annotated[tuple[str, ...], Field(min_length=1)]
    task: Beats = "aami"
    hide: Annotated[float, Field(ge=0, lt=1)] = 0.0


class EcgbertConfig(Config):
    """A run of this recipe."""

    data: Data
    model: Named = Named(name="ecgbert")


@dataclass(frozen=True)
class SetUp:
    """What the trainer works on, and what explains it."""

    task: Task
    spec: SignalSpec
    vocabulary: Vocabulary
    labels: tuple[str, ...]
    validation: list[Recording]


@dataclass(frozen=True)
class Learnt:
    """A trained model and everything that it takes to use it."""

    model: nn.Module
    spec: SignalSpec
    vocabulary: Vocabulary
    labels: tuple[str, ...]
    thresholds: NDArray[np.float32]
    history: list[dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """A finished run: what was learnt, how it does on the test recordings beside the baselines, what was refused."""

    learnt: Learnt
    test: list[Recording]
    probability: list[NDArray[np.float32]]
    predictions: dict[str, Predictions]
    scores: dict[str, BeatScore]
    refused: list[BiotlError]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a model, in per cent: macro-F1, accuracy, and F1 of each class that the test holds."""
        return [
            {"model": name, "macro-F1 %": round(100 * s.macro_f1, 1), "accuracy %": round(100 * s.accuracy, 1)}
            | {f"F1 {row['class']} %": round(float(row["F1"]), 1) for row in s.table() if row["beats"]}
            for name, s in self.scores.items()
        ]


def read_sides(config: EcgbertConfig) -> tuple[dict[str, list[Recording]], list[BiotlError]]:
    """Prepare the recordings of train, validation and test; shards are kept in the run folder."""
    sides = de_chazal(config.data.validation)
    names = [name for side in sides.values() for name in side]
    with World.join().main_first(), tqdm(total=len(names), desc="prepare", unit="record", file=sys.stderr) as bar:
        recordings, refused = prepare_files(
            [config.data.root / name for name in names],
            config.data.spec,
            Path(config.run) / "shards",
            subject=mitdb_subject,
            threads=os.cpu_count(),
            done=bar.update,
        )
    by_name = {recording.name: recording for recording in recordings}
    return {side: [by_name[n] for n in of if n in by_name] for side, of in sides.items()}, refused


def _refuse_empty(
    config: EcgbertConfig, sides: Mapping[str, Sequence[Recording]], refused: Sequence[BiotlError]
) -> None:
    for side, recordings in sides.items():
        if not recordings:
            raise ConfigError(
                f"data.root: no {side} recording is left under {config.data.root}: {refused[0]}; `biotl fetch mitdb "
                "--to data` gets them, BIOTL_DATA=data points the shipped configurations to them"
            )


def set_up(
    config: Config, spec: SignalSpec, sides: Mapping[str, Sequence[Recording]], task: Beats = "aami", hide: float = 0.0
) -> SetUp:
    """Fit the vocabulary on ``train``, build the model and the views ``tokens`` (masked tokens) and ``beats``.

    Parameters
    ----------
    config : Config
        Of which seed and model are read.
    spec : SignalSpec
        What the recordings were prepared under.
    sides : mapping of str to sequence of Recording
        ``train``, ``validation`` and ``test``; nobody may be on two, and ``test`` is not looked at.
    task : str
        ``aami``, five classes, or ``binary``, one logit for normal against abnormal.
    hide : float
        See `BeatWindows`.
    """
    check_leakage(
        {side: [recording.name for recording in of] for side, of in sides.items()},
        {recording.name: recording.subject for of in sides.values() for recording in of},
    )
    vocabulary, spec = learn_vocabulary(sides["train"], spec, seed=config.seed)
    classes = 1 if task == "binary" else len(AAMI)
    torch.manual_seed(config.seed)
    model = build(config.model.name, classes=classes, **config.model.args)
    train, validation = (named(sides[side], vocabulary) for side in ("train", "validation"))
    known, held = beat_windows(train, spec, classes, hide=hide), beat_windows(validation, spec, classes)
    views = {"beats": View(known, held), "tokens": View(MaskedTokens(known), MaskedTokens(held))}
    labels = BINARY if classes == 1 else AAMI
    about = {
        "spec": spec.model_dump(mode="json"),
        "vocabulary": json.loads(vocabulary.to_json()),
        "labels": labels,
        "model": {"name": config.model.name, "options": {"classes": classes, **config.model.args}},
    }
    return SetUp(Task(model, views, about), spec, vocabulary, labels, validation)


def learn(
    config: Config,
    spec: SignalSpec,
    sides: Mapping[str, Sequence[Recording]],
    task: Beats = "aami",
    *,
    hide: float = 0.0,
    resume: bool = False,
) -> Learnt:
    """Run the stages on ``train``, choose weights and thresholds by ``validation``; see `set_up`."""
    plan = set_up(config, spec, sides, task, hide)
    trainer = Trainer(config, plan.task, resume=resume)
    result = trainer.fit()
    trainer.world.leave()
    probability = infer(result.model, plan.validation, plan.spec)
    thresholds = choose_thresholds(plan.validation, probability, plan.labels)
    return Learnt(result.model, plan.spec, plan.vocabulary, plan.labels, thresholds, result.history)


def named(recordings: Sequence[Recording], vocabulary: Vocabulary) -> list[Recording]:
    """Name the segments of recordings."""
    return [recording.with_tokens(vocabulary) for recording in recordings]


def beat_windows(recordings: Sequence[Recording], spec: SignalSpec, classes: int, *, hide: float = 0.0) -> BeatWindows:
    """Return labelled windows of recordings; with one class the labels are normal 0 and abnormal 1."""
    labels = [binary(r.beats.label) if classes == 1 else r.beats.label for r in recordings]
    return BeatWindows([r.sentence for r in recordings], labels, [r.subject for r in recordings], spec, hide=hide)


def infer(model: nn.Module, recordings: Sequence[Recording], spec: SignalSpec) -> list[NDArray[np.float32]]:
    """Return class probabilities (beats, classes) of recordings whose segments are named."""
    windows = beat_windows(recordings, spec, len(AAMI))
    found: list[dict[int, NDArray[np.float32]]] = [{} for _ in recordings]
    width = 0
    for batch, out in predict(model, windows, batch_size=32):
        at = batch["beat"] >= 0
        rows = probabilities(out["logits"][at].float().numpy())
        owner = batch["record"][:, None].expand_as(at)[at].tolist()
        width = rows.shape[1]
        for record, beat, row in zip(owner, batch["beat"][at].tolist(), rows, strict=True):
            found[record][beat] = row
    return [np.stack([of[beat] for beat in range(len(of))]) if of else np.zeros((0, width), np.float32) for of in found]


def judge(recordings: Sequence[Recording], predictions: Predictions, labels: tuple[str, ...]) -> BeatScore:
    """Score the beats of recordings together."""
    fold = binary if len(labels) == 2 else np.asarray
    label, missed = (
        np.concatenate([getattr(r.beats, name) for r in recordings] or [EMPTY]) for name in ("label", "missed")
    )
    return score(np.where(label < 0, label, fold(label)), np.concatenate([*predictions, EMPTY]), fold(missed), labels)


def choose_thresholds(
    recordings: Sequence[Recording], probability: Sequence[NDArray[np.float32]], labels: tuple[str, ...]
) -> NDArray[np.float32]:
    """Choose by coordinate search the thresholds of `decide` that give the best macro-F1 on validation recordings."""
    thresholds = np.full(len(labels), 1 / len(labels), np.float32)

    def macro_f1(candidate: NDArray[np.float32]) -> float:
        return judge(recordings, [decide(p, candidate) for p in probability], labels).macro_f1

    best = macro_f1(thresholds)
    for k in range(1, len(labels)):
        for factor in np.exp2(np.arange(-2, 2.01, 0.5)):
            candidate = thresholds.copy()
            candidate[k] = thresholds[0] * factor
            value = macro_f1(candidate)
            if value > best + 1e-4:
                best, thresholds = value, candidate
    return np.asarray(thresholds / thresholds.sum(), np.float32)


def evaluate(
    config: Config, learnt: Learnt, sides: Mapping[str, Sequence[Recording]], refused: list[BiotlError]
) -> Outcome:
    """Judge model and baselines, once, on the detected beats of the test recordings."""
    test = named(sides["test"], learnt.vocabulary)
    probability = infer(learnt.model, test, learnt.spec)
    classes = len(learnt.labels)
    fold = binary if classes == 2 else np.asarray
    known = [(r.sentence, np.where(r.beats.label < 0, -1, fold(r.beats.label))) for r in sides["train"]]
    predictions = {"ecgbert": [decide(p, learnt.thresholds) for p in probability]}
    predictions |= run_baselines(known, [r.sentence for r in test], classes=classes, seed=config.seed)
    scores = {name: judge(test, of, learnt.labels) for name, of in predictions.items()}
    return Outcome(learnt, test, probability, predictions, scores, refused)


def run(config: EcgbertConfig, *, resume: bool = False) -> Outcome:
    """Run the recipe from raw files to the figures in the run folder."""
    sides, refused = read_sides(config)
    _refuse_empty(config, sides, refused)
    learnt = learn(config, config.data.spec, sides, config.data.task, hide=config.data.hide, resume=resume)
    outcome = evaluate(config, learnt, sides, refused)
    write_results(Path(config.run), outcome)
    return outcome


def task(config: EcgbertConfig) -> Task:
    """Return what the stages train on: model, views, and what explains them."""
    sides, refused = read_sides(config)
    _refuse_empty(config, {side: sides[side] for side in ("train", "validation")}, refused)
    for error in refused if World.join().main else ():
        tqdm.write(f"refused: {error}", file=sys.stderr)
    return set_up(config, config.data.spec, sides, config.data.task, config.data.hide).task


def write_results(folder: Path, outcome: Outcome) -> None:
    """Write ``results.json`` and ``predictions.csv``."""
    write_text(folder / "results.json", json.dumps(summary(outcome), indent=1))
    rows = io.StringIO()
    table = csv.writer(rows)
    labels = outcome.learnt.labels
    table.writerow(["record", "sample", "reference", *outcome.predictions, *(f"p_{label}" for label in labels)])
    fold = binary if len(labels) == 2 else np.asarray
    for r, recording in enumerate(outcome.test):
        reference = [labels[k] if k >= 0 else "" for k in fold(recording.beats.label)]
        for b, sample in enumerate(recording.sentence.rpeaks.tolist()):
            found = [labels[of[r][b]] for of in outcome.predictions.values()]
            shown = [f"{p:.4f}" for p in outcome.probability[r][b]]
            table.writerow([recording.name, sample, reference[b], *found, *shown])
    write_text(folder / "predictions.csv", rows.getvalue())


def summary(outcome: Outcome) -> dict[str, Any]:
    """Return the figures as JSON: per model and class, per record, what was chosen and what was refused."""
    labels = outcome.learnt.labels
    per_record = []
    for r, recording in enumerate(outcome.test):
        row: dict[str, Any] = {"record": recording.name, "beats": len(recording.sentence.rpeaks)}
        for name, of in outcome.predictions.items():
            alone = judge([recording], [of[r]], labels)
            row |= {f"{name} accuracy": 100 * alone.accuracy, f"{name} macro-F1": 100 * alone.macro_f1}
        per_record.append(row)
    return {
        "models": {
            name: {
                "accuracy": 100 * s.accuracy,
                "macro_f1": 100 * s.macro_f1,
                "classes": s.table(),
                "confusion": s.confusion.tolist(),
            }
            for name, s in outcome.scores.items()
        },
        "per_record": per_record,
        "thresholds": outcome.learnt.thresholds.tolist(),
        "split": NOTES,
        "refused": [str(error) for error in outcome.refused],
    }
