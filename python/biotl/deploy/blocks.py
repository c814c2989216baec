"""A recording in blocks, each read with so much beside it that its answers are those of the whole."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from biotl.datasets.derived import GRADE_S
from biotl.datasets.spec import Channel
from biotl.datasets.spec_kinds import BeatSpec, SentenceSpec, SequenceSpec, Spec
from biotl.deploy.judge import WINDOW_S
from biotl.signal.resample import ratio

LONG_S = 3600.0
"""A recording longer than this is answered in blocks: half of this each, and a quarter on either side is read."""
HOP_S = 10.0
PAST_S = 300.0
"""What a stream compares a beat with: some 300 beats, as ``python benches/beats.py causal`` has it."""
BEAT_S = 20.0
"""R peaks look 5 s ahead and at four beats, a sentence at eight beats more; a window of quality ends within it."""
TAIL = 1e-7
"""Share of a filter's response that may lie beyond what is read: below the resolution of float32."""
LONGEST_S = 600.0


BY_SPORT = ("sport", "demand", "climb", "power", "load", "typical")
"""What is derived by the speeds of a whole workout: of a stream, by those so far."""
ALL = 1 << 62
"""Samples to look back on what is counted from the beginning."""


@dataclass(frozen=True)
class Reach:
    """How a recording at one rate is cut into blocks, in its own samples.

    Parameters
    ----------
    hop : int
        What a block answers: the units that begin in it.
    back, ahead : int
        What it reads before that and after it.
    grid : int
        Blocks are read from a multiple of this on: there the grids of rate, windows and steps meet.
    wait : int
        How long the end of a gap is waited for that spans the end of a block: steps in a pause lie on the line between
        what comes before and after it. Windows do not wait: those that touch a gap are not answered.
    exact : bool
        Its answers are those of the whole recording to the resolution of float32. Otherwise the model compares with
        its recording, and here with ``back`` and ``ahead`` alone.
    """

    hop: int
    back: int
    ahead: int
    grid: int
    wait: int
    exact: bool

    def start(self, first: int) -> int:
        """Return where the block that answers from sample ``first`` on is read from."""
        return max(0, first - self.back) // self.grid * self.grid


def compares(spec: Spec) -> bool:
    """Say whether an answer depends on the whole recording: of beats on what is usual in it, else by normalisation."""
    if isinstance(spec, SentenceSpec | BeatSpec) or getattr(spec, "beats", None):
        return True
    if isinstance(spec, SequenceSpec) and any(name.startswith(BY_SPORT) for name in spec.derived):
        return True
    return any(channel.normalizer == "recording" for channel in spec.channels)


def reach(spec: Spec, fs: float, *, long: bool = False) -> Reach:
    """Return how recordings at a rate are cut for a spec.

    Parameters
    ----------
    spec : Spec
        The preprocessing.
    fs : float
        Rate of the recording in Hz.
    long : bool
        For a recording that is there as a whole: blocks of half an hour, compared with the hour around them.

    Examples
    --------
    >>> from biotl.datasets import WindowSpec
    >>> of = reach(WindowSpec(fs=125, channels=({"name": "PPG"},), length_s=10), 250.0)
    >>> of.hop, of.exact
    (2500, True)
    """
    filtered_s = settles_s(spec.channels, spec.fs)
    # a second for medians and edges, ten zero crossings on each side for the resampler
    beside_s = filtered_s + 1.0 + 10 / min(fs, spec.fs)
    back_s = ahead_s = beside_s
    hop_s, unit_s = HOP_S, 0.0
    up, down = ratio(fs, spec.fs)
    grid = down
    if isinstance(spec, SentenceSpec | BeatSpec):
        back_s, ahead_s = PAST_S, max(beside_s, BEAT_S)
    elif isinstance(spec, SequenceSpec):
        # a sequence goes through the model as a whole, and a step reaches for the nearest sample
        hop_s, beside_s = spec.duration_s, spec.reach_s + filtered_s + GRADE_S + 2 / spec.fs
        back_s = ahead_s = beside_s
        grid = max(1, round(hop_s * fs))
    else:
        unit_s = spec.length_s
        grid = down * (spec.step // math.gcd(spec.step, up))
        if compares(spec):
            back_s = max(beside_s, PAST_S)
        if spec.beats is not None:
            ahead_s = max(beside_s, BEAT_S)
            grid = math.lcm(grid, ratio(fs, spec.beats.fs)[1])
    if long:
        hop_s = LONG_S / 2 if hop_s <= LONG_S / 2 else hop_s
        back_s, ahead_s = (max(side, LONG_S / 4) for side in (back_s, ahead_s))
    # quality is judged in windows from the beginning; where rates are odd their grids never meet, and it is nearly so
    quality = math.lcm(grid, round(WINDOW_S * fs))
    grid = quality if quality <= LONGEST_S * fs else grid
    grid *= 1 + grid % 2  # so that halves round the same way in a block
    hop = max(1, round(hop_s * fs))
    if isinstance(spec, SequenceSpec):
        hop = grid * max(1, round(hop / grid))
    ahead = math.ceil((ahead_s + unit_s) * fs)
    back = math.ceil(back_s * fs)
    if isinstance(spec, SequenceSpec) and (spec.derived or spec.lagged):
        back = ALL
    wait = hop if isinstance(spec, SequenceSpec) else 0
    return Reach(hop, back, ahead, grid, wait, exact=not compares(spec))


def settles_s(channels: Sequence[Channel], fs: float) -> float:
    """Return how far the filters of channels reach on either side, in seconds, by their response to an impulse.

    Examples
    --------
    >>> high = Channel(name="ECG", filters=({"name": "highpass", "options": {"cutoff": 0.5}},))
    >>> 5 < settles_s((high,), 100.0) < 30
    True
    """
    return max(_settles(channel.model_dump_json(include={"name", "filters"}), fs) for channel in channels)


@lru_cache(maxsize=64)
def _settles(channel: str, fs: float) -> float:
    half_s = 15.0
    while True:
        n = round(half_s * fs)
        x = np.zeros(2 * n + 1)
        x[n] = 1.0
        for step in Channel.model_validate_json(channel).filters:
            x = np.asarray(step(x, fs), np.float64)
        share = np.abs(x[n:]) + np.abs(x[n::-1])
        beyond = np.cumsum(share[::-1])[::-1]
        # in the last quarter the response is cut off by the ends of what was filtered
        if beyond[-1 - n // 4] < TAIL or half_s >= LONGEST_S:
            return float(np.argmax(beyond < TAIL) or n) / fs
        half_s *= 2
