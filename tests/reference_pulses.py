"""Readable twins of the kernels of pulses, in double precision: the same words, one step after the other."""

from itertools import pairwise

import numpy as np


def jumps(x, fs):
    """First sample after each jump, and whether codes wrapped there."""
    step = np.diff(x)
    jumped, wrapped = np.zeros((2, len(step)), bool)
    for part in stretches(len(step), max(int(4 * fs), 2)):
        span = np.ptp(x[part.start : part.stop + 1])
        wide = np.abs(step[part]) > 0.6 * span
        half = np.sum(np.abs(step[part]) > 0.25 * span) - wide.sum()
        if not wide.any() or 10 * half > wide.sum():
            continue
        at = np.flatnonzero(wide)
        wraps = np.ptp(np.cumsum(np.where(wide, 0, step[part]))) > span
        pairs = at[: len(at) // 2 * 2].reshape(-1, 2)
        back = (np.diff(pairs)[:, 0] <= 3) & (step[part][pairs].prod(axis=1) < 0)
        if wraps or len(at) == 1 or (back.all() and len(at) % 2 == 0):
            jumped[part.start + at], wrapped[part.start + at] = True, wraps
    blocks = stretches(len(step), max(int(1.5 * fs), 1))
    largest = [np.abs(step[block][~jumped[block]]).max(initial=0) for block in blocks]
    for n, block in enumerate(blocks):
        moving = [size for size in largest[max(n - 5, 0) : n + 6] if size > 0]
        if moving:
            jumped[block] |= np.abs(step[block]) > 5 * middle(moving)
    return 1 + np.flatnonzero(jumped), wrapped[jumped]


def mended(x, at):
    """The signal with straight lines for the steps that are jumps."""
    step = np.concatenate([[0], np.diff(x), [0]])
    good = np.setdiff1d(np.arange(len(step)), at)
    step[at] = np.interp(at, good, step[good])
    return x[0] + np.cumsum(step[:-1])


def pulses(x, fs, axes=()):
    """Crest and score of each pulse, of a channel that may point up or down."""
    by = max(int(fs / 120), 1)
    hz, (at, wraps) = fs / by, jumps(x, fs)
    low = averaged(mended(x, at), by)
    slope = slopes(low, hz)
    if len(axes):
        slope = unmoved(slope, [slopes(averaged(axis, by), hz) for axis in axes], hz)
    sign = signs(slope, heights(slope, hz), hz)
    slope, low = sign * slope, sign * low
    place, steep = rises(slope, hz)
    found = undicrotic(chain(slope, place, steep, hz), place, slope, hz)
    own = [n for n, _ in found]
    score = alike(slope, place, steep, own, hz) * gradual(low, place[own], at[~wraps] // by, hz)
    out = []
    for n, (event, period) in enumerate(found):
        crest = by * turn(slope, place[event], period, hz) + (by - 1) / 2
        if middle(around(score, n, 5)) >= 0.08 and (not out or int(crest + 0.5) > out[-1][0]):
            out.append((min(int(crest + 0.5), len(x) - 1), score[n]))
    return np.array(out).reshape(-1, 2).T


def slopes(low, hz):
    """The signal against the derivative of a Gaussian of 35 ms."""
    t = np.arange(1, int(np.ceil(0.14 * hz)) + 1) / hz / 0.035
    half = t * np.exp(-(t**2) / 2)
    return np.correlate(np.pad(low, len(t), "edge"), np.concatenate([-half[::-1], [0], half]), "valid")


def heights(slope, hz):
    """The sum of the slope less its mean over 1.5 s."""
    height, half = np.cumsum(slope), max(int(0.75 * hz), 1)
    return height - [around(height, i, half).mean() for i in range(len(height))]


def signs(slope, height, hz):
    """Which way pulses point in stretches of 8 s: the likeliest signs, of which a change costs 6."""
    size = max(int(8 * hz), 1)
    n = max(len(slope) // size, 1)
    ends = [*range(0, n * size, size), len(slope)]
    best, came = np.array([0.6, 0.0]), []
    for a, b in pairwise(ends):
        evidence = np.clip(skewness(slope[a:b], hz) + 1.5 * skewness(height[a:b], hz), -1.5, 1.5)
        came.append(best + 6 >= best[::-1])
        best = np.maximum(best, best[::-1] - 6) + evidence * np.array([1, -1])
    sign, out = int(best[1] > best[0]), np.ones(len(slope))
    for k in range(n - 1, -1, -1):
        out[ends[k] : ends[k + 1]] = 1 - 2 * sign
        sign = sign if came[k][sign] else 1 - sign
    return out


def skewness(values, hz):
    """Third moment over the second of values up to 1.5 times the usual largest."""
    most = 1.5 * middle([np.abs(values[block]).max() for block in stretches(len(values), max(int(1.5 * hz), 1))])
    bounded = np.clip(values / most, -1, 1) if most > 0 else np.zeros(len(values))
    return np.mean(bounded**3) / max(np.mean(bounded**2) ** 1.5, 1e-38)


def unmoved(slope, axes, hz):
    """The slope less what ridge regression on 13 lags of each axis explains, in stretches of 8 s, half overlapping."""
    n, lags = len(slope), [int(np.floor(k * 0.032 * hz + 0.5)) for k in range(-3, 10)]
    size = min(int(8 * hz), n)
    starts = list(dict.fromkeys([*range(0, n - size, size // 2), n - size]))
    out, shares = np.zeros((2, n))
    for start in starts:
        at = np.arange(start, start + size)
        columns = np.array([axis[np.clip(at - lag, 0, n - 1)] for axis in axes for lag in lags])
        gram = columns @ columns.T
        ridge = 0.3 * np.trace(gram) / len(gram) * np.eye(len(gram))
        triangle = np.minimum(np.arange(1, size + 1), size - np.arange(size)) / size
        share = np.ones(size) if start in (0, n - size) else triangle
        out[at] += share * (slope[at] - np.linalg.solve(gram + ridge, columns @ slope[at]) @ columns)
        shares[at] += share
    return out / shares


def rises(slope, hz):
    """Maxima of the slope, and how steep they are against the middle one of the largest of the blocks around."""
    block = int(1.5 * hz)
    largest = [slope[part].max(initial=0) for part in stretches(len(slope), block)]
    level = np.array([middle(largest[max(k - 5, 0) : k + 4]) for k in range(len(largest))])
    i = np.arange(1, len(slope) - 1)
    i = i[(slope[i] > 0) & (slope[i] >= slope[i - 1]) & (slope[i] > slope[i + 1])]
    steep = np.minimum(slope[i] / level[i // block], 1.2)
    return i[steep > 0.08], steep[steep > 0.08]


def chain(slope, place, steep, hz):
    """The strongest and most even events: which, and the period in samples that the chain has there."""
    periods = hz * np.geomspace(0.28, 1.9, 32)
    step = np.log(periods[1] / periods[0])
    tempi = np.arange(32)
    apart = np.abs(tempi[:, None] - tempi)
    drift = np.where(apart <= 3, 100 * (apart * step) ** 2, np.inf)
    like = likeness(slope, periods, hz)
    total, came = np.zeros((len(place), 32)), []
    for n, at in enumerate(place):
        arrive, whence, afresh = np.full(32, -np.inf), np.zeros((32, 2), int), (0.0, (-1, -1))
        for m in range(n - 1, -1, -1):
            gap, best = (at - place[m]) / hz, (m, int(total[m].argmax()))
            if gap > 4:
                afresh = total[best] - 4, best
                break
            if gap < 0.25:
                continue
            sums = total[m] - 6 * np.log(gap * hz / periods) ** 2 if gap <= 2 else np.full(32, total[best] - 4)
            better = sums > arrive
            arrive[better] = sums[better]
            whence[better] = np.stack([np.full(32, m), tempi], axis=1)[better] if gap <= 2 else best
        drifted = arrive - drift
        from_ = drifted.argmax(axis=1)
        along = drifted.max(axis=1) > afresh[0]
        came.append(np.where(along[:, None], whence[from_], afresh[1]))
        total[n] = np.where(along, drifted.max(axis=1), afresh[0]) + steep[n]
        total[n] += 0.5 * like[min(int(at / hz), len(like) - 1)]
    found, (n, k) = [], np.unravel_index(total.argmax(), total.shape) if len(place) else (-1, 0)
    while n >= 0:
        found.append((int(n), periods[k]))
        n, k = came[n][k]
    return found[::-1]


def likeness(slope, periods, hz):
    """Autocorrelation at each period over the 8 s around the middle of each second; what is negative counts nothing."""
    by = max(int(hz / 30 + 0.5), 2)
    low, hz, lag = by * averaged(slope, by), hz / by, periods / by
    lags, rows = np.arange(int(lag[0]), int(lag[-1]) + 2), []
    for n in range(max(int(np.ceil(len(low) / hz)), 1)):
        start = min(max(int((n + 0.5) * hz - 4 * hz), 0), max(len(low) - int(8 * hz), 0))
        y = low[start : start + int(8 * hz)]
        y = y - y.mean() if len(y) else y
        product = [np.sum(y[: max(len(y) - k, 0)] * y[k:]) / max(len(y) - k, len(y) // 4, 1) for k in (0, *lags)]
        found = np.interp(lag, lags, product[1:]) / product[0] if product[0] > 0 else 0 * lag
        rows.append(found.clip(0))
    return np.array(rows)


def undicrotic(chain, place, slope, hz):
    """The chain less the waves that come after each pulse, evenly and lower; periods are then longer."""
    foot_of = lambda event: max(np.flatnonzero(slope[: place[event]] <= 0), default=0)  # noqa: E731
    one = {}  # of several events of one climb the steepest
    for event, period in chain:
        key = foot_of(event)
        if key not in one or slope[place[event]] >= slope[place[one[key][0]]]:
            one[key] = event, period
    foot, chain = list(one), list(one.values())
    at = [place[event] for event, _ in chain]
    climb = [slope[f + 1 : f + 1 + np.argmax([*(slope[f + 1 :] <= 0), True])].sum() for f in foot]

    def follows(pulse, n):
        gap, next_ = (at[n] - at[pulse]) / hz, (at[n + 1] - at[n]) / hz if n + 1 < len(at) else 0
        notch = abs(slope[foot[pulse] : foot[n]].sum()) >= 0.12 * climb[pulse]
        low = climb[n] <= 0.5 * climb[pulse] or (notch and climb[n] <= 0.75 * climb[pulse])
        return low and gap <= 0.8 and (n > pulse + 1 or (gap <= 0.5 and gap >= 0.65 * next_))

    def dicrotic(n):
        near = range(max(n - 10, 0), min(n + 11, len(at)))
        strong = 0.75 * sorted(climb[k] for k in near)[int(0.8 * (len(near) - 1))]
        if climb[n] >= strong or len(near) <= 10:
            return False
        strongs = [k for k in near if climb[k] >= strong]
        followed = sum(k + 1 in near and climb[k + 1] < strong for k in strongs)
        waves = [follows(max(p for p in strongs if p < k), k) for k in near if k > strongs[0] and k not in strongs]
        return followed + 1 >= 0.85 * len(strongs) and sum(waves) >= 0.85 * len(waves)

    keep = [n for n in range(len(at)) if not dicrotic(n)]
    after = [*keep[1:], len(at)]
    return [(chain[n][0], chain[n][1] * (end - n)) for n, end in zip(keep, after, strict=True)]


def alike(slope, place, steep, own, hz):
    """How steep each rise is, less what was passed over beside it, and how like its pulse is to five on each side."""
    offsets = np.arange(-int(0.2 * hz), int(0.3 * hz) + 1)
    waves = slope[np.clip(place[own][:, None] + offsets, 0, len(slope) - 1)]
    waves = waves - waves.mean(axis=1, keepdims=True)
    waves /= np.linalg.norm(waves, axis=1, keepdims=True).clip(1e-38)
    out = []
    for n, event in enumerate(own):
        before = steep[own[n - 1] + 1 : event] if n else []
        after = steep[event + 1 : own[n + 1]] if n + 1 < len(own) else []
        passed = 0.5 * np.sum(np.square([*before, *after])) / steep[event] ** 2
        usual = around(waves, n, 5).sum(axis=0) - waves[n]
        like = usual @ waves[n] / max(np.linalg.norm(usual), 1e-38)
        out.append(min(steep[event], 1) * max((like - 0.4) / 0.6, 0) / (1 + passed**2))
    return np.clip(out, 0, 1)


def gradual(low, place, jumped, hz):
    """1 where most rises around take their time, 0 where they are up within 1/30 s or follow a jump."""
    once, shares = max(int(hz / 30 + 0.5), 1), []
    for at in place:
        wave = low[max(at - int(0.2 * hz), 0) : at + int(0.3 * hz)]
        up = (wave[once:] - wave[:-once]).max(initial=0) / max(np.ptp(wave), 1e-38)
        shares.append(1 if np.any(np.abs(jumped - at) <= int(0.08 * hz)) else up)
    return np.array([np.clip((0.85 - middle(around(shares, n, 5))) / 0.2, 0, 1) for n in range(len(place))])


def turn(slope, rise, period, hz):
    """Where the slope crosses zero after a rise, between samples."""
    end = min(rise + int(min(0.5 * period, 0.4 * hz)), len(slope) - 1)
    below = [i for i in range(rise + 1, end + 1) if slope[i] <= 0]
    return below[0] - slope[below[0]] / (slope[below[0]] - slope[below[0] - 1]) if below else end


def averaged(x, by):
    """Means of so many samples."""
    return x[: len(x) // by * by].reshape(-1, by).mean(axis=1)


def stretches(n, size):
    """Slices of so many, the last one shorter."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def around(values, n, reach):
    """A value and those up to so many before and after it."""
    return values[max(n - reach, 0) : n + reach + 1]


def middle(values):
    """The median, of an even number the upper one."""
    return sorted(values)[len(values) // 2]
