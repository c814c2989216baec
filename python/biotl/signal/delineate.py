"""P, QRS and T around given R peaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core

from ._arrays import NanPolicy, as_leads, bridge, check_policy, covered, indices, one_channel, rate
from ._results import Result


@dataclass(frozen=True, eq=False, repr=False)
class Wave(Result):
    """One kind of wave, beat by beat.

    Parameters
    ----------
    onset, peak, offset : ndarray of int64, shape (beats,)
        Samples, the offset included in the wave; all three are -1 where the beat has no such wave.
    confidence : ndarray of float32, shape (beats,)
        Probability that the wave is there and a point of it within 40 ms, also where it was found absent.
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
    """The waves of the beats of one lead, each list as long as the R peaks.

    Parameters
    ----------
    p, qrs, t : Wave
        Within a beat and from beat to beat they do not overlap. The peak of the QRS complex is its R wave, the highest
        point above the line from onset to offset; in a complex that only goes down, it is the R peak given.
    """

    p: Wave
    qrs: Wave
    t: Wave


def delineate(x: ArrayLike, rpeaks: ArrayLike, fs: float, *, nan_policy: NanPolicy = "raise") -> Waves:
    """Find onset, peak and offset of the P wave, QRS complex and T wave of every beat, or that a wave is absent.

    Parameters
    ----------
    x : array_like, shape (samples,)
        One ECG lead in any unit, unfiltered.
    rpeaks : array_like of int, shape (beats,)
        R peaks in samples, strictly rising, as `rpeaks` finds them.
    fs : float
        Sampling rate in Hz; made for 100 to 1000, refused below 50.
    nan_policy : {"raise", "mask", "interpolate"}
        What happens to samples that are NaN or infinite: refuse them, bridge them by a straight line, or bridge them
        and call the waves absent that hold one.

    Returns
    -------
    Waves
        ``waves.p.onset`` and so on; -1 where absent.

    Raises
    ------
    SignalError
        If `x` is not one lead, a peak lies outside it or out of order, or a sample is not finite under "raise".

    Notes
    -----
    Three small convolutional networks: one sees the complex, alone and averaged over the beats within five that look
    alike; two look out from its onset at what lies before and after it, likewise, and at the rhythm. They were trained
    on the marks of LUDB 1-70 [1]_ and six records of QTDB in many guises, among them paced beats and beats whose P
    waves were taken out, and, for the presence of P, on MIT-BIH DS1 (``benches/train_waves.py``; figures by
    ``benches/waves.py``). A P wave is reported only where it is more likely than not: in fibrillation, in flutter and
    before ventricular beats it is absent. Where there is no heart beat at a peak given, the confidence is low.

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
    lead = one_channel(x, "lead")
    peaks = indices(rpeaks, "rpeaks")
    bad = None if nan_policy == "raise" else ~np.isfinite(as_leads(lead))
    if bad is not None and bad.any():
        lead = bridge(as_leads(lead), bad)[0]
    points, confidence = _core.delineate(lead, peaks, rate(fs))
    waves = [Wave(points[3 * n], points[3 * n + 1], points[3 * n + 2], confidence[n]) for n in range(3)]
    if nan_policy == "mask" and bad is not None and bad.any():
        for wave in waves:
            lost = wave.present & covered(bad, wave.onset, wave.offset + 1)[0]
            for part in (wave.onset, wave.peak, wave.offset):
                part[lost] = -1
    return Waves(waves[0], waves[1], waves[2])
