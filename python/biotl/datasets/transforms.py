"""What is done to a sample when it is drawn: everything random in training data, from the random numbers handed in."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.vocabulary import MASK, SPECIAL, UNKNOWN
from biotl.errors import ConfigError

IGNORED = -100
"""Label of a position that no loss and no metric counts."""
_GAIN = 0.2  # standard deviation of the logarithm of a wave type's height between patients, roughly
Sample = dict[str, NDArray[Any]]


class Transform(Protocol):
    """A change of a sample; ``always``: in validation too, as a task of restoring what is hidden needs."""

    @property
    def always(self) -> bool:
        """Whether validation needs it too."""

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
        if "place" in sample:
            sample["place"] = np.where(timeless, -1, sample["place"])
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
        if "place" in sample:
            sample["place"] = np.where(chosen, -1, sample["place"])
        return sample


@dataclass(frozen=True)
class MaskedPatches:
    """Blank patches of a window; ``target`` is the window as it was, ``mask`` where it is to be restored.

    Parameters
    ----------
    length : int
        Samples of a patch; the window has to divide into patches.
    share : float
        Share of the patches that is blanked, rounded to whole ones: the same patches in each channel.
    span : int
        Patches that are blanked in a row: 1 scatters them, more make blocks, anywhere with the same chance.
    channels : tuple of int, optional
        The channels that are blanked, by place; the others stay visible. By default all.

    What is hidden counts as not measured, and what was not measured is not to be restored.
    """

    length: int
    share: float = 0.4
    span: int = 1
    channels: tuple[int, ...] | None = None
    always: bool = True

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """See `Transform`; refuses a window that does not divide into patches."""
        x = sample["signal"]
        if x.shape[-1] % self.length:
            raise ConfigError(f"patches of {self.length} samples do not divide a window of {x.shape[-1]}")
        patches = x.shape[-1] // self.length
        hidden = np.zeros(patches, bool)
        wanted = round(self.share * patches)
        # blocks lie on a circle: a patch at the end of the window is hidden as often as one in its middle
        blocks = (rng.permutation(patches)[:, None] + np.arange(self.span)).ravel() % patches
        _, first = np.unique(blocks, return_index=True)
        hidden[blocks[np.sort(first)[:wanted]]] = True
        mask = np.zeros(x.shape, bool)
        rows = slice(None) if self.channels is None else list(self.channels)
        mask[rows] = np.repeat(hidden, self.length)
        measured = sample["measured"] & ~mask
        signal = np.where(mask, np.float32(0), x)
        return {**sample, "target": x, "signal": signal, "measured": measured, "mask": mask & sample["measured"]}


@dataclass(frozen=True)
class Augmented:
    """A window as another day would give it: louder or softer, earlier or later, with noise, without a channel.

    Parameters
    ----------
    scale : tuple of (float, float)
        Each channel is multiplied by a factor drawn between these.
    shift : float
        The window is turned by up to this share of its length, earlier or later, all channels together.
    noise : float
        Standard deviation of the noise that is added, in units of the normalised signal.
    drop : float
        Chance that a channel is blanked and marked as not measured; the last one left stays.
    warp : float
        Time runs up to this share faster or slower, changing over the window, which keeps its ends.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    noise: float = 0.0
    drop: float = 0.0
    warp: float = 0.0
    always: bool = False

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """See `Transform`."""
        x, measured = sample["signal"], sample["measured"]
        channels, length = x.shape
        if self.warp:
            at = warped(length, self.warp, rng)
            x = np.stack([np.interp(at, np.arange(length), row) for row in x])
            measured = measured[:, np.rint(at).astype(np.int64)]
        factor = rng.uniform(*self.scale, (channels, 1))
        turn = int(rng.integers(-round(self.shift * length), round(self.shift * length) + 1))
        added = self.noise * rng.standard_normal(x.shape)
        kept: NDArray[np.bool_] = np.asarray(rng.random(channels) >= self.drop)
        kept[int(rng.integers(channels))] = True
        measured = np.roll(measured, turn, axis=-1) & kept[:, None]
        x = np.where(measured, np.roll(x, turn, axis=-1) * factor + added, 0)
        return {**sample, "signal": x.astype(np.float32), "measured": measured}


def warped(length: int, share: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return where each sample of a warped window is read, from 0 to ``length - 1``, at a speed that changes twice.

    Examples
    --------
    >>> at = warped(100, 0.2, np.random.default_rng(0))
    >>> float(at[0]), float(at[-1]), bool((np.diff(at) > 0).all())
    (0.0, 99.0, True)
    """
    speed = np.interp(np.linspace(0, 1, length - 1), np.linspace(0, 1, 4), 1 + share * rng.uniform(-1, 1, 4))
    at = np.concatenate([[0.0], np.cumsum(speed)])
    return np.asarray(at / at[-1] * (length - 1))
