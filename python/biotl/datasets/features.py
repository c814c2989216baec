"""What a beat's timing and size say of it, relative to the recording's own rhythm and dominant beat."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BEAT_FEATURES = (
    "rr_before_to_local",
    "rr_after_to_local",
    "rr_before_to_previous",
    "rr_after_to_before",
    "rr_before_to_record",
    "rr_local",
    "qrs_height",
    "qrs_area",
    "qrs_likeness",
    "t_likeness",
    "p_likeness",
)
SEGMENT_FEATURES = ("duration", "height")
FEATURES = (*SEGMENT_FEATURES, *BEAT_FEATURES)
_RATIO = (-2, -0.7, -0.4, -0.25, -0.15, -0.08, -0.03, 0.03, 0.08, 0.15, 0.25, 0.4, 0.7, 2)
_LIKENESS = (-1, -0.5, 0, 0.3, 0.5, 0.65, 0.75, 0.82, 0.88, 0.92, 0.95, 0.97, 0.985, 1)
_LEVEL = (-8, -6, -5, -4, -3.5, -3, -2.5, -2, -1.5, -1, -0.5, 0, 0.5, 2)
EDGES = np.array([_LEVEL] * 2 + [_RATIO] * 5 + [_LEVEL] + [_RATIO] + [_LEVEL] + [_LIKENESS] * 3, np.float32)
"""Where the steps of each feature lie that tell beats apart, shape (13, 14); finest where most beats are."""
PATCH_EDGES = np.array(
    [
        [[-0.12, -0.07, -0.045, -0.02, 0, 0.03, 0.07, 0.18], [-0.1, -0.045, -0.02, -0.005, 0.005, 0.02, 0.06, 0.2]],
        [[-0.9, -0.4, -0.13, 0, 0.15, 0.4, 0.7, 1.0], [-0.7, -0.16, -0.06, -0.01, 0.01, 0.07, 0.3, 0.8]],
        [[-0.4, -0.25, -0.15, -0.08, -0.03, 0.02, 0.1, 0.25], [-0.3, -0.12, -0.03, -0.005, 0.005, 0.03, 0.08, 0.3]],
        [[-0.25, -0.12, -0.06, -0.02, 0.02, 0.07, 0.14, 0.3], [-0.26, -0.07, -0.025, -0.005, 0.005, 0.03, 0.08, 0.22]],
    ],
    np.float32,
)
"""The same for the samples of each wave type and patch channel, in median QRS heights, shape (4, 2, 8)."""
_LOCAL_BEATS = 10


def beat_features(
    rpeaks: NDArray[Any], fs: float, wave: NDArray[Any], beat: NDArray[Any], patches: NDArray[Any]
) -> NDArray[np.float32]:
    """Describe each beat.

    Supraventricular beats are defined by when they come and ventricular ones by their shape, both relative to the
    patient: ratios of RR intervals to the local median rhythm (log2, clipped to two octaves either way), and the
    likeness (correlation) of each wave to the recording's median wave.

    Parameters
    ----------
    rpeaks : ndarray of int64, shape (m,)
        R peaks in samples.
    fs : float
        Sampling rate in Hz.
    wave, beat : ndarray of int, shape (n,)
        Wave type and beat index of each segment.
    patches : ndarray of float32, shape (n, length)
        Segments in units of the recording's median QRS height.

    Returns
    -------
    ndarray of float32, shape (m, 11)
        Columns `BEAT_FEATURES`; a beat whose wave was cut away has 0 there.
    """
    features = np.zeros((len(rpeaks), len(BEAT_FEATURES)), np.float32)
    if len(rpeaks) > 1:
        rr = np.diff(rpeaks) / fs
        before, after = np.append(np.nan, rr), np.append(rr, np.nan)
        local = _local_median(rr)
        record = np.median(rr)
        # the outermost beats have one neighbour only: they are taken to keep the rhythm
        before, after = np.where(np.isnan(before), local, before), np.where(np.isnan(after), local, after)
        previous = np.append(local[0], before[:-1])
        ratios = (before / local, after / local, before / previous, after / before, before / record, local)
        features[:, :6] = np.clip(np.log2(np.stack(ratios, axis=1)), -2, 2)
    for kind, likeness in ((1, "qrs_likeness"), (2, "t_likeness"), (0, "p_likeness")):
        rows = np.flatnonzero((wave == kind) & (beat >= 0))
        if len(rows):
            features[beat[rows], BEAT_FEATURES.index(likeness)] = _likeness(patches[rows])
        if len(rows) and kind == 1:
            features[beat[rows], 6] = np.clip(np.log2(np.ptp(patches[rows], axis=1) + 1e-3), -4, 4)
            features[beat[rows], 7] = np.clip(np.log2(np.abs(patches[rows]).mean(axis=1) + 1e-3), -8, 4)
    return features


def segment_features(start: NDArray[Any], stop: NDArray[Any], fs: float, patches: NDArray[Any]) -> NDArray[np.float32]:
    """Return log2 of duration (s) and of height (in median QRS heights) of each segment, shape (n, 2)."""
    duration = np.log2(np.maximum(stop - start, 1) / fs)
    height = np.log2(np.ptp(patches, axis=1) + 1e-3)
    return np.stack([np.clip(duration, -8, 4), np.clip(height, -8, 4)], axis=1).astype(np.float32)


def _local_median(rr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median RR of the `_LOCAL_BEATS` intervals on each side of every beat, shape (len(rr) + 1,)."""
    padded = np.pad(rr, _LOCAL_BEATS, constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _LOCAL_BEATS)
    return np.asarray(np.nanmedian(around, axis=1))


def _likeness(patches: NDArray[Any]) -> NDArray[np.float64]:
    """Correlation of each segment with the median segment."""
    centred = patches - patches.mean(axis=1, keepdims=True)
    median = np.median(patches, axis=0)
    median = median - median.mean()
    norm = np.linalg.norm(centred, axis=1) * np.linalg.norm(median)
    return np.asarray(np.divide(centred @ median, norm, out=np.zeros(len(patches)), where=norm > 1e-9))
