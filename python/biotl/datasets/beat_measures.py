"""What is measured at each beat of each lead, before anything is compared with the rest of the recording."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

import biotl.signal

Floats = NDArray[np.float32]
# windows in seconds: QRS and T after the R peak, P before the onset of the QRS complex
QRS_S, P_S, T_S = (-0.12, 0.16), (-0.24, -0.01), (0.14, 0.44)
STEP_S = {"qrs": 0.008, "p": 0.01, "t": 0.02}
BAND_HZ = (0.5, 35.0)
# where the delineator sees no complex: half of a normal one
ONSET_S = 0.05


@dataclass(frozen=True)
class BeatMeasures:
    """Measures of the m beats of a recording on its leads; every row stands for itself, so rows may be picked.

    Parameters
    ----------
    before, after : ndarray of float32, shape (m,)
        RR intervals in seconds.
    qrs, p, t, t_before : ndarray of float32, shape (m, leads, length)
        Samples of the beat's waves and of the T wave of the beat before, in the lead's own unit.
    p_confidence, t_confidence : ndarray of float32, shape (m, leads)
        As of `biotl.signal.delineate`.
    pr_s, qrs_s, qt_s : ndarray of float32, shape (m, leads)
        P peak to QRS onset, QRS duration, QRS onset to T end; 0 where there is no such wave.
    """

    before: Floats
    after: Floats
    qrs: Floats
    p: Floats
    t: Floats
    t_before: Floats
    p_confidence: Floats
    t_confidence: Floats
    pr_s: Floats
    qrs_s: Floats
    qt_s: Floats

    def __len__(self) -> int:
        return len(self.before)

    def rows(self, index: NDArray[Any]) -> "BeatMeasures":
        """Return the beats at ``index``, in that order; each keeps its own interval before, and `after` follows."""
        picked = {f.name: getattr(self, f.name)[index] for f in fields(self)}
        picked["after"] = np.append(picked["before"][1:], picked["after"][-1:])
        return BeatMeasures(**picked)

    def leads(self, *index: int) -> "BeatMeasures":
        """Return the same beats on some of the leads."""
        return BeatMeasures(
            **{f.name: a[:, list(index)] if (a := getattr(self, f.name)).ndim > 1 else a for f in fields(self)}
        )


def measure_beats(x: NDArray[Any], rpeaks: NDArray[Any], fs: float) -> BeatMeasures:
    """Measure every beat on every lead.

    Parameters
    ----------
    x : ndarray, shape (leads, samples)
        Unfiltered ECG without gaps, in any unit.
    rpeaks : ndarray of int64, shape (m,)
        R peaks in samples, ascending.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    BeatMeasures
        Outermost beats have one neighbour only: the missing interval is taken to equal the other one.
    """
    m = len(rpeaks)
    rr = np.diff(rpeaks) / fs if m > 1 else np.ones(1)
    measured = [_lead(lead, rpeaks, fs) for lead in np.atleast_2d(x)]
    stacked = {name: np.stack([lead[name] for lead in measured], axis=1).astype(np.float32) for name in measured[0]}
    t_before = stacked["t"][np.maximum(np.arange(m) - 1, 0)]
    before, after = (np.append(rr[0], rr)[:m], np.append(rr, rr[-1])[:m])
    return BeatMeasures(
        before.astype(np.float32),
        after.astype(np.float32),
        t_before=t_before,
        **stacked,
    )


def _lead(x: NDArray[Any], rpeaks: NDArray[Any], fs: float) -> dict[str, NDArray[Any]]:
    """Return the measures of one lead by name."""
    waves = biotl.signal.delineate(x, rpeaks, fs)
    # shapes are compared in one band whatever the recorder let through
    clean = biotl.signal.bandpass(np.asarray(x, np.float32), fs, low=BAND_HZ[0], high=BAND_HZ[1])
    onset = np.where(waves.qrs.present, waves.qrs.onset, rpeaks - ONSET_S * fs)

    def cut(at: NDArray[Any], span: tuple[float, float], kind: str) -> NDArray[Any]:
        times = np.arange(span[0], span[1] + 1e-9, STEP_S[kind]) * fs
        return np.interp(at[:, None] + times, np.arange(len(clean)), clean)

    def length(wave: Any, start: NDArray[Any], stop: NDArray[Any]) -> NDArray[Any]:
        return np.where(wave.present, (stop - start) / fs, 0)

    return {
        "qrs": cut(rpeaks, QRS_S, "qrs"),
        "p": cut(onset, P_S, "p"),
        "t": cut(rpeaks, T_S, "t"),
        "p_confidence": waves.p.confidence,
        "t_confidence": waves.t.confidence,
        "pr_s": length(waves.p, waves.p.peak, onset),
        "qrs_s": length(waves.qrs, waves.qrs.onset, waves.qrs.offset),
        "qt_s": length(waves.t, onset, waves.t.offset),
    }
