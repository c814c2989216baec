"""A recording as a table of its beats: one row of features each, from one ECG lead or two."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import biotl.signal
from biotl.datasets.beat_features import beat_features
from biotl.datasets.beat_measures import measure_beats
from biotl.datasets.channels import Choice, find_all
from biotl.datasets.gaps import bridge, near, spans
from biotl.datasets.preprocessor import Cuts, Prepared, State, Unit
from biotl.datasets.spec_kinds import BeatSpec
from biotl.errors import RecordError
from biotl.records import Record

# a QRS complex that a gap touches is not one that was seen
REACH_S = 0.05


@dataclass(frozen=True)
class BeatCut:
    """One beat: its index."""

    index: int


@dataclass(frozen=True)
class BeatPreprocessor:
    """Leads to one rate, R peaks, and every beat described within its recording; nothing is fitted.

    Parameters
    ----------
    spec : BeatSpec
        The preprocessing.
    state : dict
        Empty.
    fitted_on : tuple of str
        Empty.
    """

    spec: BeatSpec
    state: State = field(default_factory=dict)
    fitted_on: tuple[str, ...] = ()
    unit: Unit = "beat"

    def fit(self, training: Iterable[Prepared], *, names: Sequence[str], seed: int) -> "BeatPreprocessor":  # noqa: ARG002
        """Return itself: every measure is relative to the recording."""
        return self

    def prepare(self, records: Sequence[Record], *, choose: Choice = None) -> Prepared:
        """Prepare a recording: leads, rate, R peaks, features.

        Returns
        -------
        Prepared
            ``signal`` float32 (leads, samples) at ``spec.fs`` without gaps; ``rpeaks`` int64 (m,);
            ``features`` float32 (m, 101), see `biotl.datasets.beat_features.FEATURES`. A beat that a gap touches
            is left out.

        Raises
        ------
        RecordError
            If the first lead is not there, its unit is no voltage, or it has gaps and the spec refuses them.
        SignalError
            If the signal is too short.
        """
        spec = self.spec
        leads = [one for one in find_all(records, spec.channels, choose=choose) if one is not None]
        lost: list[NDArray[np.int64]] = []
        about: dict[str, Any] = {"leads": {}, "gaps": {}}
        rows = []
        for one, channel in zip(leads, spec.channels, strict=False):
            missing = spans(one.x)
            about["leads"][channel.name] = one.lead
            if len(missing):
                lost_s = float(np.diff(missing).sum()) / one.record.fs
                if spec.gaps == "refuse":
                    got = f"{lost_s:.3g} s missing, the first at {missing[0, 0] / one.record.fs:.2f} s"
                    where = str(one.record.source or one.record.name)
                    hint = "gaps: mask or interpolate takes it"
                    raise RecordError(where, f"channel {one.lead}", got, "a whole signal", hint)
                about["gaps"][channel.name] = [len(missing), round(lost_s, 3)]
                lost.append(np.rint(missing * (spec.fs / one.record.fs)).astype(np.int64))
            x = bridge(one.x)
            if one.record.fs != spec.fs:
                x = np.asarray(biotl.signal.resample(x, one.record.fs, spec.fs), np.float32)
            rows.append(x)
        samples = min(map(len, rows))
        signal = np.stack([row[:samples] for row in rows])
        rpeaks = biotl.signal.rpeaks(signal, spec.fs)
        if spec.gaps == "mask":
            for missing in lost:
                reach = round(REACH_S * spec.fs)
                kept = ~near(rpeaks - reach, rpeaks + reach + 1, missing)
                rpeaks = rpeaks[kept]
        arrays = self._described(signal, rpeaks)
        return Prepared(arrays, records[0].fs, records[0].signal.shape[1], about)

    def _described(self, signal: NDArray[Any], rpeaks: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return what a store keeps: the leads, their beats, and what each is among these."""
        features = beat_features(measure_beats(signal, rpeaks, self.spec.fs))
        return {"signal": signal, "rpeaks": rpeaks, "features": features}

    def units(self, prepared: Prepared) -> NDArray[np.int64]:
        """Return each R peak as a span of one sample, shape (m, 2), at ``prepared.fs``."""
        peak = np.rint(prepared.arrays["rpeaks"] * (prepared.fs / self.spec.fs)).astype(np.int64)
        return np.stack([peak, peak + 1], axis=1)

    def cuts(self, prepared: Prepared) -> Cuts[BeatCut]:
        """Return the beats."""
        return Cuts(len(prepared.arrays["rpeaks"]), BeatCut)

    def reads(self, prepared: Prepared, cut: BeatCut) -> tuple[int, int]:  # noqa: ARG002
        """Return the whole recording: a beat is compared with all others."""
        return 0, prepared.samples

    def stretch(self, prepared: Prepared, start: int, stop: int) -> Prepared:
        """Return the beats between two samples, at ``prepared.fs``, described among themselves; samples begin at 0."""
        of, scale = prepared.arrays, self.spec.fs / prepared.fs
        first, last = round(start * scale), round(stop * scale)
        peak = self.units(prepared)[:, 0]
        inside = (peak >= start) & (peak < stop)
        arrays = self._described(of["signal"][:, first:last], of["rpeaks"][inside] - first)
        return replace(prepared, arrays=arrays, samples=stop - start)

    def complete(self, prepared: Prepared) -> Prepared:
        """Return the recording as it is."""
        return prepared

    def inputs(self, prepared: Prepared, cut: BeatCut) -> dict[str, NDArray[Any]]:
        """Return ``features`` float32 (101,) of one beat, and ``unit`` int64 (), its index."""
        return {"features": prepared.arrays["features"][cut.index], "unit": np.asarray(cut.index, np.int64)}
