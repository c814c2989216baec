"""Strips with marked waves, changed as hearts, electrodes and pacemakers would change them, the marks with them.

Seventy hearts are few to learn from. Each pass over them sees every interval longer or shorter, leads mixed, waves
larger or smaller, P waves gone (so that what decides is whether one is seen there), fibrillation, P waves apart from
the beats, and paced beats: a wide complex behind a spike.
"""

from dataclasses import replace

import noise
import numpy as np
from marked import Strip

from biotl import _core

# how far each interval may stretch: standard deviation of the logarithm
STRETCH = {"p": 0.15, "pq": 0.25, "qrs": 0.15, "t": 0.12, "rest": 0.25}


def spans(strip):
    """Yield the marked intervals in order: kind, beat, first and last sample."""
    end = np.nan
    for beat, points in enumerate(strip.points):
        (p_on, _, p_off), (q_on, _, q_off), (_, _, t_off) = points
        start = p_on if np.isfinite(p_on) else q_on
        yield "rest", beat, end, start
        yield "p", beat, p_on, p_off
        yield "pq", beat, p_off, q_on
        yield "qrs", beat, q_on, q_off
        yield "t", beat, q_off, t_off
        end = t_off


def warp(rng, strip, factors, jitter):
    """Stretch every interval by the factor of its kind, the rest by a factor of its own within `jitter` too."""
    pace = np.ones(len(strip.x))
    for kind, _, first, last in spans(strip):
        if np.isfinite(first + last) and last > first:
            own = np.exp(rng.normal(0, jitter)) if kind == "rest" else 1
            seconds = (last - first) / strip.fs * factors[kind] * own
            limit = {"rest": 0.02, "pq": 0.01}.get(kind, 0.04)
            pace[int(first) : int(last)] = max(seconds, limit) * strip.fs / (int(last) - int(first))
    time = np.concatenate([[0], np.cumsum(pace)[:-1]])
    at = np.arange(len(pace))
    x = np.interp(np.arange(int(time[-1])), time, strip.x)
    return replace(strip, x=x, points=np.interp(strip.points, at, time))


def rescale(strip, kind, factor):
    """Return the strip with the waves of a kind scaled against the line between their ends (0: gone)."""
    x = strip.x.copy()
    for name, _, first, last in spans(strip):
        if name == kind and np.isfinite(first + last):
            a, b = max(int(first) - 3, 0), min(int(last) + 4, len(x))
            if b - a > 8:
                wave = x[a:b] - np.linspace(x[a : a + 3].mean(), x[b - 3 : b].mean(), b - a)
                slow = np.convolve(np.pad(wave, 6, "edge"), np.full(13, 1 / 13), "valid")
                x[a:b] += (factor - 1) * slow
    return replace(strip, x=x)


def without_p(strip):
    """Return the strip with its P waves taken out, and marked as having none."""
    points, present = strip.points.copy(), strip.present.copy()
    bare = rescale(strip, "p", 0.0)
    present[(present[:, 0] == 1) & ~np.isfinite(points[:, 0, 0] + points[:, 0, 2]), 0] = np.nan
    points[:, 0], present[present[:, 0] == 1, 0] = np.nan, 0
    return replace(bare, points=points, present=present)


def amplitude(strip):
    """Return the usual height of the complexes."""
    heights = [np.ptp(strip.x[int(a) : int(b) + 1]) for k, _, a, b in spans(strip) if k == "qrs" and a < b]
    return np.median(heights) if heights else np.ptp(strip.x)


def fibrillate(rng, strip, size):
    """Add waves of fibrillation (4 to 9 Hz, irregular) or flutter (saw teeth)."""
    n, fs = len(strip.x), strip.fs
    drift = np.cumsum(rng.standard_normal(n)) * rng.uniform(0, 0.5) / np.sqrt(fs)
    phase = 2 * np.pi * np.cumsum(rng.uniform(3.5, 9) * np.exp(drift) / fs)
    teeth = np.sin(phase) + rng.uniform(0, 0.5) * np.sin(2 * phase + rng.uniform(0, 6))
    swell = np.exp(np.interp(np.arange(n), np.linspace(0, n, 12), rng.normal(0, 0.4, 12)))
    return replace(strip, x=strip.x + size * rng.uniform(0.01, 0.1) * teeth * swell)


def dissociate(rng, strip, size):
    """Add P waves at a rate of their own."""
    t, x = np.arange(len(strip.x)) / strip.fs, strip.x.copy()
    at, width = rng.uniform(0, 0.8), rng.uniform(0.015, 0.03)
    period, height = rng.uniform(0.55, 1.1), size * rng.uniform(0.03, 0.15) * rng.choice([-1, 1])
    while at < t[-1]:
        x += height * np.exp(-(((t - at) / width) ** 2) / 2)
        at += period * rng.normal(1, 0.01)
    return replace(strip, x=x)


def pace(rng, strip, size):
    """Put a spike shortly before every complex."""
    x, fs = strip.x.copy(), strip.fs
    ahead, width = rng.uniform(0.002, 0.028), rng.integers(1, max(2, int(0.006 * fs)))
    height, tail = size * rng.choice([-1, 1]) * np.exp(rng.uniform(-2.5, 0.7)), rng.uniform(-0.25, 0.1)
    for onset in strip.points[:, 1, 0]:
        if np.isfinite(onset):
            at = int(onset - (ahead + rng.normal(0, 0.002)) * fs)
            own = height * rng.uniform(0.5, 1)
            if 0 <= at < len(x):
                x[at : at + width] += own
                after = np.arange(at + width, min(at + width + int(0.1 * fs), len(x)))
                x[after] += own * tail * np.exp(-(after - at) / fs / 0.02)
    return replace(strip, x=x)


