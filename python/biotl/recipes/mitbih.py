"""ECGBERT on the MIT-BIH Arrhythmia Database: from raw files to model, report and model card."""

import time

from biotl.datasets.splits import NOTES
from biotl.recipes.ecgbert import EcgbertConfig, Outcome, read_sides, run, task
from biotl.recipes.publish import Published, Words, publish
from biotl.records import read_many

__all__ = ["CONFIG", "finetune", "task"]

CONFIG = EcgbertConfig


def finetune(config: EcgbertConfig, *, resume: bool = False) -> tuple[Outcome, Published]:
    """Run the recipe and publish what it gives.

    Parameters
    ----------
    config : EcgbertConfig
        ``data.root`` holds the database.
    resume : bool
        Go on from the run folder.

    Returns
    -------
    Outcome, Published
        The figures, and the files in the run folder.

    Raises
    ------
    ConfigError
        If no recording of a side can be read, or the run folder holds another run.
    TrainingError
        If training fails, or torch and onnxruntime differ.
    """
    began = time.monotonic()
    outcome = run(config, resume=resume)
    sides, _ = read_sides(config)  # from the shards that the run left
    raw, _ = read_many([config.data.root / recording.name for recording in outcome.test])
    minutes = (time.monotonic() - began) / 60
    people = len({recording.subject for recording in outcome.test})
    question = {
        "aami": f"How well are the beats of {people} unseen patients told apart, in the five classes of AAMI EC57?",
        "binary": f"How well are abnormal beats of {people} unseen patients told from normal ones?",
    }
    words = Words(
        title="ECGBERT on the MIT-BIH Arrhythmia Database",
        question=question[config.data.task],
        data={
            "recordings": "MIT-BIH Arrhythmia Database (Moody and Mark 2001), 360 Hz, lead by name: "
            + ", ".join(config.data.spec.leads),
            "split": "de Chazal et al. (2004): learnt and chosen on DS1, judged once on DS2. " + " ".join(NOTES),
            "reference": "the .atr beats; detected R peaks are matched to them within 150 ms, and a beat that is "
            "missed, or found where there is none, counts as an error",
        },
        limits=[
            "One database of 47 people recorded between 1975 and 1979 on one kind of recorder: another hospital, lead "
            "or device can differ by more than the figures here suggest.",
            "Supraventricular and fusion beats are few and come from few patients: their figures move by many points "
            "with who is on which side.",
            "It is no medical device.",
        ],
    )
    since = "since it was resumed" if resume else "from raw files to here"
    headline = [(f"{minutes:.0f} min", since, "training and baselines included")]
    return outcome, publish(config, outcome, sides, {record.name: record for record in raw}, words, headline)
