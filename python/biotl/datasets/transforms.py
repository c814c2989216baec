"""What is done to a sample when it is drawn: everything random in training data, from the random numbers handed in."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.vocabulary import MASK, SPECIAL, UNKNOWN

IGNORED = -100
"""Label of a position that no loss and no metric counts."""
_GAIN = 0.2  # standard deviation of the logarithm of a wave type's height between patients, roughly
Sample = dict[str, NDArray[Any]]


class Transform(Protocol):
    """A change of a sample; ``always``: in validation too, as a task of restoring what is hidden needs."""

    always: bool

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the changed sample; it may write into the one it gets."""


@dataclass(frozen=True)
class HideTokens:
    """Hide parts of a sentence, and let each wave type grow taller or flatter, as if it were another patient's.

    ``share`` of the tokens lose their name, ``share`` their samples, and ``share`` their features, each drawn by
    itself; 0 changes nothing.
    """

    share: float = 0.0
    always: bool = False

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """See `Transform`."""
        if not self.share:
            return sample
        nameless, blank, timeless = rng.random((3, len(sample["tokens"]))) < self.share
        sample["tokens"] = np.where(nameless & (sample["tokens"] < UNKNOWN), UNKNOWN, sample["tokens"])
        gain = np.exp(_GAIN * rng.standard_normal(SPECIAL + 1)).astype(np.float32)
        sample["patches"] *= gain[sample["wave"], None, None]
        sample["patches"][blank] = 0
        sample["features"][timeless] = 0
        return sample


@dataclass(frozen=True)
class MaskedTokens:
    """Hide some tokens of a sentence; ``labels`` are the hidden tokens, and nothing else is scored.

    Of the chosen tokens (``share``) 80 % become MASK, 10 % another token and 10 % stay (Devlin et al. 2019); all of
    them lose their samples and features, which would give the token away.
    """

    share: float = 0.15
    always: bool = True

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """See `Transform`."""
        tokens = sample["tokens"]
        chosen = (tokens < UNKNOWN) & (rng.random(len(tokens)) < self.share)
        fate = rng.random(len(tokens))
        sample["labels"] = np.where(chosen, tokens, IGNORED)
        random = rng.integers(0, UNKNOWN, len(tokens))
        sample["tokens"] = np.where(chosen & (fate < 0.8), MASK, np.where(chosen & (fate < 0.9), random, tokens))
        sample["patches"][chosen] = 0
        sample["features"][chosen] = 0
        return sample
