"""A recording as a sentence: tokens in order of time, each with its segment's own samples."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import biotl.signal
from biotl.datasets.beat_features import beat_features as within_recording
from biotl.datasets.beat_measures import measure_beats
from biotl.datasets.channels import Choice, Found, find_all
from biotl.datasets.features import FEATURES, SEGMENT_FEATURES, beat_features, segment_features
from biotl.datasets.gaps import bridge, near, spans
from biotl.datasets.levels import levels, steps
from biotl.datasets.preprocessor import Cuts, Prepared, State, Unit
from biotl.datasets.spec_kinds import SentenceSpec
from biotl.datasets.vocabulary import CLS, PAD, SEP, SPECIAL, UNKNOWN, Vocabulary, fit_vocabulary
from biotl.errors import ConfigError, RecordError
from biotl.records import Record

QRS_S = 0.05
"""A beat whose R peak lies within half a QRS complex of a gap was not seen."""
BRIDGED_S = 0.02
"""A straight line over so little leaves a QRS complex (80 ms) standing: it is no gap."""


@dataclass(frozen=True)
class Window:
    """Half-open ranges of a sentence: the tokens of a window, and the beats that it is scored on."""

    first_token: int
    stop_token: int
    first_beat: int
    stop_beat: int


def beat_windows(beat: NDArray[np.int64], beats: int, spec: SentenceSpec) -> Cuts[Window]:
    """Return the windows of a sentence, cut by beats so that each beat is scored in exactly one window.

    Parameters
    ----------
    beat : ndarray of int64, shape (n,)
        Beat of each segment, -1 for a gap between beats.
    beats : int
        How many there are; without one there is no window.
    spec : SentenceSpec
        Says how many beats a window has, and how many of them are context.
    """
    scored = spec.window_beats - 2 * spec.context_beats

    def window(k: int) -> Window:
        first, stop = k * scored, min((k + 1) * scored, beats)
        low, high = max(0, first - spec.context_beats), min(beats, stop + spec.context_beats)
        tokens = np.flatnonzero((beat >= low) & (beat < high))
        if not len(tokens):  # no wave of these beats was found
            return Window(0, 0, first, stop)
        # the gap before the first beat belongs to its rhythm
        return Window(max(0, int(tokens[0]) - 1), int(tokens[-1]) + 1, first, stop)

    return Cuts(-(-beats // scored), window)


@dataclass(frozen=True)
class SentencePreprocessor:
    """One ECG lead to P, QRS, T and gap segments, named by a vocabulary that training recordings gave.

    Parameters
    ----------
    spec : SentenceSpec
        The preprocessing.
    state : dict
        ``vocabulary``: JSON of `Vocabulary`; with ``describe: beats`` also ``steps``, by which what beats are within
        their recording is read as levels. Empty before `fit`: every token is then 70 (unknown), and nothing a level.
    fitted_on : tuple of str
        The training recordings, where that is known.

    Raises
    ------
    ConfigError
        If the vocabulary was fitted under another spec.
    """

    spec: SentenceSpec
    state: State = field(default_factory=dict)
    fitted_on: tuple[str, ...] = ()
    unit: Unit = "beat"

    def __post_init__(self) -> None:
        if self.vocabulary is not None and self.vocabulary.spec_digest != self.spec.digest():
            raise ConfigError("vocabulary: it was fitted under another spec; fit it again, or prepare under its own")

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """What the segments are named by."""
        return Vocabulary.from_tree(self.state["vocabulary"]) if "vocabulary" in self.state else None

    def fit(self, training: Iterable[Prepared], *, names: Sequence[str], seed: int) -> "SentencePreprocessor":
        """Cluster the segments of training recordings; see `fit_vocabulary`."""
        training = list(training)
        kept = [(p.arrays["wave"], p.arrays["patches"][:, 0], ~p.arrays["gap"]) for p in training]
        found = fit_vocabulary(
            [wave[seen] for wave, _, seen in kept],
            [patches[seen] for _, patches, seen in kept],
            spec_digest=self.spec.digest(),
            records=names,
            seed=seed,
        )
        state: State = {"vocabulary": found.to_tree()}
        if self.spec.describe == "beats":
            state["steps"] = steps(np.concatenate([p.arrays["described"] for p in training])).tolist()
        return replace(self, state=state, fitted_on=tuple(names))

    def prepare(self, records: Sequence[Record], *, choose: Choice = None) -> Prepared:
        """Prepare a recording: lead, rate, R peaks, filters, segments.

        Returns
        -------
        Prepared
            ``wave`` int8 (n,) 0 P, 1 QRS, 2 T, 3 BG; ``start``, ``stop`` int64 (n,) in samples at ``spec.fs``; ``beat``
            int64 (n,) index into ``rpeaks``, -1 for BG; ``gap`` bool (n,): it touches missing samples; ``patches``
            float32 (n, 2, segment_length): the samples, and the same less the recording's median segment of that wave
            type, in units of its median QRS height; ``features`` float32 (n, 13), columns `FEATURES`; ``rpeaks``
            int64 (m,) at ``spec.fs``; with ``describe: beats`` also ``described`` float32 (m, 101), columns of
            `biotl.datasets.beat_features`.

        Raises
        ------
        RecordError
            If no lead has a name that the spec knows, its unit is no voltage, it is flat, or samples are missing and
            the spec refuses gaps; the lead is named.
        SignalError
            If the signal is too short.
        """
        spec, wanted = self.spec, self.spec.channels[0]
        found, *others = find_all(records, spec.channels, choose=choose)
        assert found is not None  # a sentence's lead is never optional
        record, where = found.record, str(found.record.source or found.record.name)
        if found.flat:
            raise RecordError(where, f"lead {found.lead}", "one value throughout", "an ECG", "name another lead")
        missing = spans(found.x)
        lost = missing[np.diff(missing)[:, 0] > BRIDGED_S * record.fs] * (spec.fs / record.fs)
        if len(missing) and spec.gaps == "refuse":
            got = f"{int(np.diff(missing).sum())} missing samples, the first at {missing[0, 0] / record.fs:.2f} s"
            raise RecordError(where, f"lead {found.lead}", got, "a whole signal", "gaps: mask or interpolate takes it")
        leads = [one for one in (found, *others) if one is not None]
        raw = _raw(leads, spec.fs)
        arrays = _segments(raw, self._beats(raw, lost), spec)
        arrays["gap"] = near(arrays["start"], arrays["stop"], lost if spec.gaps == "mask" else lost[:0])
        named = dict(zip((channel.name for channel in spec.channels), (one.lead for one in leads), strict=False))
        about: dict[str, Any] = {"leads": named}
        if len(missing):
            about["gaps"] = {wanted.name: [len(missing), round(float(np.diff(missing).sum()) / record.fs, 3)]}
        first = records[0]
        return Prepared(arrays, first.fs, first.signal.shape[1], about)

    def _beats(self, raw: NDArray[np.float32], missing: NDArray[Any]) -> NDArray[np.int64]:
        """R peaks of the raw leads, less those in gaps: a bridge is no beat."""
        rpeaks = biotl.signal.rpeaks(raw, self.spec.fs)
        reach = QRS_S * self.spec.fs
        return rpeaks[~near(rpeaks - reach, rpeaks + reach, missing)]

    def units(self, prepared: Prepared) -> NDArray[np.int64]:
        """Return the sample of each beat and the one after it, shape (m, 2), at ``prepared.fs``."""
        at = np.rint(prepared.arrays["rpeaks"] * (prepared.fs / self.spec.fs)).astype(np.int64)
        return np.stack([at, at + 1], axis=1)

    def cuts(self, prepared: Prepared) -> Cuts[Window]:
        """Return the windows of a sentence; none where it has no beat."""
        return beat_windows(prepared.arrays["beat"], len(prepared.arrays["rpeaks"]), self.spec)

    def reads(self, prepared: Prepared, cut: Window) -> tuple[int, int]:
        """Return the samples from the first segment of a window to its last, at ``prepared.fs``."""
        scale = prepared.fs / self.spec.fs
        start, stop = prepared.arrays["start"][cut.first_token], prepared.arrays["stop"][cut.stop_token - 1]
        return int(start * scale), int(np.ceil(stop * scale))

    def stretch(self, prepared: Prepared, start: int, stop: int) -> Prepared:
        """Return the segments that lie between two samples, at ``prepared.fs``."""
        of, scale = prepared.arrays, self.spec.fs / prepared.fs
        inside = (of["start"] >= start * scale) & (of["stop"] <= stop * scale)
        arrays = {name: array if name in ("rpeaks", "described") else array[inside] for name, array in of.items()}
        return replace(prepared, arrays=arrays)

    def complete(self, prepared: Prepared) -> Prepared:
        """Return the recording with its ``tokens`` and levels, which `inputs` otherwise finds for each window."""
        if "tokens" in prepared.arrays:
            return prepared
        found: dict[str, NDArray[Any]] = {"tokens": self.tokens(prepared)}
        if "described" in prepared.arrays:
            found["described"] = self._levelled(prepared.arrays["described"])
        return replace(prepared, arrays={**prepared.arrays, **found})

    @cached_property
    def _steps(self) -> NDArray[np.float64]:
        return np.array(self.state.get("steps", ()))

    def _levelled(self, described: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what beats are within their recording as levels, once that is fitted."""
        return levels(described, self._steps) if len(self._steps) else described

    def tokens(self, prepared: Prepared, cut: slice = slice(None)) -> NDArray[np.int64]:
        """Return the ids of segments: 0-69, 70 without a vocabulary or in a gap."""
        wave, patches = prepared.arrays["wave"][cut], prepared.arrays["patches"][cut, 0]
        if self.vocabulary is None:
            return np.full(len(wave), UNKNOWN, np.int64)
        return np.where(prepared.arrays["gap"][cut], UNKNOWN, self.vocabulary.tokens(wave, patches))

    def inputs(self, prepared: Prepared, cut: Window) -> dict[str, NDArray[Any]]:
        """Return a window as ``[CLS] tokens [SEP]``, padded to ``spec.window_tokens``.

        Returns
        -------
        dict of str to ndarray
            ``tokens`` int64, ``wave`` int64 (4 for CLS, SEP and PAD), ``mask`` bool (True is a token), ``patches``
            float32 (length, 2, segment_length), ``features`` float32 (length, 13), and ``unit`` int64: the beat
            that is scored at its QRS token, -1 elsewhere. With ``describe: beats`` also ``beats`` float32
            (window_beats, 101), 0 beyond the last, and ``place`` int64: the row of a QRS token's beat, -1 elsewhere.
        """
        part = slice(cut.first_token, cut.stop_token)
        n, length, of = cut.stop_token - cut.first_token, self.spec.window_tokens, prepared.arrays
        inside = slice(1, n + 1)
        out: dict[str, NDArray[Any]] = {
            "tokens": np.full(length, PAD, np.int64),
            "wave": np.full(length, SPECIAL, np.int64),
            "mask": np.arange(length) < n + 2,
            "patches": np.zeros((length, *of["patches"].shape[1:]), np.float32),
            "features": np.zeros((length, len(FEATURES)), np.float32),
            "unit": np.full(length, -1, np.int64),
        }
        out["tokens"][[0, n + 1]] = CLS, SEP
        out["tokens"][inside] = of["tokens"][part] if "tokens" in of else self.tokens(prepared, part)
        for name in ("wave", "patches", "features"):
            out[name][inside] = of[name][part]
        if (gap := of["gap"][part]).any():
            out["patches"][inside][gap] = 0
            out["features"][inside][gap] = 0
        beat = of["beat"][part]
        scored = (of["wave"][part] == 1) & (beat >= cut.first_beat) & (beat < cut.stop_beat)
        out["unit"][inside] = np.where(scored, beat, -1)
        if "described" in of:
            first = max(0, cut.first_beat - self.spec.context_beats)
            rows = of["described"][first : cut.stop_beat + self.spec.context_beats]
            out["beats"] = np.zeros((self.spec.window_beats, rows.shape[1]), np.float32)
            out["beats"][: len(rows)] = rows if "tokens" in of else self._levelled(rows)
            out["place"] = np.full(length, -1, np.int64)
            out["place"][inside] = np.where((of["wave"][part] == 1) & (beat >= 0) & ~gap, beat - first, -1)
        return out


