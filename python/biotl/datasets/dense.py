"""Dense physiological targets: where beats, waves and pulses are, the heart rate, how far a PPG is to be trusted.

Of synthetic recordings all of it is known; of real ones without labels, biotl's own detectors say what they agree on.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.transforms import Sample, Transform
from biotl.datasets.windows import WindowPreprocessor
from biotl.errors import SignalWarning
from biotl.records import Annotations
from biotl.records.pulse import Pulses, pulses
from biotl.signal import delineate, ppg_peaks, rpeaks

STEP_S = 0.04
"""A map has a value for so long a stretch."""
MAPS = ("R peak", "P wave", "QRS complex", "T wave", "pulse", "movement", "atrial ectopic", "ventricular ectopic")
VALUES = ("ectopic", "irregular", "PPG SNR", "ECG SNR", "PPG agrees", "octaves of rate")
RATES_BPM = np.linspace(30.0, 219.0, 64)
AGREE_BPM = 5.0
FIELDS = ("signal", "measured", "maps", "values", "known", "rate", "rate_known")
UNKNOWN = -1.0
"""In a map, what no loss counts; of values and the rate a mask says so."""
_SPREAD_S = 0.04  # standard deviation of the bump at an R peak or a crest
_SPREAD_BPM = 3.0
_USUAL_BPM = 75.0
_WAVES = ((1, "p"), (2, "N"), (3, "t"))
Arrays = dict[str, NDArray[Any]]


def empty(steps: int) -> Arrays:
    """Return targets of which nothing is known.

    Returns
    -------
    dict of str to ndarray
        ``maps`` float32 (8, steps), 0 to 1, or -1; ``values`` float32 (6,) and ``known`` bool (6,); ``rate`` float32
        (64,), a distribution over `RATES_BPM`, and ``rate_known`` bool (1,).
    """
    return {
        "maps": np.full((len(MAPS), steps), UNKNOWN, np.float32),
        "values": np.zeros(len(VALUES), np.float32),
        "known": np.zeros(len(VALUES), bool),
        "rate": np.full(len(RATES_BPM), 1 / len(RATES_BPM), np.float32),
        "rate_known": np.zeros(1, bool),
    }


def truth(made: Pulses) -> Arrays:
    """Return the targets of a synthetic window; see `empty`."""
    record = made.record
    fs, n = record.fs, record.signal.shape[1]
    out = empty(round(n / fs / STEP_S))
    beats = record.annotations["atr"]
    pulse = record.annotations["pulses"]
    crests = pulse.sample[pulse.symbol == "p"]
    maps = out["maps"]
    maps[0], maps[4] = bumps(beats.sample / fs, maps.shape[1]), bumps(crests / fs, maps.shape[1])
    for row, symbol in _WAVES:
        maps[row] = _covered(_spans(record.annotations["waves"], symbol) / fs, maps.shape[1])
    edges = np.linspace(0, n, maps.shape[1] + 1).astype(int)[:-1]
    maps[5] = np.maximum.reduceat(made.moving, edges)
    for row, symbols in ((6, "A"), (7, "VF")):
        maps[row] = bumps(beats.sample[np.isin(beats.symbol, list(symbols))] / fs, maps.shape[1])
    snr = 10 * np.log10((made.clean.var(1) + 1e-9) / ((record.signal[:2] - made.clean).var(1) + 1e-9))
    ectopic = float(np.isin(beats.symbol, ["A", "V", "F"]).any())
    out["values"][:] = [ectopic, irregularity(beats.sample / fs), *(snr.clip(-10, 30) / 10), 0, 0]
    out["known"][:] = True
    with_rate(out, rate(beats.sample / fs))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SignalWarning)
        crests = ppg_peaks(record.signal[0], fs)
    agrees(out, rate(crests / fs), rate(beats.sample / fs))
    return out


def taught(ppg: NDArray[Any] | None, ecg: NDArray[Any] | None, fs: float) -> Arrays:
    """Return what biotl's detectors say of a window, where both signals are there and their rates agree; see `empty`.

    Whether they agree is a target itself: with the ECG hidden, it is what the PPG alone has to tell.
    """
    given = ecg if ecg is not None else ppg
    assert given is not None
    out = empty(round(len(given) / fs / STEP_S))
    steps = out["maps"].shape[1]
    beats = crests = np.zeros(0, np.int64)
    with warnings.catch_warnings():  # what has a rhythm of another kind than a heart's teaches nothing
        warnings.simplefilter("ignore", SignalWarning)
        beats = rpeaks(ecg, fs) if ecg is not None else beats
        crests = ppg_peaks(ppg, fs) if ppg is not None else crests
    if ppg is not None and ecg is not None:
        agrees(out, rate(crests / fs), rate(beats / fs))
        if out["values"][4]:
            out["maps"][4] = bumps(crests / fs, steps)
    if ecg is not None and len(beats) > 2 and (ppg is None or out["values"][4]):
        out["maps"][0] = bumps(beats / fs, steps)
        waves = delineate(ecg, beats, fs)
        for (row, _), wave in zip(_WAVES, (waves.p, waves.qrs, waves.t), strict=True):
            there = wave.present
            spans = np.stack([wave.onset[there], wave.offset[there] + 1], axis=1)
            out["maps"][row] = _covered(spans / fs, steps)
        out["values"][1], out["known"][1] = irregularity(beats / fs), True
        with_rate(out, rate(beats / fs))
    return out


def rate(beat_s: NDArray[Any]) -> float:
    """Return the mean rate of beats in bpm; NaN for fewer than three."""
    return float(60 * (len(beat_s) - 1) / (beat_s[-1] - beat_s[0])) if len(beat_s) > 2 else float("nan")


def irregularity(beat_s: NDArray[Any]) -> float:
    """Return how far neighbouring intervals differ, as the logarithm of the root mean square: 0 for 1 %, 1 for 46 %."""
    if len(beat_s) < 4:
        return 0.0
    apart = np.diff(np.log(np.maximum(np.diff(beat_s), 0.1)))
    return float(np.clip(np.log10(100 * np.sqrt((apart**2).mean()) + 1e-6) / np.log10(46), 0, 1))


def with_rate(out: Arrays, bpm: float) -> None:
    """Write a heart rate into targets."""
    if np.isfinite(bpm):
        bell = np.exp(-0.5 * ((RATES_BPM - np.clip(bpm, RATES_BPM[0], RATES_BPM[-1])) / _SPREAD_BPM) ** 2)
        out["rate"], out["rate_known"] = (bell / bell.sum()).astype(np.float32), np.ones(1, bool)
        out["values"][5] = np.log2(bpm / _USUAL_BPM)
    out["known"][5] = np.isfinite(bpm)


def agrees(out: Arrays, pulse_bpm: float, heart_bpm: float) -> None:
    """Write into targets whether the pulse goes as the heart does."""
    if np.isfinite(heart_bpm):
        out["values"][4] = bool(abs(pulse_bpm - heart_bpm) <= AGREE_BPM)
        out["known"][4] = True


def bumps(at_s: NDArray[Any], steps: int) -> NDArray[np.float32]:
    """Return a Gaussian of height 1 at each time."""
    t = (np.arange(steps) + 0.5) * STEP_S
    if not len(at_s):
        return np.zeros(steps, np.float32)
    apart = np.abs(t[:, None] - np.asarray(at_s)[None]).min(1)
    return np.asarray(np.exp(-0.5 * (apart / _SPREAD_S) ** 2), np.float32)


def _covered(spans_s: NDArray[Any], steps: int) -> NDArray[np.float32]:
    t = (np.arange(steps)[:, None] + 0.5) * STEP_S
    return np.asarray(((t >= spans_s[:, 0]) & (t < spans_s[:, 1])).any(1), np.float32)


def _spans(marks: Annotations, symbol: str) -> NDArray[np.int64]:
    """Return onset and offset of each whole wave of a kind, shape (n, 2)."""
    whole = len(marks) // 3 * 3  # of the last one the offset may lie beyond the window
    of = marks.symbol[:whole].reshape(-1, 3)[:, 1] == symbol
    return np.asarray(marks.sample[:whole].reshape(-1, 3)[of][:, [0, 2]])


@dataclass(frozen=True)
class TaughtMaps:
    """Add what the detectors say of a real window, before anything of it is hidden; see `taught`.

    Parameters
    ----------
    fs : float
        Rate of the windows in Hz.
    ppg, ecg : int or None
        Where these channels are; None where the window has no such channel.
    """

    fs: float
    ppg: int | None
    ecg: int | None
    always: bool = True

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:  # noqa: ARG002
        """See `Transform`."""
        seen = [
            sample["signal"][k] if k is not None and sample["measured"][k].all() else None for k in (self.ppg, self.ecg)
        ]
        if seen[0] is None and seen[1] is None:
            return {**sample, **empty(round(sample["signal"].shape[-1] / self.fs / STEP_S))}
        return {**sample, **taught(seen[0], seen[1], self.fs)}


@dataclass(frozen=True)
class SyntheticPulses:
    """Endless synthetic windows with their truth, prepared as the real ones are: each draw is another heart.

    Parameters
    ----------
    preprocessor : WindowPreprocessor
        Fitted.
    windows : int
        How many an epoch has.
    seed : int
        Of those that are the same whenever they are read, as validation needs.
    transforms : tuple of Transform
        Applied in order, in ``[index]`` only those that are always there.
    """

    preprocessor: WindowPreprocessor
    windows: int
    seed: int
    transforms: tuple[Transform, ...] = ()
    endless = True

    def __len__(self) -> int:
        return self.windows

    def __getitem__(self, index: int) -> Sample:
        """Return the same window for the same index."""
        if not 0 <= index < self.windows:
            raise IndexError(index)
        rng = np.random.default_rng([self.seed, index])
        sample = self._made(rng)
        for transform in self.transforms:
            sample = transform(sample, rng) if transform.always else sample
        return sample

    def draw(self, index: int, rng: np.random.Generator) -> Sample:  # noqa: ARG002
        """Return a window of a heart that was never seen before."""
        sample = self._made(rng)
        for transform in self.transforms:
            sample = transform(sample, rng)
        return sample

    def _made(self, rng: np.random.Generator) -> Sample:
        spec = self.preprocessor.spec
        bpm = float(np.exp(rng.uniform(np.log(38), np.log(190))))
        made = pulses(int(rng.integers(2**31)), duration_s=spec.length_s, fs=spec.fs, rate_bpm=bpm)
        prepared = self.preprocessor.prepare([made.record])
        return {**self.preprocessor.inputs(prepared, self.preprocessor.cuts(prepared)[0]), **truth(made)}


@dataclass(frozen=True)
class Joined:
    """Two data sets as one, such as real windows and synthetic ones; the fields that both have."""

    one: Any
    other: Any
    endless = True

    def __len__(self) -> int:
        return len(self.one) + len(self.other)

    def __getitem__(self, index: int) -> Sample:
        """Return a sample of the one, or of the other behind it."""
        own = index < len(self.one)
        return self._shared(self.one[index] if own else self.other[index - len(self.one)])

    def draw(self, index: int, rng: np.random.Generator) -> Sample:
        """Return a sample changed by every transform."""
        own = index < len(self.one)
        return self._shared(self.one.draw(index, rng) if own else self.other.draw(index - len(self.one), rng))

    def _shared(self, sample: Sample) -> Sample:
        return {name: sample[name] for name in FIELDS}

    @property
    def subjects(self) -> list[str]:
        """Who was recorded; nobody, where it is synthetic."""
        return list(self.one.subjects)
