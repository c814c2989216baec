"""P, QRS and T around given R peaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError

from ._arrays import Floats, NanPolicy, as_leads, bridge, check_policy, covered, indices, rate, signal
from ._results import Result

# a wave is there where it is more likely than not; a lead that found one has a say, however unsure
EVEN, LEAST = 0.5, 1e-3


@dataclass(frozen=True, eq=False, repr=False)
class Wave(Result):
    """One kind of wave, beat by beat.

    Parameters
    ----------
    onset, peak, offset : ndarray of int64, shape (beats,)
        Samples, the offset included in the wave; all three are -1 where the beat has no such wave.
    confidence : ndarray of float32, shape (beats,)
        Probability, by the beat alone, that the wave is there and a point of it within 40 ms, also where it was found
        absent; a weak P wave among sure ones is present all the same.
    """

    onset: NDArray[np.int64]
    peak: NDArray[np.int64]
    offset: NDArray[np.int64]
    confidence: NDArray[np.float32]

    @property
    def present(self) -> NDArray[np.bool_]:
        """Whether each beat has the wave."""
        return self.peak >= 0


@dataclass(frozen=True, eq=False, repr=False)
class Waves(Result):
    """The waves of the beats of one heart, each list as long as the R peaks.

    Parameters
    ----------
    p, qrs, t : Wave
        Within a beat and from beat to beat they do not overlap. The peak of the QRS complex is its R wave, the highest
        point above the line from onset to offset; in a complex that only goes down, it is the R peak given.
    """

    p: Wave
    qrs: Wave
    t: Wave


def delineate(
    x: ArrayLike, rpeaks: ArrayLike, fs: float, *, axis: int | None = None, nan_policy: NanPolicy = "raise"
) -> Waves:
    """Find onset, peak and offset of the P wave, QRS complex and T wave of every beat, or that a wave is absent.

    Parameters
    ----------
    x : array_like, shape (samples,) or (leads, samples)
        One ECG lead or several, in any unit, unfiltered. Several have one answer a beat, as one heart has.
    rpeaks : array_like of int, shape (beats,)
        R peaks in samples, strictly rising, as `rpeaks` finds them.
    fs : float
        Sampling rate in Hz; made for 100 to 1000, refused below 50. Intervals are taken for those of a man: for a heart
        far quicker or slower, as of mice and horses, state as many times less (mice: fs / 8) or more.
    axis : int, optional
        The axis of samples; the last, and an array that is clearly (samples, leads) is refused.
    nan_policy : {"raise", "mask", "interpolate"}
        What happens to samples that are NaN or infinite: refuse them, bridge them by a straight line, or bridge them
        and call the waves absent that hold one; of several leads, those that were measured answer.

    Returns
    -------
    Waves
        ``waves.p.onset`` and so on; -1 where absent.

    Raises
    ------
    SignalError
        If `x` is not one lead or (leads, samples), a peak lies outside it or out of order, or a sample is not finite
        under "raise".

    Notes
    -----
    Three small convolutional networks: one sees the complex, alone and averaged over the beats within five that look
    alike; two look out from its onset at what lies before and after it, likewise, and at the rhythm. They were trained
    on the marks of LUDB 1-70 [1]_ and six records of QTDB in many guises, among them paced beats and beats whose P
    waves were taken out, and, for the presence of P, on MIT-BIH DS1 (``benches/train_waves.py``; figures by
    ``benches/waves.py``). Whether there is a P wave, beats say together: the log-odds are averaged over the beats
    within five that look alike and came after an interval within 16 % of the beat's own. In fibrillation, in flutter
    and before ventricular beats it is absent. Where there is no heart beat at a peak given, the confidence is low.

    Of several leads, each is read by itself. Their confidences are joined by the root mean square, so that a lead that
    is sure counts for more than one that sees nothing; each point is the median of the leads that found the wave,
    weighed by confidence. Chosen on LUDB 1-70 and on QTDB without MIT-BIH DS2: where most of twelve leads have no P
    wave none was invented (by one lead alone 2 to 10 in 80), and points scatter by a quarter to a half less.

    References
    ----------
    .. [1] A. I. Kalyakulina et al., "LUDB: a new open-access validation tool for electrocardiogram delineation
       algorithms", IEEE Access 8:186181, 2020.

    Examples
    --------
    >>> t = np.arange(3600) / 360 % 1
    >>> bumps = ((0.1, 0.34, 0.02), (1, 0.5, 0.01), (0.3, 0.78, 0.05))
    >>> ecg = sum(a * np.exp(-(((t - m) / s) ** 2) / 2) for a, m, s in bumps)
    >>> waves = delineate(ecg, np.arange(180, 3600, 360), 360)
    >>> bool(waves.qrs.present.all())
    True
    """
    check_policy(nan_policy)
    array = signal(x, axis=axis)
    if array.ndim > 2 or (array.ndim == 2 and not len(array)):
        raise SignalError(f"x: got shape {array.shape}, wanted (samples,) or (leads, samples)")
    leads, peaks, fs = as_leads(array), indices(rpeaks, "rpeaks"), rate(fs)
    found = [_one(lead, peaks, fs, nan_policy) for lead in leads]
    points, confidence = found[0] if len(found) == 1 else _joint(*(np.stack(part) for part in zip(*found, strict=True)))
    waves = [Wave(points[3 * n], points[3 * n + 1], points[3 * n + 2], confidence[n]) for n in range(3)]
    return Waves(waves[0], waves[1], waves[2])


Marks = tuple[NDArray[np.int64], NDArray[np.float32]]


def _one(lead: Floats, peaks: NDArray[np.int64], fs: float, nan_policy: NanPolicy) -> Marks:
    """Return points (9, beats), -1 where absent, and confidences (3, beats) of one lead."""
    bad = None if nan_policy == "raise" else ~np.isfinite(as_leads(lead))
    if bad is not None and bad.any():
        lead = bridge(as_leads(lead), bad)[0]
    found = _core.delineate(lead, peaks, fs)
    points, confidence = np.stack(found[0]), np.stack(found[1])
    if nan_policy == "mask" and bad is not None and bad.any():
        for wave in points.reshape(3, 3, -1):
            wave[:, (wave[1] >= 0) & covered(bad, wave[0], wave[2] + 1)[0]] = -1
    return points, confidence


def _joint(points: NDArray[np.int64], confidence: NDArray[np.float32]) -> Marks:
    """Return the points (9, beats) and confidences (3, beats) of one heart from those of its leads, (leads, ...)."""
    sure = np.sqrt(np.square(confidence, dtype=np.float64).mean(axis=0))
    seen = points[:, 1::3] >= 0
    there = np.any(seen, axis=0)
    # every beat has a QRS complex; P and T have to be more likely than not
    there[[0, 2]] &= sure[[0, 2]] > EVEN
    weight = np.where(seen, np.maximum(confidence, LEAST), 0.0).repeat(3, axis=1)
    order = points.argsort(axis=0, kind="stable")
    ranked, passed = np.take_along_axis(points, order, 0), np.take_along_axis(weight, order, 0).cumsum(axis=0)
    median = np.take_along_axis(ranked, (passed >= passed[-1] / 2).argmax(axis=0)[None], 0)[0]
    joint = np.where(there.repeat(3, axis=0), median, -1)
    _apart(*joint.reshape(3, 3, -1))
    return joint, sure.astype(np.float32)


def _apart(p: NDArray[np.int64], qrs: NDArray[np.int64], t: NDArray[np.int64]) -> None:
    """Move the ends of P and T out of what lies beside them: other leads may have found it. All are (3, beats)."""
    has_p, has_t = p[1] >= 0, t[1] >= 0
    p[:, has_p] = np.minimum(p, qrs[0] - 1)[:, has_p]
    p[:, p[0] < 0] = -1
    following = np.append(np.where(p[1] >= 0, p[0], qrs[0])[1:], np.iinfo(np.int64).max)
    t[:, has_t] = np.clip(t, qrs[2] + 1, np.maximum(following - 1, qrs[2] + 1))[:, has_t]
    t[:, has_t & (following <= qrs[2] + 1)] = -1
