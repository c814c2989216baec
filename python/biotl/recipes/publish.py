"""What a finished beat recipe leaves beside its figures: the ONNX model, the report, the model card."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl import __version__
from biotl.datasets.beats import binary
from biotl.datasets.recordings import Recording
from biotl.deploy.export_before import export
from biotl.recipes.ecgbert import Outcome, beat_windows, judge, named, summary
from biotl.records import Record
from biotl.report import html, model_card
from biotl.report.legacy import ReportContent, Strip, report
from biotl.training.stages import Config

STRIP_S = 10.0
NAMES = {"ecgbert": "ECGBERT", "majority": "majority", "rr_rule": "RR rule", "boosting": "gradient boosting"}
LEADING = 4


@dataclass(frozen=True)
class Words:
    """What a report cannot know by itself: what was asked, of which data, and what the answer does not cover."""

    title: str
    question: str
    data: Mapping[str, str]
    limits: Sequence[str]


@dataclass(frozen=True)
class Published:
    """The files, and how far onnxruntime is from torch."""

    model: Path
    report: Path
    card: Path
    difference: float

    def rows(self) -> list[dict[str, str]]:
        """Return one row a file: what it is, and where."""
        return [{"file": name, "path": str(getattr(self, name))} for name in ("report", "model", "card")]


def publish(
    config: Config,
    outcome: Outcome,
    sides: Mapping[str, Sequence[Recording]],
    raw: Mapping[str, Record],
    words: Words,
    headline: Sequence[tuple[str, str, str]] = (),
) -> Published:
    """Write ``model.onnx``, ``report.html`` and ``model_card.md`` into the run folder.

    Parameters
    ----------
    config : Config
        Of the run.
    outcome : Outcome
        What was learnt and how it does.
    sides : mapping of str to sequence of Recording
        ``train``, ``validation`` and ``test``.
    raw : mapping of str to Record
        Test recordings by name, to show strips of; any number of them.
    words : Words
        Title, question, data and limits.
    headline : sequence of (figure, name, note)
        Shown after macro-F1.

    Returns
    -------
    Published
    """
    folder, learnt = Path(config.run), outcome.learnt
    figures = summary(outcome)
    about = {
        "recipe": config.recipe,
        "parameters": sum(p.numel() for p in learnt.model.parameters()),
        "trained on": [r.subject for r in sides["train"]],
        "macro_f1": round(figures["models"]["ecgbert"]["macro_f1"], 2),
        "version": __version__,
    }
    windows = beat_windows(named(sides["validation"], learnt.vocabulary), learnt.spec, len(learnt.labels))
    samples = [windows[i] for i in range(min(len(windows), LEADING))]
    example = {name: np.stack([sample[name] for sample in samples]) for name in learnt.model.inputs}  # type: ignore[union-attr]
    difference = export(
        learnt.model,
        folder / "model.onnx",
        spec=learnt.spec,
        vocabulary=learnt.vocabulary,
        labels=learnt.labels,
        example=example,
        thresholds=learnt.thresholds.tolist(),
        about=about,
    )
    content = _content(config, outcome, sides, raw, words, headline, figures)
    made_by = f"biotl {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    html.write(report(content), folder / "report.html", made_by=made_by)
    model_card.write(report(content), folder / "model_card.md", made_by=made_by)
    return Published(folder / "model.onnx", folder / "report.html", folder / "model_card.md", difference)


def _trained(row: Mapping[str, Any]) -> str:
    groups = ", ".join(f"{name} {n:,}" for name, n in row["groups"].items())
    return f"{row['trains']:,} of {row['of']:,} parameters ({groups})"


def _content(
    config: Config,
    outcome: Outcome,
    sides: Mapping[str, Sequence[Recording]],
    raw: Mapping[str, Record],
    words: Words,
    headline: Sequence[tuple[str, str, str]],
    figures: Mapping[str, Any],
) -> ReportContent:
    learnt, models = outcome.learnt, figures["models"]
    macro = {NAMES[name]: model["macro_f1"] for name, model in models.items()}
    own, *others = macro.items()
    beside = ", ".join(f"{name} {value:.1f} %" for name, value in others)
    test = zip(outcome.test, outcome.predictions["ecgbert"], strict=True)
    vocabulary, count = learnt.vocabulary, sum(p.numel() for p in learnt.model.parameters())
    return ReportContent(
        title=words.title,
        question=words.question,
        headline=[(f"{own[1]:.1f} %", "macro-F1 on unseen subjects", beside), *headline],
        labels=learnt.labels,
        scores={NAMES[name]: model["classes"] for name, model in models.items()},
        macro_f1=macro,
        confusion=outcome.scores["ecgbert"].confusion,
        per_record=[_row(recording, predicted, learnt.labels) for recording, predicted in test],
        history=learnt.history,
        strips=strips(outcome, raw),
        data={
            **words.data,
            **{side: _side(recordings) for side, recordings in sides.items()},
            "refused": "; ".join(str(error) for error in outcome.refused) or "none",
        },
        settings={
            **{f"stage {row['stage']}": _trained(row) for row in learnt.history if row["kind"] == "stage"},
            "parameters": f"{count:,}",
            "seed": str(config.seed),
            "thresholds": ", ".join(f"{k} {t:.3f}" for k, t in zip(learnt.labels, learnt.thresholds, strict=True)),
        },
        lineage={
            "vocabulary": f"sha256 {vocabulary.digest()}, of {len(vocabulary.records)} training recordings",
            "signal specification": f"sha256 {learnt.spec.digest()}",
            "configuration": "config.resolved.yaml beside this file; machine and versions in env.json",
            "model": "model.onnx beside this file: graph, specification, vocabulary, labels and thresholds",
        },
        limits=words.limits,
    )


def _side(recordings: Sequence[Recording]) -> str:
    subjects, beats = len({r.subject for r in recordings}), sum(len(r.sentence.rpeaks) for r in recordings)
    return f"{len(recordings)} recordings of {subjects} subjects, {beats:,} beats"


def _row(recording: Recording, predicted: NDArray[np.int64], labels: tuple[str, ...]) -> dict[str, Any]:
    """Return one line of the table of recordings; a class that the recording lacks has no F1."""
    score = judge([recording], [predicted], labels)
    rows = score.table()
    return {
        "record": recording.name,
        "beats": int(sum(int(row["beats"]) for row in rows)),
        "accuracy %": 100 * score.accuracy,
        **{f"F1 {row['class']} %": float(row["F1"]) if row["beats"] else None for row in rows},
    }


def strips(outcome: Outcome, raw: Mapping[str, Record], n: int = 3) -> list[Strip]:
    """Choose stretches worth looking at: the most different classes told right, of different recordings, and an error.

    Parameters
    ----------
    outcome : Outcome
        Test recordings and predictions.
    raw : mapping of str to Record
        By name; recordings that are not in it are not shown.
    n : int
        How many at most.
    """
    found = [
        strip
        for recording, predicted in zip(outcome.test, outcome.predictions["ecgbert"], strict=True)
        if recording.name in raw
        for strip in _strips_of(recording, predicted, raw[recording.name], outcome)
    ]
    # many classes first, and among those few errors
    found.sort(key=lambda strip: (-len(set(strip.truth)), _errors(strip)))
    right = {strip.record: strip for strip in reversed(found) if not _errors(strip)}
    best = sorted(right.values(), key=found.index)[: n - 1]
    return [*best, *(strip for strip in found if _errors(strip))][:n]


def _errors(strip: Strip) -> int:
    return sum(label != truth for label, truth in zip(strip.label, strip.truth, strict=True))


def _strips_of(recording: Recording, predicted: NDArray[np.int64], record: Record, outcome: Outcome) -> Iterator[Strip]:
    """Yield the stretches of a recording that hold more than one class."""
    labels, spec = outcome.learnt.labels, outcome.learnt.spec
    truth = recording.beats.label if len(labels) > 2 else binary(recording.beats.label)
    time_s, lead = recording.sentence.rpeaks / spec.fs, record.channel(*spec.leads)
    for start in np.arange(0.0, len(lead) / record.fs - STRIP_S, STRIP_S):
        inside = (time_s >= start) & (time_s < start + STRIP_S) & (truth >= 0)
        if len(np.unique(truth[inside])) < 2:
            continue
        cut = slice(round(start * record.fs), round((start + STRIP_S) * record.fs))
        own, reference = (tuple(labels[k] for k in of[inside]) for of in (predicted, truth))
        strip = Strip(record.name, float(start), record.fs, lead[cut], time_s[inside], own, reference)
        wrong = f"{_errors(strip)} wrong, in red with the reference in brackets"
        caption = f"{record.name}, {start:.0f} s: {len(own)} beats, {wrong if _errors(strip) else 'every one right'}."
        yield replace(strip, caption=caption)
