"""Segmentation of an ECG into P, QRS, T and background around its R peaks."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError

from .delineate import Waves, delineate

WAVES = ("P", "QRS", "T", "BG")


@dataclass(frozen=True)
class Segments:
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

    def cut(self, x: ArrayLike, length: int) -> NDArray[np.float32]:
        """Return every segment of `x`, resampled to `length` values; see `resample_segments`."""
        return resample_segments(x, self.start, self.stop, length)


def segment(x: ArrayLike, rpeaks: ArrayLike, fs: float, *, mode: Literal["fixed", "delineated"] = "fixed") -> Segments:
    """Cut a recording into P, QRS, T and background around the R peaks, by fixed timings or as `delineate` finds them.

    By fixed timings, QRS is R ± 0.05 s, P the 0.1 s before it, T the 0.15 s after it (each rounded to samples), clipped
    to the recording; the rest is background. Where beats are too close, QRS comes first: two that overlap meet halfway
    between their R peaks. Then, where the gap between two QRS is shorter than T and P together, the T of the earlier
    beat and the P of the next share it in the proportion of their lengths, 3 to 2, and no background lies between them.

    Parameters
    ----------
    x : array_like, shape (..., samples)
        The recording; only its length counts. For "delineated" one lead, shape (samples,).
    rpeaks : array_like of int, shape (beats,)
        R peaks in samples, strictly rising.
    fs : float
        Sampling rate in Hz, at least 20.
    mode : {"fixed", "delineated"}
        The timings above; or from onset to offset of each wave, where a wave that is absent leaves no segment.

    Returns
    -------
    Segments
        They tile the recording; no segment is empty, so a wave that lies outside the recording is absent.

    Raises
    ------
    SignalError
        If a peak lies outside the recording or not after the one before, or `fs` is below 20 Hz.

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
    peaks = np.ascontiguousarray(rpeaks, dtype=np.int64)
    if mode == "fixed":
        return Segments(*_core.segment(np.shape(x)[-1], peaks, fs))
    if mode != "delineated":
        raise SignalError(f"mode: got {mode!r}, wanted 'fixed' or 'delineated'")
    return _tile(delineate(x, peaks, fs), np.shape(x)[-1])


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


def resample_segments(x: ArrayLike, start: ArrayLike, stop: ArrayLike, length: int) -> NDArray[np.float32]:
    """Resample segments of one signal linearly to one length, first sample onto first and last onto last.

    Parameters
    ----------
    x : array_like, shape (samples,)
        The signal.
    start, stop : array_like of int, shape (n,)
        First sample of each segment, and one past its last; they may overlap and come in any order.
    length : int
        Values of each resampled segment; 1 takes its first sample.

    Returns
    -------
    ndarray of float32, shape (n, length)

    Raises
    ------
    SignalError
        If a segment is empty or outside the signal, or `length` is 0.

    Examples
    --------
    >>> resample_segments(np.arange(10.0), [2, 5], [5, 10], 3).tolist()
    [[2.0, 3.0, 4.0], [5.0, 7.0, 9.0]]
    """
    x = np.asarray(x)
    x = np.ascontiguousarray(x, dtype=np.float32 if x.dtype == np.float32 else np.float64)
    start, stop = (np.ascontiguousarray(a, dtype=np.int64) for a in (start, stop))
    return _core.resample_segments(x, start, stop, length)
