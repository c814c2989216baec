"""What each beat is within its recording: its rhythm, its P wave and its shape against the patient's own."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.beat_measures import STEP_S, BeatMeasures
from biotl.datasets.rhythm import CALM, RHYTHM_FEATURES, around, local_high, longest, rhythm_features, shifted

Floats = NDArray[np.float32]
LEAD_FEATURES = (
    "qrs_likeness",
    "qrs_unlikeness",
    "qrs_likeness_after_pause",
    "qrs_likeness_previous",
    "qrs_likeness_next",
    "qrs_height",
    "qrs_area",
    "qrs_width",
    "qrs_slope",
    "t_likeness",
    "t_area",
    "t_before_change",
    "p_confidence",
    "p_confidence_change",
    "p_confidence_previous",
    "p_confidence_next",
    "p_likeness",
    "p_gain",
    "p_likeness_longest",
    "p_gain_longest",
    "p_unlikeness_longest",
    "p_likeness_previous",
    "p_energy",
    "pr_change",
    "qt_change",
    "qrs_likeness_shifted",
    "qrs_shift",
    "qrs_swiftness",
    "qrs_swiftness_change",
)
FAMILY_FEATURES = (
    "family_share",
    "family_before_to_local_p80",
    "family_before_to_median",
    "family_before_spread",
    "family_after_to_local_p80",
    "family_p_confidence",
    "family_p_likeness",
    "family_qrs_width",
    "family_qrs_likeness",
    "family_nearby",
)
RECORD_FEATURES = ("local_p_share", "local_p_after_pause", "record_p_after_pause")
FEATURES = (
    *RHYTHM_FEATURES,
    *(f"{name}_{end}" for name in LEAD_FEATURES for end in ("low", "high")),
    *FAMILY_FEATURES,
    *RECORD_FEATURES,
)
"""Columns of `beat_features`."""
MOST_RELATIVES = 1024
"""Beats that a family is looked for among, evenly spaced: half an hour holds about 2,000."""
FAMILY_WIDTH = 0.08
"""Squared distance of two beats, in units of their size, at which they count as a third of a relative."""
LAGS = 2
SHIFTS = 8
"""Samples of 8 ms by which the R peak of a wide complex may lie elsewhere than that of another like it."""


def beat_features(beats: BeatMeasures) -> Floats:
    """Describe every beat by where it stands in its recording.

    Every amplitude is a ratio, so gain and unit do not matter; what is measured on several leads is kept as the lowest
    and the highest over them, so neither their order nor their number does.

    Parameters
    ----------
    beats : BeatMeasures
        Of m beats.

    Returns
    -------
    ndarray of float32, shape (m, 101)
        Columns `FEATURES`.
    """
    if not len(beats):
        return np.zeros((0, len(FEATURES)), np.float32)
    rhythm = rhythm_features(beats.before, beats.after)
    before, after = np.log2(beats.before), np.log2(beats.after)
    high = local_high(before)
    # P waves of a rhythm that had its time: the beats after a long interval
    rested = before >= high - 0.2
    waited = before >= longest(before)
    lead = np.stack([_lead(beats.leads(i), rested, waited) for i in range(beats.qrs.shape[1])])
    pooled = np.stack([lead.min(axis=0), lead.max(axis=0)], axis=2).reshape(len(beats), -1)
    column = {name: lead[:, :, i] for i, name in enumerate(LEAD_FEATURES)}
    p, likeness = column["p_confidence"].max(axis=0), column["p_likeness"].max(axis=0)
    about = np.stack(
        [
            before - high,
            before - np.median(before),
            after - high,
            p,
            likeness,
            column["qrs_width"].max(axis=0),
            column["qrs_likeness"].min(axis=0),
        ],
        axis=1,
    )
    share, mean, spread, near = _family(beats.qrs, about)
    family = [share, mean[:, 0], mean[:, 1], spread, *mean[:, 2:].T, near]
    paused = around(rested, CALM).sum(axis=1)
    record = [
        around(p > 0.5, CALM).mean(axis=1),
        around(p * rested, CALM).sum(axis=1) / np.maximum(paused, 1),
        np.median(p[rested]),
    ]
    rest = np.stack([np.broadcast_to(c, before.shape) for c in (*family, *record)], axis=1)
    return np.concatenate([rhythm, pooled, rest], axis=1).astype(np.float32)


def _lead(beats: BeatMeasures, rested: NDArray[Any], waited: NDArray[Any]) -> Floats:
    """Return the columns `LEAD_FEATURES` of one lead, shape (m, 29)."""
    qrs, p, t, t_before = (wave[:, 0] for wave in (beats.qrs, beats.p, beats.t, beats.t_before))
    height = np.ptp(qrs, axis=1)
    unit = float(np.median(height)) or 1.0
    main, main_p, main_t = np.median(qrs, axis=0), np.median(p[rested], axis=0), np.median(t, axis=0)
    area = qrs.mean(axis=1)
    slope = np.abs(np.diff(qrs, axis=1)).max(axis=1)
    confidence, pr, width, qt = beats.p_confidence[:, 0], beats.pr_s[:, 0], beats.qrs_s[:, 0], beats.qt_s[:, 0]
    flat_p, flat_main = _level(p), _level(main_p)
    shifts = np.stack([likeness(np.roll(qrs, lag, axis=1), main) for lag in range(-SHIFTS, SHIFTS + 1)])
    swift = _size(np.diff(qrs, axis=1)) / (_size(qrs) + 1e-9 * unit)
    trust = (confidence**2 * waited + 1e-6)[:, None]
    flat_longest = (trust * flat_p).sum(axis=0) / trust.sum()
    columns = [
        likeness(qrs, main),
        _size(qrs - main) / (_size(main) + 1e-9 * unit),
        likeness(qrs, np.median(qrs[rested], axis=0)),
        likeness(qrs, shifted(qrs, -1)),
        likeness(qrs, shifted(qrs, 1)),
        _octaves(height, unit),
        (area - np.median(area)) / unit,
        _octaves(width, _usual(width)),
        _octaves(slope, float(np.median(slope))),
        likeness(t - t.mean(axis=1, keepdims=True), main_t - main_t.mean()),
        (t.mean(axis=1) - main_t.mean()) / unit,
        _size(_level(t_before) - _level(np.median(t_before, axis=0))) / unit,
        confidence,
        confidence - np.median(confidence[rested]),
        shifted(confidence, -1),
        shifted(confidence, 1),
        _alike(flat_p, flat_main),
        _gain(flat_p, flat_main, unit),
        _alike(flat_p, flat_longest),
        _gain(flat_p, flat_longest, unit),
        _size(flat_p - flat_longest) / (_size(flat_longest) + 0.01 * unit),
        _alike(flat_p, shifted(flat_p, -1)),
        _octaves(_size(flat_p), float(np.median(_size(flat_p)[rested]))),
        np.where(pr > 0, pr - _usual(pr[rested]), 0),
        np.where(qt > 0, qt - _usual(qt), 0),
        shifts.max(axis=0),
        STEP_S["qrs"] * (shifts.argmax(axis=0) - SHIFTS),
        np.log2(swift + 1e-3),
        _octaves(swift, float(np.median(swift))),
    ]
    return np.asarray(np.clip(np.stack(columns, axis=1), -8, 8).astype(np.float32))


def likeness(waves: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """Cosine of the angle between waves, shape (m, length), and another or others; 0 where one is flat."""
    across = np.sum(waves * other, axis=-1)
    norm = np.linalg.norm(waves, axis=-1) * np.linalg.norm(other, axis=-1)
    return np.asarray(np.divide(across, norm, out=np.zeros_like(across), where=norm > 1e-12))


def _alike(p: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """Greatest likeness of P waves to another within 20 ms: the onset that they are cut at is not exact."""
    return np.asarray(np.max([likeness(np.roll(p, lag, axis=1), other) for lag in range(-LAGS, LAGS + 1)], axis=0))


def _gain(p: NDArray[Any], other: NDArray[Any], unit: float) -> NDArray[Any]:
    """How many times another P wave is held in each; near 0 where that is below a thousandth of the QRS complex."""
    return np.asarray(p @ other / (other @ other + (1e-3 * unit) ** 2))


def _family(qrs: Floats, about: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Look for the beats that look alike on all leads.

    Each beat of the recording is a relative to the degree that it has the same shape and size; a family of ectopic
    beats is early, wide or without P as a whole even where one beat of it is not.

    Returns
    -------
    tuple of ndarray
        Share of the recording, shape (m,); mean of ``about`` over the family, shape (m, k); standard deviation of its
        first column; share of the family among the 20 beats around.
    """
    scale = np.median(np.linalg.norm(qrs, axis=2), axis=0)
    shape = (qrs / np.where(scale > 0, scale, 1)[:, None]).reshape(len(qrs), -1) / np.sqrt(qrs.shape[1])
    step = max(1, -(-len(qrs) // MOST_RELATIVES))
    others = shape[::step]
    size = np.sum(shape**2, axis=1)
    near = size[:, None] + size[None, ::step] - 2 * shape @ others.T
    weight = np.exp(-np.maximum(near, 0) / (FAMILY_WIDTH * np.maximum(1, np.sqrt(size[:, None] * size[None, ::step]))))
    total = weight.sum(axis=1) + 1e-6
    mean = weight @ about[::step] / total[:, None]
    first = about[::step, 0]
    spread = np.sqrt(np.maximum(weight @ first**2 / total - mean[:, 0] ** 2, 0))
    unit = shape / np.sqrt(np.maximum(size, 1e-12))[:, None]
    lags = [lag for lag in range(-10, 11) if lag]
    nearby = np.mean([np.sum(unit * shifted(unit, lag), axis=1) > 0.9 for lag in lags], axis=0)
    return total / len(others), mean, spread, nearby


def _level(wave: NDArray[Any]) -> NDArray[Any]:
    """Take off the straight line from the first to the last sample: what the wave rides on."""
    ramp = np.linspace(0, 1, wave.shape[-1])
    first, last = wave[..., :1], wave[..., -1:]
    return np.asarray(wave - first - (last - first) * ramp)


def _size(wave: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.sqrt(np.mean(wave**2, axis=-1)))


def _octaves(value: NDArray[Any], usual: float) -> NDArray[Any]:
    # a floor of 1/64 keeps an absent wave finite
    return np.log2(np.maximum(value, usual / 64) / usual) if usual > 0 else np.zeros(len(value))


def _usual(value: NDArray[Any]) -> float:
    """Median of what was measured: 0 stands for an absent wave."""
    return float(np.median(value[value > 0])) if (value > 0).any() else 0.0
