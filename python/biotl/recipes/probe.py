"""What an encoder is worth before anything is fine-tuned: a linear probe beside random weights and simple features."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.deploy.answer import Forward, outputs
from biotl.recipes.recipe import Ready
from biotl.recipes.units import reference, within
from biotl.scoring.answers import Answered
from biotl.scoring.baselines.learners import Learner, Logistic, Majority, Mean, Ridge, answer

MOST = 20_000
"""Training units that a probe learns from at most: more move a linear model of a few hundred weights no further."""


def probe(ready: Ready, encoders: Mapping[str, Forward]) -> list[Answered]:
    """Learn a linear model on embeddings of training recordings, and answer the validation recordings by it.

    Parameters
    ----------
    ready : Ready
        Prepared and fitted.
    encoders : mapping of str to callable
        From inputs to embeddings, by name: the one that was pretrained first, then what it is compared with.

    Returns
    -------
    list of Answered
        The validation recordings, answered by each encoder's probe, by one on simple features, and by a constant; empty
        where nothing is labelled. No test recording is looked at.
    """
    if ready.target.kind not in {"class", "value"}:
        return []
    classes = ready.target.kind == "class"
    answered = [reference(ready, part) for part in ready.parts("validation")]
    answers: list[dict[str, Any]] = [{} for _ in answered]
    for name, embed in encoders.items():
        learner: dict[str, Learner] = {name: Logistic() if classes else Ridge()}
        _answer(ready, learner, lambda prepared, run=embed: outputs(ready.preprocessor, prepared, run), answers)
    simple: dict[str, Learner] = {"simple features": Logistic() if classes else Ridge()}
    _answer(ready, simple, lambda prepared: ready.recipe.table(ready.preprocessor, prepared), answers)
    constant: dict[str, Learner] = {"majority": Majority()} if classes else {"mean": Mean()}
    _answer(ready, constant, lambda prepared: np.zeros((len(ready.preprocessor.units(prepared)), 1)), answers)
    return [replace(of, answers=own) for of, own in zip(answered, answers, strict=True)]


def _answer(ready: Ready, learner: dict[str, Learner], table: Any, answers: list[dict[str, Any]]) -> None:
    tables: dict[str, list[NDArray[Any]]] = {}
    train = []
    for name in ("train", "validation"):
        tables[name] = []
        for part in ready.parts(name):
            prepared = ready.store[part.id]
            inside = within(part, ready.preprocessor.units(prepared), prepared.samples)
            tables[name].append(np.asarray(table(prepared))[inside])
            if name == "train":
                train.append((tables[name][-1], reference(ready, part).truth))
    total = sum(len(rows) for rows, _ in train)
    every = max(1, -(-total // MOST))
    thinned = [(rows[::every], truth[::every]) for rows, truth in train]
    for name, found in answer(learner, thinned, tables["validation"]).items():
        for own, told in zip(answers, found, strict=True):
            own[name] = told
