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


def kmeans(X, k, seed, iterations=300):
    """Centroids and inertia: of four seedings the one that is tightest after ten iterations, iterated to the end."""
    random = splitmix(seed)
    starts = [lloyd(X, seed_centroids(X, k, random), 10) for _ in range(4)]
    return lloyd(X, min(starts, key=lambda found: found[1])[0], iterations)


def splitmix(state):
    """Numbers from 0 to below 1 (Steele, Lea & Flood 2014)."""
    mask = (1 << 64) - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield ((z ^ (z >> 31)) >> 11) / 2**53


def seed_centroids(X, k, random):
    """Greedy k-means++: of some rows drawn by squared distance, the one that lowers the sum of distances most."""
    chosen = [int(next(random) * len(X))]
    closest = ((X - X[chosen[0]]) ** 2).sum(1)
    while len(chosen) < k:
        passed = [closest.cumsum() > next(random) * closest.sum() for _ in range(2 + int(np.log(k)))]
        drawn = [int(p.argmax()) if p.any() else len(X) - 1 for p in passed]
        after = [np.minimum(closest, ((X - X[row]) ** 2).sum(1)) for row in drawn]
        best = min(range(len(drawn)), key=lambda i: after[i].sum())
        chosen.append(drawn[best])
        closest = after[best]
    return X[chosen]


def lloyd(X, C, iterations):
    """Means of the rows that are nearest to each centroid, until no row changes its cluster."""
    before = None
    for _ in range(iterations):
        labels = assign(X, C)
        if np.array_equal(labels, before):
            break
        far = ((X - C[labels]) ** 2).sum(1)
        C = C.copy()
        for label in range(len(C)):
            if (labels == label).any():
                C[label] = X[labels == label].mean(0)
            else:  # an empty cluster takes the row that lies farthest
                C[label] = X[far.argmax()]
                far[far.argmax()] = 0
        before = labels
    return C, ((X - C[assign(X, C)]) ** 2).sum()


def wavedec(x, low, high, level, pad):
    """Approximation, then details from coarse to fine; `pad` is the name of the extension in `np.pad`."""
    details = []
    for _ in range(level):
        longer = np.pad(x, len(low) - 1, pad)
        details.insert(0, np.convolve(longer, high, "valid")[1::2])
        x = np.convolve(longer, low, "valid")[1::2]
    return [x, *details]


def waverec(coeffs, low, high):
    """Zeros between the coefficients, filtered, from coarse to fine."""
    x = coeffs[0]
    for detail in coeffs[1:]:
        stuffed = np.zeros((2, 2 * len(detail)))
        stuffed[:, ::2] = x[: len(detail)], detail
        x = np.convolve(stuffed[0], low) + np.convolve(stuffed[1], high)
        x = x[len(low) - 2 : 2 * len(detail)]
    return x


def windows(x, size, hop):
    """Every window of every channel, less its mean, over its standard deviation; (windows, channels, size)."""
    x = np.asarray(x, dtype=np.float64)
    cuts = [x[:, start : start + size] for start in range(0, x.shape[-1] - size + 1, hop)]
    rows = [[row - row.mean() if row.std() == 0 else (row - row.mean()) / row.std() for row in cut] for cut in cuts]
    return np.array(rows).reshape(len(cuts), len(x), size)


