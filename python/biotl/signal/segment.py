"""Segmentation of an ECG into P, QRS, T and background around its R peaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError

from ._arrays import (
    NanPolicy,
    as_leads,
    check_policy,
    clear,
    covered,
    indices,
    mended,
    not_finite,
    one_channel,
    rate,
    refuse_overflow,
    signal,
    whole,
)
from ._results import Result
from .delineate import Waves, delineate

WAVES = ("P", "QRS", "T", "BG")


@dataclass(frozen=True, eq=False, repr=False)
class Segments(Result):
    """Segments that tile ``[0, samples)`` without overlap, sorted by start.

    Parameters
    ----------
    wave : ndarray of int8, shape (n,)
        Index into `WAVES`: 0 P, 1 QRS, 2 T, 3 background.
    start, stop : ndarray of int64, shape (n,)
        First sample, and one past the last.
    beat : ndarray of int64, shape (n,)
        Index of the R peak that the segment belongs to, -1 for background.
    """

    wave: NDArray[np.int8]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    beat: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.wave)

    def cut(self, x: ArrayLike, length: int, *, nan_policy: NanPolicy = "raise") -> NDArray[np.float32]:
        """Return every segment of `x`, resampled to `length` values; see `resample_segments`."""
        return resample_segments(x, self.start, self.stop, length, nan_policy=nan_policy)


def segment(
    x: ArrayLike,
    rpeaks: ArrayLike,
    fs: float,
    *,
    mode: Literal["fixed", "delineated"] = "fixed",
    axis: int | None = None,
    nan_policy: NanPolicy = "raise",
) -> Segments:
    """Cut a recording into P, QRS, T and background around the R peaks, by fixed timings or as `delineate` finds them.

    By fixed timings, QRS is R ± 0.05 s, P the 0.1 s before it, T the 0.15 s after it (each rounded to samples), clipped
    to the recording; the rest is background. Where beats are too close, QRS comes first: two that overlap meet halfway
    between their R peaks. Then, where the gap between two QRS is shorter than T and P together, the T of the earlier
    beat and the P of the next share it in the proportion of their lengths, 3 to 2, and no background lies between them.

    Parameters
    ----------
    x : array_like, shape (..., samples)
        The recording; by fixed timings only its length counts. For "delineated" one lead, shape (samples,).
    rpeaks : array_like of int, shape (beats,)
        R peaks in samples, strictly rising.
    fs : float
        Sampling rate in Hz, at least 20.
    mode : {"fixed", "delineated"}
        The timings above; or from onset to offset of each wave, where a wave that is absent leaves no segment.
    axis : int, optional
        As in `bandstop`.
    nan_policy : {"raise", "mask", "interpolate"}
        What happens to samples that are NaN or infinite in any lead: "raise" refuses them, "mask" gives to the
        background the waves that hold one, "interpolate" bridges them by straight lines.

    Returns
    -------
    Segments
        They tile the recording; no segment is empty, so a wave that lies outside the recording is absent.

    Raises
    ------
    SignalError
        If a peak lies outside the recording or not after the one before, `fs` is below 20 Hz, or a sample is not finite
        under "raise".

    References
    ----------
    .. [1] S. Choi et al., "ECGBERT: Understanding Hidden Language of ECGs with Self-Supervised Representation
       Learning", arXiv:2306.06340, 2023. There the waves are detected; fixed timings are those of its public
       code, which lets them overlap.

    Examples
    --------
    >>> s = segment(np.zeros(1000), [400], 360.0)
    >>> [(WAVES[w], int(a), int(b)) for w, a, b in zip(s.wave, s.start, s.stop)]
    [('BG', 0, 346), ('P', 346, 382), ('QRS', 382, 418), ('T', 418, 472), ('BG', 472, 1000)]
    """
    peaks = indices(rpeaks, "rpeaks")
    array = signal(x, axis=axis, integers=True)
    if mode == "delineated":
        return _tile(delineate(array, peaks, fs, nan_policy=nan_policy), array.shape[-1])
    if mode != "fixed":
        raise SignalError(f"mode: got {mode!r}, wanted 'fixed' or 'delineated'")
    _, bad = mended(as_leads(array), nan_policy)
    found = Segments(*_core.segment(array.shape[-1], peaks, rate(fs)))
    if bad is None or nan_policy == "interpolate":
        return found
    return _without(found, np.logical_or.reduce(bad, axis=0)[None])


def _without(found: Segments, bad: NDArray[np.bool_]) -> Segments:
    """Return the segments with every wave that holds a bad sample given to the background."""
    lost = covered(bad, found.start, found.stop)[0]
    background = len(WAVES) - 1
    wave = np.where(lost, background, found.wave).astype(np.int8)
    # what is background now makes one with its neighbours
    first = (wave != background) | (np.append(-1, wave[:-1]) != background)
    start = found.start[first]
    beat = np.where(lost, -1, found.beat)[first]
    return Segments(wave[first], start, np.append(start[1:], found.stop[-1:]), beat)


def _tile(waves: Waves, samples: int) -> Segments:
    """Return the waves that are present as segments, and background between them."""
    kinds = (waves.p, waves.qrs, waves.t)
    wave, beat = np.divmod(np.flatnonzero(np.concatenate([k.present for k in kinds])), len(waves.p.peak) or 1)
    start = np.concatenate([k.onset[k.present] for k in kinds])
    stop = np.concatenate([k.offset[k.present] for k in kinds]) + 1
    from_, to = np.append(0, np.sort(stop)), np.append(np.sort(start), samples)
    gaps = from_ < to
    wave = np.append(wave, np.full(gaps.sum(), len(kinds))).astype(np.int8)
    beat = np.append(beat, np.full(gaps.sum(), -1))
    start, stop = np.append(start, from_[gaps]), np.append(stop, to[gaps])
    order = np.argsort(start)
    return Segments(wave[order], start[order], stop[order], beat[order])


def resample_segments(
    x: ArrayLike, start: ArrayLike, stop: ArrayLike, length: int, *, nan_policy: NanPolicy = "raise"
) -> NDArray[np.float32]:
    """Resample segments of one signal linearly to one length, first sample onto first and last onto last.

    Parameters
    ----------
    x : array_like, shape (samples,)
        The signal.
    start, stop : array_like of int, shape (n,)
        First sample of each segment, and one past its last; they may overlap and come in any order.
    length : int
        Values of each resampled segment; 1 takes its first sample.
    nan_policy : {"raise", "mask", "interpolate"}
        What happens to samples that are NaN or infinite: "raise" refuses them where a value has a part of one, "mask"
        makes NaN of such values, "interpolate" first bridges them by straight lines (in a signal
        without a single finite sample every value is NaN).

    Returns
    -------
    ndarray of float32, shape (n, length)

    Raises
    ------
    SignalError
        If a segment is empty or outside the signal, `length` is 0, or a sample is not finite under "raise".

    Examples
    --------
    >>> resample_segments(np.arange(10.0), [2, 5], [5, 10], 3).tolist()
    [[2.0, 3.0, 4.0], [5.0, 7.0, 9.0]]
    """
    array = one_channel(x, "signal")
    begin, end = indices(start, "start"), indices(stop, "stop")
    length = whole(length, "length", "at least 1 value", least=1)
    check_policy(nan_policy)
    leads, bad = (as_leads(array), None) if nan_policy == "raise" else mended(as_leads(array), nan_policy)
    out = _core.resample_segments(leads[0], begin, end, length)
    sound = clear(out)
    if nan_policy == "raise" and not sound:
        # only a sample with a part in a value shows, and only then is it looked for
        bad = ~np.isfinite(leads)
        held = begin[covered(bad, begin, end)[0]]
        if held.size:
            at = held[0] + int(np.argmax(bad[0, held[0] :]))
            raise not_finite(array[at], at)
    if not sound:
        refuse_overflow(out)
    if bad is None:
        return out
    if nan_policy == "mask":
        out[_core.resample_segments(bad[0].astype(np.float32), begin, end, length) > 0] = np.nan
    elif bad.all():
        out[:] = np.nan
    return out
