"""The readable NumPy and SciPy twin of every kernel: slow, short, and what the Rust is held to."""

import itertools

import numpy as np


def segment(samples, rpeaks, fs):
    """Rows (wave, start, stop, beat): every sample is given to a wave, and runs of samples become segments."""
    half, p, t = (int(seconds * fs + 0.5) for seconds in (0.05, 0.1, 0.15))
    middles = [r + (after - r + 1) // 2 for r, after in itertools.pairwise(rpeaks)]
    starts = [max(r - half, edge) for r, edge in zip(rpeaks, [0, *middles], strict=False)]
    stops = [min(r + half, edge) for r, edge in zip(rpeaks, [*middles, samples], strict=False)]
    owner = [(3, -1)] * samples
    for beat, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        before = start - (stops[beat - 1] if beat else -samples)
        after = (starts[beat + 1] if beat + 1 < len(starts) else 2 * samples) - stop
        onset = start - (p if before >= p + t else before - before * t // (p + t))
        end = stop + (t if after >= p + t else after * t // (p + t))
        for wave, a, b in ((0, onset, start), (1, start, stop), (2, stop, end)):
            for i in range(max(a, 0), min(b, samples)):
                owner[i] = (wave, beat)
    rows = []
    for (wave, beat), run in itertools.groupby(range(samples), owner.__getitem__):
        run = list(run)
        rows.append((wave, run[0], run[-1] + 1, beat))
    return rows


def resample_segments(x, start, stop, length):
    """Each segment interpolated at evenly spaced places, ends onto ends."""
    cuts = [x[a:b] for a, b in zip(start, stop, strict=True)]
    return np.array([np.interp(np.linspace(0, len(cut) - 1, length), np.arange(len(cut)), cut) for cut in cuts])


def assign(X, C):
    """Index of the nearest centroid, ties to the lowest."""
    return ((X[:, None].astype(np.float64) - C[None].astype(np.float64)) ** 2).sum(2).argmin(1)


def windows(x, size, hop):
    """Every window of every channel, less its mean, over its standard deviation; (windows, channels, size)."""
    x = np.asarray(x, dtype=np.float64)
    cuts = [x[:, start : start + size] for start in range(0, x.shape[-1] - size + 1, hop)]
    rows = [[row - row.mean() if row.std() == 0 else (row - row.mean()) / row.std() for row in cut] for cut in cuts]
    return np.array(rows).reshape(len(cuts), len(x), size)
