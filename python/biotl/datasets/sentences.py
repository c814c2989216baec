"""A recording as a sentence: tokens in order of time, each with its segment's own samples."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import biotl.signal
from biotl.datasets.features import FEATURES, SEGMENT_FEATURES, beat_features, segment_features
from biotl.datasets.spec import SignalSpec
from biotl.datasets.vocabulary import CLS, PAD, SEP, SPECIAL, UNKNOWN, Vocabulary
from biotl.errors import ConfigError, RecordError
from biotl.records import Record

_TO_MV = {"V": 1e3, "mV": 1.0, "uV": 1e-3, "µV": 1e-3, "nV": 1e-6}


@dataclass(frozen=True)
class Sentence:
    """The segments of one lead, in order of time.

    Parameters
    ----------
    tokens : ndarray of int64, shape (n,)
        Ids 0-69, or 70 where there is no vocabulary yet.
    wave : ndarray of int8, shape (n,)
        0 P, 1 QRS, 2 T, 3 BG.
    start, stop : ndarray of int64, shape (n,)
        Half-open range of each segment in samples at ``spec.fs``.
    beat : ndarray of int64, shape (n,)
        Index into ``rpeaks`` of the beat that the segment belongs to, -1 for BG.
    patches : ndarray of float32, shape (n, 2, segment_length)
        The segment's samples, and the same less the recording's median segment of that wave type, both in units of the
        recording's median QRS height.
    features : ndarray of float32, shape (n, 13)
        Columns `FEATURES`: the segment's own, and those of its beat.
    rpeaks : ndarray of int64, shape (m,)
        R peaks in samples at ``spec.fs``.
    """

    tokens: NDArray[np.int64]
    wave: NDArray[np.int8]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    beat: NDArray[np.int64]
    patches: NDArray[np.float32]
    features: NDArray[np.float32]
    rpeaks: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tokens)

    def token_at(self, sample: NDArray[Any] | int) -> NDArray[np.int64]:
        """Return the index of the segment that holds each sample; segments tile the recording."""
        return np.searchsorted(self.start, sample, side="right") - 1


def prepare(record: Record, spec: SignalSpec, vocabulary: Vocabulary | None = None) -> Sentence:
    """Turn a raw recording into a sentence: lead, rate, R peaks, filters, segments, tokens.

    Parameters
    ----------
    record : Record
        Raw signal; the first channel named in ``spec.leads`` is read.
    spec : SignalSpec
        The preprocessing.
    vocabulary : Vocabulary, optional
        Without one every token is 70 (unknown), which is how the segments for fitting one are had.

    Returns
    -------
    Sentence
        Sample indices are at ``spec.fs``.

    Raises
    ------
    RecordError
        If no lead has a name that the spec knows, or its unit is not a voltage.
    ConfigError
        If the vocabulary was fitted under another spec.
    SignalError
        If the signal is too short or not finite.
    """
    if vocabulary is not None and vocabulary.spec_digest != spec.digest():
        raise ConfigError("vocabulary: it was fitted under another spec; fit it again, or prepare under its own spec")
    raw = read_lead(record, spec)
    rpeaks = biotl.signal.rpeaks(raw, spec.fs)
    x = raw
    for step in spec.filters:
        x = step(x, spec.fs)
    segments = biotl.signal.segment(x, rpeaks, spec.fs, mode=spec.segmentation)
    wave, start, stop, beat = segments.wave, segments.start, segments.stop, segments.beat
    patches = biotl.signal.resample_segments(x, start, stop, spec.segment_length)
    heights = np.ptp(patches[wave == 1], axis=1)
    height = float(np.median(heights)) if len(heights) else 0.0
    patches /= height if height > 0 else 1.0
    features = np.zeros((len(wave), len(FEATURES)), np.float32)
    features[:, : len(SEGMENT_FEATURES)] = segment_features(start, stop, spec.fs, patches)
    own = beat >= 0
    features[own, len(SEGMENT_FEATURES) :] = beat_features(rpeaks, spec.fs, wave, beat, patches)[beat[own]]
    tokens = np.full(len(wave), UNKNOWN, np.int64) if vocabulary is None else vocabulary.tokens(wave, patches)
    unlike = patches.copy()
    for kind in np.unique(wave):
        unlike[wave == kind] -= np.median(patches[wave == kind], axis=0)
    return Sentence(tokens, wave, start, stop, beat, np.stack([patches, unlike], axis=1), features, rpeaks)


def read_lead(record: Record, spec: SignalSpec) -> NDArray[np.float32]:
    """Return the lead that the spec prefers, in mV at ``spec.fs``; shape (samples,)."""
    x = record.channel(*spec.leads)
    lead = next(name for name in spec.leads if name in record.channels)
    unit = record.units[record.channels.index(lead)]
    if unit not in _TO_MV:
        where = str(record.source or record.name)
        raise RecordError(where, f"units of {lead}", unit or "nothing", "a voltage", "state the unit of the channel")
    x = np.asarray(x * np.float32(_TO_MV[unit]), np.float32)
    if record.fs != spec.fs:
        x = biotl.signal.resample(x, record.fs, spec.fs)
    return np.asarray(x, np.float32)


@dataclass(frozen=True)
class Window:
    """Half-open ranges of a sentence: the tokens of a window, and the beats that it is scored on."""

    first_token: int
    stop_token: int
    first_beat: int
    stop_beat: int


def windows(sentence: Sentence, spec: SignalSpec) -> list[Window]:
    """Cut a sentence by beats; every beat is scored in exactly one window, with context on both sides.

    Returns
    -------
    list of Window
        Empty where the sentence has no beat.
    """
    beats = len(sentence.rpeaks)
    scored = spec.window_beats - 2 * spec.context_beats
    found = []
    for first in range(0, beats, scored):
        stop = min(first + scored, beats)
        low = max(0, first - spec.context_beats)
        high = min(beats, stop + spec.context_beats)
        tokens = np.flatnonzero((sentence.beat >= low) & (sentence.beat < high))
        # the gap before the first beat belongs to its rhythm
        found.append(Window(max(0, int(tokens[0]) - 1), int(tokens[-1]) + 1, first, stop))
    return found


def window_arrays(sentence: Sentence, window: Window, spec: SignalSpec) -> dict[str, NDArray[Any]]:
    """Cut one window out of a sentence as model inputs, ``[CLS] tokens [SEP]`` padded to ``spec.window_tokens``.

    Returns
    -------
    dict of str to ndarray
        ``tokens`` int64, ``wave`` int64 (4 for CLS, SEP and PAD), ``mask`` bool (True is a token), ``patches`` float32
        (length, 2, segment_length), ``features`` float32 (length, 13), and ``beat`` int64: the beat to be scored at
        its QRS token, -1 elsewhere.
    """
    cut = slice(window.first_token, window.stop_token)
    n, length = window.stop_token - window.first_token, spec.window_tokens
    inside = slice(1, n + 1)
    out: dict[str, NDArray[Any]] = {
        "tokens": np.full(length, PAD, np.int64),
        "wave": np.full(length, SPECIAL, np.int64),
        "mask": np.arange(length) < n + 2,
        "patches": np.zeros((length, *sentence.patches.shape[1:]), np.float32),
        "features": np.zeros((length, sentence.features.shape[1]), np.float32),
        "beat": np.full(length, -1, np.int64),
    }
    out["tokens"][[0, n + 1]] = CLS, SEP
    for name in ("tokens", "wave", "patches", "features"):
        out[name][inside] = getattr(sentence, name)[cut]
    beat = sentence.beat[cut]
    scored = (sentence.wave[cut] == 1) & (beat >= window.first_beat) & (beat < window.stop_beat)
    out["beat"][inside] = np.where(scored, beat, -1)
    return out
