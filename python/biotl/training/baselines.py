"""The beat baselines under their old names and call, until the driver takes them from `biotl.scoring.baselines`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.sentences import Sentence
from biotl.scoring.baselines import beats

_NAMES = {"majority": "majority", "RR rule": "rr_rule", "gradient boosting": "boosting"}


def run_baselines(
    train: Sequence[tuple[Sentence, NDArray[np.int64]]], test: Sequence[Sentence], *, classes: int, seed: int = 0
) -> dict[str, list[NDArray[np.int64]]]:
    """Fit every baseline on one set of recordings and predict the beats of another."""
    known = [(beats.table(vars(sentence)), label) for sentence, label in train]
    labels = [str(k) for k in range(classes)]
    found = beats.run(known, [beats.table(vars(sentence)) for sentence in test], labels=labels, seed=seed)
    return {_NAMES[name]: of for name, of in found.items()}
