"""Readable twin of the R-peak detector, in double precision: the same words, one step after the other."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np

REFRACTORY_S, SAME_WAVE_S, BLOCK_S, SHARE = 0.2, 0.1, 1.3, 0.1
SPANS_S = [(-0.06, 0.06), (-0.25, -0.1), (0.1, 0.25), (-0.5, -0.25), (0.25, 0.5), (-2.0, 2.0)]
WIDTHS_S = [0.02, 0.04, 0.08, 0.16]


def peaks(leads, fs, nets):
    """Samples and scores of the R peaks of leads (leads, samples), by the weights of two networks."""
    e = envelope(leads, fs)
    at = maxima(e)
    local = np.array([local_features(e, at, i) for i in range(len(at))]).reshape(len(at), 24)
    logit = judged(nets["local"], local)
    index = np.flatnonzero(logit > -7)
    context = context_features(e, at, local, logit, index)
    likelier = logit.copy()
    likelier[index] = judged(nets["context"], context)
    kept = thin(e, at, [i for i in index if likelier[i] > -1], likelier)
    found = {}
    for i in kept:
        place = summit(e, at[i])
        if place > max(found, default=-1) and not all(last_bit(lead, place, fs) for lead in leads):
            found[place] = 1 / (1 + np.exp(-likelier[i]))
    return np.array(list(found), int), np.array(list(found.values()))


def judged(net, rows):
    """Log-odds of a network of one hidden layer."""
    return np.maximum(rows @ net["hidden"] + net["bias"], 0) @ net["output"] + net["shift"]


def envelope(leads, fs):
    """Leads at a low rate, the norms of two derivatives of a Gaussian, and both joined over the leads."""
    step = max(int(fs / 150), 1)
    fs, n = fs / step, leads.shape[1] // step
    low = leads[:, : n * step].reshape(len(leads), n, step).mean(axis=2) - leads[:, :1]
    reach, block = int(np.ceil(0.04 * fs)), int(BLOCK_S * fs)
    t = np.arange(-reach, reach + 1) / fs / 0.01
    odd, even = t * np.exp(-(t**2) / 2), (1 - t**2) * np.exp(-(t**2) / 2)
    even -= even.mean()
    padded = np.pad(low, ((0, 0), (reach, reach)), "edge")
    odds, evens = (
        np.array([np.correlate(lead, k / np.linalg.norm(k), "valid") for lead in padded]) for k in (odd, even)
    )
    norm, blocks = np.hypot(odds, evens), -(-n // block)
    weight = np.ones((len(leads), blocks))
    value = norm[0]
    if len(leads) > 1:
        for lead, own in enumerate(norm):
            usual = levels(own, block)[:, 0]
            mean = [own[b * block : (b + 1) * block].mean() for b in range(blocks)]
            mean = np.array([np.mean(mean[max(b - 5, 0) : b + 4]) for b in range(blocks)])
            weight[lead] = np.where(usual > 0, np.minimum(usual / mean / 4, 2) ** 2 / usual, 0)
        value = np.linalg.norm(np.repeat(weight, block, axis=1)[:, :n] * norm, axis=0)
    return SimpleNamespace(
        step=step, fs=fs, block=block, low=low, even=evens, weight=weight, value=value, level=levels(value, block)
    )


def levels(value, block):
    """Of the highest values of the blocks around each block, the median and the largest."""
    high = [value[start : start + block].max() for start in range(0, len(value), block)]
    near = [sorted(high[max(b - 5, 0) : b + 4]) for b in range(len(high))]
    return np.array([(n[len(n) // 2], n[-1]) for n in near]).reshape(-1, 2)


def maxima(e):
    """Local maxima of a share of their level, of those within 0.1 s the largest."""
    v, reach, kept = e.value, int(SAME_WAVE_S * e.fs), []
    for i in range(1, len(v) - 1):
        if v[i] > SHARE * e.level[i // e.block, 0] and v[i - 1] <= v[i] > v[i + 1]:
            while kept and i - kept[-1] <= reach and v[kept[-1]] < v[i]:
                kept.pop()
            if not kept or i - kept[-1] > reach:
                kept.append(i)
    return np.array(kept, int)


def mean(x, start, stop):
    """Mean of what lies inside, nothing where nothing does."""
    part = x[max(start, 0) : max(stop, 0)]
    return part.mean() if len(part) else 0.0


def samples(seconds, fs):
    """Whole samples, halves away from zero."""
    return int(np.sign(seconds) * np.floor(abs(seconds) * fs + 0.5))


def local_features(e, at, i):
    """What a maximum is by itself and among its neighbours."""
    place, own = at[i], e.value[at[i]]
    weight = e.weight[:, place // e.block]
    ratios = [*e.level[place // e.block]]
    ratios += [mean(e.value, place + samples(a, e.fs), place + samples(b, e.fs)) for a, b in SPANS_S]
    for width in WIDTHS_S:
        edge = [place + int(np.floor(half * width / 2 * e.fs + 0.5)) for half in range(-3, 4)]
        parts = []
        for w, lead in zip(weight, e.low, strict=True):
            left, before, middle, after, right = (mean(lead, edge[n], edge[n + 2]) for n in (0, 1, 2, 3, 4))
            parts += [w * (after - before), w * (middle - (left + right) / 2)]
        ratios.append(np.linalg.norm(parts))
    near = np.delete(at, i)[np.abs(np.delete(at, i) - place) < int(e.fs)]
    highest = sorted([*e.value[near], 0, 0, 0], reverse=True)[:3]
    logs = ln(np.array([*ratios, *highest])) - ln(own)
    logs = np.clip(logs, -5, 5)
    beside = []
    for j in (i - 1, i - 2, i + 1, i + 2):
        inside = 0 <= j < len(at)
        beside.append(min(abs(at[j] - place) / e.fs, 2) if inside else 2)
        beside.append(np.clip(ln(e.value[at[j]]) - ln(own), -5, 5) if inside else -4)
    upright = np.linalg.norm(weight * e.even[:, place]) / own
    return [-logs[0], -logs[1], *logs[2:12], upright, *beside, *logs[12:]]


def context_features(e, at, local, logit, index):
    """What the rhythm and the shapes of the likely beats around say of some maxima as well."""
    sure = np.clip(logit / 4, -3, 3)
    beats = thin(e, at, [i for i in index if logit[i] > 0], logit)
    shapes = {i: shape(e, at[i]) for i in index}
    rows = []
    for i in index:
        gap = at - at[i]
        rival = [max([-3, *sure[(sign * gap > 0) & (sign * gap < int(0.3 * e.fs))]]) for sign in (-1, 1)]
        reach, far = int(REFRACTORY_S * e.fs), int(8 * e.fs)
        before = [b for b in beats if reach <= at[i] - at[b] < far][-4:]
        after = [b for b in beats if reach <= at[b] - at[i] < far][:4]
        previous = min((at[i] - at[before[-1]]) / e.fs, 3) if before else 3
        following = min((at[after[0]] - at[i]) / e.fs, 3) if after else 3
        intervals = sorted((at[b] - at[a]) / e.fs for part in (before, after) for a, b in pairwise(part))
        usual = min(intervals[len(intervals) // 2], 3) if intervals else 0.8
        spread = np.mean(np.abs(np.array(intervals) - usual)) / usual if intervals else 0
        around = [*before, *after]
        alike = [shapes[i] @ shapes[b] for b in around] or [0]
        heights = [ln(e.value[at[b]]) for b in around]
        rows.append(
            [
                *local[i], sure[i], *rival,
                *(ln(np.array([previous, following, previous + following])) - ln(usual)),
                previous, following, usual, spread,
                max(alike) if around else -1, np.mean(alike),
                np.clip(ln(e.value[at[i]]) - np.mean(heights), -4, 4) if around else 0,
                np.std(heights) if around else 0,
                np.mean(sure[around]) if around else 0,
                len(around) / 8,
            ]
        )  # fmt: skip
    return np.array(rows).reshape(len(index), 40)


def shape(e, place):
    """The even part around a maximum in every lead, 10 ms apart, at unit norm."""
    where = [place + samples(0.01 * (n - 9), e.fs) for n in range(19)]
    row = (e.weight[:, [place // e.block]] * e.even[:, np.clip(where, 0, len(e.value) - 1)]).ravel()
    return row / max(np.linalg.norm(row), 1e-38)


def thin(e, at, likely, logit):
    """Of maxima within the refractory period of one another, the likeliest."""
    reach, kept = int(REFRACTORY_S * e.fs), []
    for i in likely:
        while kept and at[i] - at[kept[-1]] < reach and logit[kept[-1]] < logit[i]:
            kept.pop()
        if not kept or at[i] - at[kept[-1]] >= reach:
            kept.append(i)
    return kept


def summit(e, place):
    """Sample of the input where a complex points furthest, seen with the width of a complex."""
    side, reach = min(int(np.ceil(0.08 * e.fs)), 24), min(samples(0.075, e.fs), 23)
    t = np.arange(-side, side + 1) / e.fs / 0.02
    kernel = (1 - t**2) * np.exp(-(t**2) / 2)
    kernel -= kernel.mean()
    where = np.clip(np.arange(place - reach - side, place + reach + side + 1), 0, len(e.value) - 1)
    height = np.array([np.correlate(lead[where], kernel, "valid") for lead in e.low])
    height = height[np.argmax(e.weight[:, place // e.block] * np.abs(height).max(axis=1))]
    rank = np.where(height > 0, 1.07 * height, -height)[1:-1]
    best = len(rank) - int(np.argmax(rank[::-1]))
    a, b, c = height[best - 1 : best + 2]
    curve = a - 2 * b + c
    part = np.clip((a - c) / 2 / curve, -0.5, 0.5) if curve else 0
    return int(np.clip(round((place + best - reach + part + 0.5) * e.step - 0.5), 0, len(e.value) * e.step - 1))


def last_bit(lead, place, fs):
    """Whether a peak is a few steps of the converter high and what is around it not much less."""
    near, wide = int(0.1 * fs), int(0.4 * fs)
    first, start = max(place - wide, 0), max(place - near, 0)
    stop, end = min(place + near + 1, len(lead)), min(place + wide + 1, len(lead))
    step = np.abs(np.diff(lead[start:stop]))
    own = np.ptp(lead[start:stop])
    beside = [np.ptp(part) for part in (lead[first:start], lead[stop:end]) if len(part)]
    return not np.any((step > 0) & (own > 3 * step)) and 2 * max(beside, default=-np.inf) >= own


def ln(x):
    """Natural logarithm; of nothing, that of the least number of single precision."""
    return np.log(np.maximum(x, np.finfo(np.float32).tiny))