def _raw(leads: Sequence[Found], fs: float) -> NDArray[np.float32]:
    """Return the leads at one rate, gaps bridged, shape (samples,), of two (2, samples)."""
    rows = []
    for one in leads:
        x = bridge(one.x)
        rows.append(x if one.record.fs == fs else np.asarray(biotl.signal.resample(x, one.record.fs, fs), np.float32))
    samples = len(rows[0])  # a second lead of another file may end sooner
    return np.stack([np.pad(x[:samples], (0, max(0, samples - len(x))), "edge") for x in rows]) if rows[1:] else rows[0]


def _segments(raw: NDArray[np.float32], rpeaks: NDArray[np.int64], spec: SentenceSpec) -> dict[str, NDArray[Any]]:
    """Cut the first raw lead at ``spec.fs`` into segments; the arrays of `SentencePreprocessor.prepare` but ``gap``."""
    x = np.atleast_2d(raw)[0]
    for step in spec.channels[0].filters:
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
    unlike = patches.copy()
    for kind in np.unique(wave):
        unlike[wave == kind] -= np.median(patches[wave == kind], axis=0)
    both = np.stack([patches, unlike], axis=1)
    found: dict[str, NDArray[Any]] = {"wave": wave, "start": start, "stop": stop, "beat": beat}
    if spec.describe == "beats":
        found["described"] = within_recording(measure_beats(np.atleast_2d(raw), rpeaks, spec.fs))
    return {**found, "patches": both, "features": features, "rpeaks": rpeaks}