def mix(rng, strip, other):
    """Return a lead between two of one heart, its marks between theirs, where the same beats are marked in both."""
    one, two = strip.points[:, 1, 1], other.points[:, 1, 1]
    if (
        len(one) != len(two)
        or np.abs(one - two).max() > 0.1 * strip.fs
        or not np.array_equal(strip.present, other.present, equal_nan=True)
    ):
        return strip
    share = rng.uniform(0, 0.5)
    a, b = (1 - share) / amplitude(strip), rng.choice([-1, 1]) * share / amplitude(other)
    points = (1 - share) * strip.points + share * other.points
    points[:, :, 1] = strip.points[:, :, 1]
    return replace(strip, x=strip.x * a + other.x * b, points=points)


def change(rng, strip, other):
    """Return the strip as another heart, electrode and amplifier might have given it; `other` is another lead of it."""
    if other is not None and rng.random() < 0.3:
        strip = mix(rng, strip, other)
    factors = {kind: np.exp(np.clip(rng.normal(0, s), -2 * s, 2 * s)) for kind, s in STRETCH.items()}
    paced, lost, fused = rng.random(3) < (0.12, 0.25, 0.15)
    if paced:
        factors["qrs"] = rng.uniform(1.1, 2.2)
    if fused:
        factors["rest"] = rng.uniform(0.03, 0.5)
    has_p = (strip.present[:, 0] == 1).any()
    strip = warp(rng, strip, factors, 0.2 if rng.random() < (0.7 if lost else 0.3) else 0.02)
    size = amplitude(strip)
    if rng.random() < 0.5:
        strip = rescale(strip, "p", rng.uniform(0.5, 1.6))
    if rng.random() < 0.4:
        strip = rescale(strip, "t", rng.uniform(0.4, 1.5))
    if has_p and (lost or (paced and rng.random() < 0.7)):
        strip = without_p(strip)
        kind = rng.random()
        if kind < 0.65:
            strip = fibrillate(rng, strip, size)
        elif kind < 0.8:
            strip = dissociate(rng, strip, size)
    if paced:
        strip = pace(rng, strip, size)
    x, fs = strip.x, strip.fs * np.exp(rng.uniform(-0.1, 0.1))
    if rng.random() < 0.5:
        beats = strip.points[:, 1, 1].astype(int)
        x = noise.add(rng, x, fs, beats, rng.choice(["wander", "muscle", "mains", "mixed"]), rng.uniform(8, 30))
    return replace(strip, x=x * rng.choice([-1, 1]), fs=fs)


def heartless(rng, fs=500.0, seconds=10):
    """Return what is no heart at all, with a mark where a detector might have put one: nothing is present there."""
    n = int(fs * seconds)
    t = np.arange(n) / fs
    beats = np.sort(rng.choice(np.arange(int(0.2 * fs), n, int(0.25 * fs)), rng.integers(5, 20), replace=False))
    kind = rng.integers(5)
    if kind == 0:
        x = getattr(noise, rng.choice(noise.KINDS))(rng, n, fs)
    elif kind == 1:
        x = rng.standard_normal(n)
    elif kind == 2:
        x = np.sign(np.sin(2 * np.pi * rng.uniform(0.3, 3) * t + rng.uniform(0, 6)))
    else:
        width, period = rng.integers(1, 6), int(rng.uniform(0.4, 1.3) * fs)
        beats = np.arange(int(0.2 * fs), n - 10, period)
        x = np.zeros(n)
        for k in range(width):
            x[beats + k] = 1
        if kind == 4:
            x += np.convolve(x, rng.uniform(-0.3, 0.3) * np.exp(-t[: int(0.2 * fs)] / rng.uniform(0.01, 0.05)))[:n]
    if rng.random() < 0.7:
        x = x + rng.standard_normal(n) * np.ptp(x) * np.exp(rng.uniform(-8, -3))
    points = np.full((len(beats), 3, 3), np.nan)
    points[:, 1, 1] = beats
    return Strip(x * rng.choice([-1, 1]), fs, points, np.zeros((len(beats), 3)), 3000 + int(rng.integers(3)))


def beats_of(rng, strip, jitter_s):
    """Return all R peaks (found ones where they agree with the mark) and which of them are the marked ones."""
    x = np.ascontiguousarray(strip.x)
    found = _core.rpeaks(x[None], strip.fs)[0].astype(float)
    marks = strip.points[:, 1, 1]
    near = found[np.abs(found[:, None] - marks).argmin(0)] if len(found) else marks
    peaks = np.where(np.abs(near - marks) < 0.1 * strip.fs, near, marks)
    others = found[np.abs(found[:, None] - peaks).min(1) > 0.25 * strip.fs]
    every = np.concatenate([peaks + rng.normal(0, jitter_s * strip.fs, len(peaks)), others])
    every = np.clip(np.round(every), 0, len(x) - 1).astype(np.int64)
    order = np.argsort(every, kind="stable")
    rising = np.all(np.diff(every[order]) > 0)
    return (every[order], np.argsort(order)[: len(peaks)]) if rising else (None, None)
