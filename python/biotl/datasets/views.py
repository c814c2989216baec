"""Sentences as what a stage trains on: windows with beat labels, or with masked tokens to restore."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.sentences import Sentence, window_arrays, windows
from biotl.datasets.spec import SignalSpec
from biotl.datasets.vocabulary import MASK, SPECIAL, UNKNOWN

IGNORED = -100
"""Label of a position that no loss and no metric counts."""
_GAIN = 0.2  # standard deviation of the logarithm of a wave type's height between patients, roughly


class BeatWindows:
    """Windows of sentences with the class of each scored beat at its QRS token.

    Parameters
    ----------
    sentences : sequence of Sentence
        One a recording.
    labels : sequence of ndarray of int64, shape (beats,)
        Class of each beat of each recording; a negative one is not counted.
    subjects : sequence of str
        Subject of each recording.
    spec : SignalSpec
        Says how sentences are cut.
    hide : float
        For training: share of the tokens that lose their name, of those that lose their samples, and of those that
        lose their features, each drawn by itself; each wave type of a window also grows taller or flatter, as if it
        were another patient's. 0 changes nothing.
    """

    def __init__(
        self,
        sentences: Sequence[Sentence],
        labels: Sequence[NDArray[Any]],
        subjects: Sequence[str],
        spec: SignalSpec,
        *,
        hide: float = 0.0,
    ) -> None:
        self.sentences, self.labels, self.spec, self.hide = sentences, labels, spec, hide
        self.places = [(r, w) for r, sentence in enumerate(sentences) for w in windows(sentence, spec)]
        self.subjects = [subjects[r] for r, _ in self.places]

    @cached_property
    def digest(self) -> str:
        """The sha256 of everything that windows are cut from."""
        total = hashlib.sha256()
        for sentence, labels in zip(self.sentences, self.labels, strict=True):
            for array in (sentence.tokens, sentence.patches, sentence.features, labels):
                total.update(np.ascontiguousarray(array).data)
        return total.hexdigest()

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> dict[str, NDArray[Any]]:
        """Return `window_arrays`, ``labels`` int64 (length,) with -100 where nothing is scored, and ``record``."""
        record, window = self.places[index]
        out = window_arrays(self.sentences[record], window, self.spec)
        label = np.append(self.labels[record], IGNORED)[out["beat"]]
        return {**out, "labels": np.where(label < 0, IGNORED, label), "record": np.int64(record)}  # type: ignore[dict-item]

    def draw(self, index: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Return a window, changed by ``rng`` as ``hide`` says."""
        out = self[index]
        if self.hide:
            nameless, blank, timeless = rng.random((3, len(out["tokens"]))) < self.hide
            out["tokens"] = np.where(nameless & (out["tokens"] < UNKNOWN), UNKNOWN, out["tokens"])
            gain = np.exp(_GAIN * rng.standard_normal(SPECIAL + 1)).astype(np.float32)
            out["patches"] *= gain[out["wave"], None, None]
            out["patches"][blank] = 0
            out["features"][timeless] = 0
        return out


class MaskedTokens:
    """The same windows with some tokens hidden; the labels are the hidden tokens, and nothing else is scored.

    Of the chosen tokens 80 % become MASK, 10 % another token and 10 % stay (Devlin et al. 2019); all of them lose their
    samples and features, which would give the token away.

    Parameters
    ----------
    windows : BeatWindows
        Where the sentences come from; the beat labels are not used.
    share : float
        Share of the tokens that is chosen.
    """

    def __init__(self, windows: BeatWindows, *, share: float = 0.15) -> None:
        self.windows, self.share, self.subjects = windows, share, windows.subjects

    @property
    def digest(self) -> str:
        """That of the windows."""
        return self.windows.digest

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> dict[str, NDArray[Any]]:
        """Return `draw` with random numbers of the index alone."""
        return self.draw(index, np.random.default_rng(index))

    def draw(self, index: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Return a window whose ``labels`` int64 (length,) are the hidden tokens, -100 elsewhere.

        What is hidden depends on ``rng`` alone, which the trainer makes of (seed, stage, epoch, index), in validation
        without the epoch.
        """
        out = self.windows[index]
        tokens = out["tokens"]
        chosen = (tokens < UNKNOWN) & (rng.random(len(tokens)) < self.share)
        fate = rng.random(len(tokens))
        out["labels"] = np.where(chosen, tokens, IGNORED)
        random = rng.integers(0, UNKNOWN, len(tokens))
        out["tokens"] = np.where(chosen & (fate < 0.8), MASK, np.where(chosen & (fate < 0.9), random, tokens))
        out["patches"][chosen] = 0
        out["features"][chosen] = 0
        return out