def wfdb_codes(number, data, n):
    """The first ``n`` samples of a signal file, bit by bit as signal(5) describes each format."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little").astype(np.int64)

    def signed(at, width):
        value = sum(int(bits[i]) << k for k, i in enumerate(at) if i < len(bits))
        return value - (1 << width if value >> (width - 1) else 0)

    if number in (212, 310, 311):
        # where the bits of each sample of a group lie, from the lowest to the highest
        places = {
            212: [[*range(12)], [*range(16, 24), *range(12, 16)]],
            310: [[*range(1, 11)], [*range(17, 27)], [*range(11, 16), *range(27, 32)]],
            311: [[*range(10)], [*range(10, 20)], [*range(20, 30)]],
        }[number]
        group = {212: 24, 310: 32, 311: 32}[number]
        return [
            signed([b + i // len(places) * group for b in places[i % len(places)]], len(places[0])) for i in range(n)
        ]
    width = {8: 8, 16: 16, 24: 24, 32: 32, 61: 16, 80: 8, 160: 16}[number]
    order = [*range(8, 16), *range(8)] if number == 61 else [*range(width)]
    codes = [signed([b + i * width for b in order], width) for i in range(n)]
    if number in (80, 160):
        # offset binary: the sign bit is the other way round
        return [code + (1 << (width - 1)) * (1 if code < 0 else -1) for code in codes]
    return codes


def sosfilt(sos, x, state=None):
    """Each section in turn over each sample, transposed direct form II."""
    y = np.array(x, dtype=np.float64)
    for (b0, b1, b2, _, a1, a2), start in zip(sos, np.zeros((len(sos), 2)) if state is None else state, strict=True):
        z1, z2 = start
        for i, v in enumerate(y):
            y[i] = b0 * v + z1
            z1, z2 = b1 * v - a1 * y[i] + z2, b2 * v - a2 * y[i]
    return y


def median_filter(x, size):
    """The middle of each sorted window, the nearest sample beyond the ends."""
    padded = np.pad(x, size // 2, mode="edge")
    return np.array([np.sort(padded[i : i + size])[size // 2] for i in range(len(x))])


def resample(x, up, down):
    """Zeros between the samples, a windowed sinc, every `down`-th sample; the nearest sample beyond the ends."""
    rate = max(up, down)
    beyond = 10 * down
    x = np.pad(x, beyond, mode="edge")
    t = np.arange(-10 * rate, 10 * rate + 1)
    taps = np.sinc(t / rate) * np.kaiser(len(t), 5.0)
    stuffed = np.zeros(len(x) * up)
    stuffed[::up] = x
    whole = np.convolve(stuffed, taps * up / taps.sum())[10 * rate : len(stuffed) + 10 * rate]
    return whole[beyond * up : len(whole) - beyond * up : down]


def mirrored(x, i):
    """Value i of x, mirrored at both ends, the outermost repeated, as often as it takes."""
    period = 2 * len(x)
    i %= period
    return x[i] if i < len(x) else x[period - 1 - i]


def nearby(x, i, beats):
    """The values within so many beats of beat i."""
    return [mirrored(x, i + k) for k in range(-beats, beats + 1)]


def rhythm_features(before, after):
    """Rows of `biotl.datasets.rhythm`, beat by beat."""
    x, y = np.log2(before), np.log2(after)
    n = len(x)
    at = lambda values, i: values[min(max(i, 0), n - 1)]  # noqa: E731
    high = [np.percentile(nearby(x, i, 20), 80) for i in range(n)]
    calm = [
        np.log2((before[i] + at(before, i - 1)) / 2) if x[i] > at(x, i - 1) + np.log2(1.1) else x[i] for i in range(n)
    ]
    counts = [sum(lo <= v < lo + 1 / 16 for v in x) for lo in np.arange(-3, 3, 1 / 16)]
    smooth = [(at_zero(counts, b - 1) + 2 * counts[b] + at_zero(counts, b + 1)) / 4 for b in range(96)]
    summits = [
        b for b in range(96) if smooth[b] >= max(smooth[b - 1], smooth[(b + 1) % 96]) and smooth[b] >= max(smooth) / 3
    ]
    mode = -3 + summits[-1] / 16 + 1 / 32
    change = [abs(x[i] - at(x, i - 1)) for i in range(n)]
    turn = [float(0 < i < n - 1 and (x[i] - x[i - 1]) * (x[i] - x[i + 1]) > 0) for i in range(n)]
    rows = []
    for i in range(n):
        local_mean = np.log2(np.mean(nearby(before, i, 5)))
        local_median = np.median(nearby(x, i, 20))
        references = [
            np.median(x),
            np.log2(np.mean(before)),
            mode,
            high[i],
            local_mean,
            local_median,
            np.percentile(nearby(calm, i, 20), 80),
            np.percentile(x, 90),
            max(at(x, i - lag) for lag in range(1, 9)),
        ]
        window = nearby(x, i, 30)
        pairs = [abs(a - b) < np.log2(1.05) for a, b in itertools.combinations(window, 2)]
        row = [x[i] - reference for reference in references]
        row += [y[i] - reference for reference in (np.median(x), mode, high[i], local_mean)]
        row += [x[i] - at(x, i - 1), y[i] - x[i], at(y, i + 1) - y[i]]
        row += [np.log2((before[i] + after[i]) / 2) - local_median]
        row += [at(x, i + k) - at(high, i + k) for k in (-2, -1, 1, 2)]
        row += [np.sqrt(np.mean(np.square(nearby(change, i, 30)))), np.median(nearby(change, i, 30))]
        row += [np.mean(nearby(turn, i, 30)), np.mean(pairs), np.std(window)]
        spread = np.median([abs(v - local_median) for v in nearby(x, i, 20)])
        row += [(x[i] - local_median) / 4 / (spread + 0.02)]
        row += [(x[i] - at(x, i - 1)) / 4 / (np.median(nearby(change, i, 30)) + 0.02)]
        apart = [v - np.mean(window) for v in window]
        products = [a * b for a, b in itertools.pairwise(apart)]
        row += [sum(products) / max(sum(a * a for a in apart), 1e-9), x[i] - np.percentile(nearby(x, i, 20), 10)]
        rows.append(np.clip(row, -2, 2))
    return np.array(rows)


def at_zero(values, i):
    """Value i, 0 outside."""
    return values[i] if 0 <= i < len(values) else 0


def cosine(a, b):
    """Cosine of the angle between two waves."""
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def levelled(wave):
    """A wave less the straight line from its first to its last sample."""
    return wave - np.linspace(wave[0], wave[-1], len(wave))


def lead_features(qrs, p, t, t_before, confidence, pr, width, qt, rested, waited):
    """Rows of `LEAD_FEATURES` of `biotl.datasets.beat_features` of one lead, beat by beat."""
    n = len(qrs)
    at = lambda i: min(max(i, 0), n - 1)  # noqa: E731
    rms = lambda wave: np.sqrt(np.mean(wave**2))  # noqa: E731
    octaves = lambda value, usual: np.log2(max(value, usual / 64) / usual)  # noqa: E731
    usual = lambda values: np.median([v for v in values if v > 0])  # noqa: E731
    alike = lambda a, b: max(cosine(np.roll(a, lag), b) for lag in (-2, -1, 0, 1, 2))  # noqa: E731
    gain = lambda a, b: np.dot(a, b) / (np.dot(b, b) + (1e-3 * unit) ** 2)  # noqa: E731
    unit = np.median([np.ptp(wave) for wave in qrs])
    main, paused = np.median(qrs, axis=0), np.median(qrs[rested], axis=0)
    swift = [rms(np.diff(wave)) / (rms(wave) + 1e-9 * unit) for wave in qrs]
    flat = [levelled(wave) for wave in p]
    main_p, main_t, main_tb = levelled(np.median(p[rested], axis=0)), np.median(t, axis=0), np.median(t_before, axis=0)
    trust = [confidence[i] ** 2 * waited[i] + 1e-6 for i in range(n)]
    longest = sum(w * wave for w, wave in zip(trust, flat, strict=True)) / sum(trust)
    rows = []
    for i in range(n):
        row = [cosine(qrs[i], main), rms(qrs[i] - main) / (rms(main) + 1e-9 * unit), cosine(qrs[i], paused)]
        row += [cosine(qrs[i], qrs[at(i - 1)]), cosine(qrs[i], qrs[at(i + 1)]), octaves(np.ptp(qrs[i]), unit)]
        row += [(qrs[i].mean() - np.median(qrs.mean(axis=1))) / unit, octaves(width[i], usual(width))]
        row.append(octaves(np.abs(np.diff(qrs[i])).max(), np.median(np.abs(np.diff(qrs, axis=1)).max(axis=1))))
        row += [cosine(t[i] - t[i].mean(), main_t - main_t.mean()), (t[i].mean() - main_t.mean()) / unit]
        row.append(rms(levelled(t_before[i]) - levelled(main_tb)) / unit)
        row += [confidence[i], confidence[i] - np.median(confidence[rested])]
        row += [confidence[at(i - 1)], confidence[at(i + 1)], alike(flat[i], main_p), gain(flat[i], main_p)]
        row += [alike(flat[i], longest), gain(flat[i], longest)]
        row += [rms(flat[i] - longest) / (rms(longest) + 0.01 * unit), alike(flat[i], flat[at(i - 1)])]
        row.append(octaves(rms(flat[i]), np.median([rms(w) for w, r in zip(flat, rested, strict=True) if r])))
        row += [pr[i] - usual(pr[rested]) if pr[i] > 0 else 0, qt[i] - usual(qt) if qt[i] > 0 else 0]
        shifted = [cosine(np.roll(qrs[i], lag), main) for lag in range(-8, 9)]
        row += [max(shifted), 0.008 * (int(np.argmax(shifted)) - 8), np.log2(swift[i] + 1e-3)]
        row.append(octaves(swift[i], np.median(swift)))
        rows.append(np.clip(row, -8, 8))
    return np.array(rows)


def family(qrs, about):
    """Of each beat: share of beats alike, their mean of `about`, and the spread of its first column."""
    scale = np.median(np.linalg.norm(qrs, axis=2), axis=0)
    shape = [(beat / scale[:, None]).ravel() / np.sqrt(qrs.shape[1]) for beat in qrs]
    rows = []
    for a in shape:
        weight = []
        for b in shape:
            size = max(1, np.linalg.norm(a) * np.linalg.norm(b))
            weight.append(np.exp(-np.sum((a - b) ** 2) / (0.08 * size)))
        mean = np.average(about, axis=0, weights=weight)
        spread = np.sqrt(np.average((about[:, 0] - mean[0]) ** 2, weights=weight))
        rows.append([np.mean(weight), *mean, spread])
    return np.array(rows)


def heart_rate(x, axes, ahead):
    """Rate and confidence of each frame of 8 s at 25 Hz, one a second, each looking `ahead` so many frames, or all."""
    rates, pulse = np.arange(30, 221), []
    likely, summits = [], []
    for start in range(0, len(x) - 199, 25):
        cut = slice(start, start + 200)
        log, power, odds = frame(x[cut], None if axes is None else axes[:, cut])
        first = not likely
        likely.append(np.exp((10 if first else 2.5) * log))
        summits.append(power)
        pulse.append(1 / (1 + np.exp(-(2 if first else 1) * odds)))
    near = np.exp(-np.abs(rates[:, None] - rates) / 1.5)
    step = 0.995 * near / near.sum(axis=1, keepdims=True) + 0.005 / len(rates)
    turn = np.array([[0.97, 0.03], [0.01, 0.99]])
    beliefs = believe(np.array(likely), step, ahead)
    there = believe(np.stack([1 - np.array(pulse), pulse], axis=1), turn, ahead)[:, 1]
    found = []
    for belief, power, share in zip(beliefs, summits, there, strict=True):
        middle = int(np.argmax([belief[max(k - 5, 0) : k + 6].sum() for k in range(len(rates))]))
        around = np.arange(max(middle - 6, 0), min(middle + 7, len(rates)))
        mean = (belief[around] * around).sum() / belief[around].sum()
        at = around[np.argmax(power[around])]
        place = mean
        if around[0] < at < around[-1]:
            a, b, c = power[at - 1 : at + 2]
            place = (mean + at + 0.5 * (a - c) / (a - 2 * b + c)) / 2
        found.append((30 + place, share * belief[np.abs(np.arange(len(rates)) - place) <= 5].sum()))
    return np.array(found).reshape(-1, 2).T


def frame(x, axes):
    """Log-likelihood of each rate, power at it and its double, and log-odds of a pulse, of 8 s."""
    y = levelled_frame(x)
    left = y
    if axes is not None:
        columns = np.array(
            [levelled_frame(axis)[np.clip(np.arange(200) - lag, 0, 199)] for axis in axes for lag in range(-3, 12)]
        )
        gram = columns @ columns.T
        ridge = 0.1 * np.trace(gram) / len(gram) * np.eye(len(gram))
        left = y - np.linalg.solve(gram + ridge, columns @ y) @ columns
    hz = np.arange(30, 441) / 60
    waves = np.hanning(200) * np.exp(-2j * np.pi * hz[:, None] * np.arange(200) / 25)
    raw, left = np.abs(waves @ y) ** 2, np.abs(waves @ left) ** 2
    tilted = [power * hz.clip(0.3, 3) ** 0.75 for power in (left, raw)]
    mixed = 0.9 * tilted[0] / tilted[0].sum() + 0.1 * tilted[1] / tilted[1].sum()
    third = np.append(mixed[60::3], np.zeros(191))[:191]
    power = mixed[:191] + 0.4 * mixed[30::2] + 0.5 * np.minimum(np.minimum(mixed[:191], mixed[30::2]), third)
    power = power / power.mean()
    at = int(np.argmax(power))
    line = power[max(at - 8, 0) : at + 9].sum() / 191
    log = line * np.log(power + 0.1)
    shares = []
    for exponent, most, least in ((1, 3, 0.36), (2, 8, 0.31)):
        weighted = left * hz.clip(0.3, most) ** exponent
        near = [np.abs(60 * hz - times * (30 + at)) < 9.5 for times in (1, 2, 3)]
        shares.append(sum(weighted[part].sum() for part in near) / weighted.sum() - least)
    return log - log.max(), power, np.clip(10 * min(shares), -3, 3)


def levelled_frame(y):
    """A frame less its mean and straight line."""
    t = np.arange(len(y))
    return y - np.polyval(np.polyfit(t, y, 1), t)


def believe(likely, step, ahead):
    """Probability of each state in each frame given those before and so many after it, or all."""
    n = len(likely)
    states = likely.shape[1] if likely.ndim > 1 else 0
    out = []
    for i in range(n):
        belief = np.full(states, 1 / states) * likely[0]
        for k in range(1, i + 1):
            belief = belief / belief.sum() @ step * likely[k]
        after = np.ones(states)
        for k in range(n - 1 if ahead is None else min(i + ahead, n - 1), i, -1):
            after = step @ (likely[k] * after)
            after /= after.sum()
        out.append(belief * after / (belief * after).sum())
    return np.array(out)


def alike(shapes):
    """Of each beat, those within five beats whose complexes correlate with its own over 0.85, itself among them."""
    near = lambda i: range(max(i - 5, 0), min(i + 6, len(shapes)))  # noqa: E731
    same = lambda i, j: i == j or np.corrcoef(shapes[i], shapes[j])[0, 1] > 0.85  # noqa: E731
    return [[j for j in near(i) if same(i, j)] for i in range(len(shapes))]


def shared(values, like, gaps):
    """Mean over the beats that are alike and came after an interval within 16 %."""
    of_rhythm = lambda i, j: max(gaps[i], gaps[j]) <= 1.16 * min(gaps[i], gaps[j])  # noqa: E731
    return np.array([np.mean([values[j] for j in own if of_rhythm(i, j)]) for i, own in enumerate(like)])


def wave_network(rows, weights, streams, points, from_s, pitch_s):
    """Onset, peak, offset in seconds, logarithms of their mean errors, log-odds that the wave is there; (beats, 7)."""
    w = {name: np.float64(values) for name, values in weights.items()}

    def convolved(x, name, stride):
        reach = w[f"{name}.weight"].shape[2] // 2
        padded = np.pad(x, ((0, 0), (0, 0), (reach, reach)))
        views = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=2)[:, :, ::stride]
        return np.einsum("nipt,oit->nop", views, w[f"{name}.weight"]) + w[f"{name}.bias"][:, None]

    x = (rows - w["mean"]) * w["scale"]
    signal, context = x[:, : streams * points].reshape(len(x), streams, points), x[:, streams * points :, None]
    seen = np.maximum(convolved(np.maximum(convolved(signal, "one", 2), 0), "two", 1), 0)
    whole = np.concatenate([seen.reshape(len(x), -1, 1), context], axis=1)
    rest, far = np.split(convolved(np.maximum(convolved(whole, "three", 1), 0), "four", 1)[:, :, 0], [4], axis=1)
    evidence = convolved(seen, "five", 1) + far.reshape(len(x), 3, -1)
    share = np.exp(evidence - evidence.max(axis=2, keepdims=True))
    times = from_s + 2 * pitch_s * np.arange(evidence.shape[2])
    return np.concatenate([(share * times).sum(axis=2) / share.sum(axis=2), rest], axis=1)
