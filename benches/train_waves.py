"""Train the three networks of `biotl.signal.delineate` and write `rust/biotl-core/src/waves.weights`.

    python benches/train_waves.py && maturin develop --release

Data (`BIOTL_DATA`): the waves marked in LUDB 1-70, each lead apart, and in the first lead of the six records of QTDB
that are not from MIT-BIH DS2, with synthetic noise (`noise.py`), either polarity, R peaks a little off and hearts a
little quicker or slower than they were; and, for the presence of P alone, MIT-BIH DS1 and its four paced records: beats
in sinus rhythm have one; ventricular and paced beats and beats in fibrillation or flutter have none. `benches/waves.py`
measures on LUDB 71-100, on the other nine records of QTDB and on MIT-BIH DS2, none of which is seen here.
"""

import os
import sys
from pathlib import Path

import noise
import numpy as np
import torch
import wfdb

from biotl import _core

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))
WEIGHTS = Path(__file__).parents[1] / "rust" / "biotl-core" / "src" / "waves.weights"
DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split()  # noqa: SIM905
PACED = ("102", "104", "107", "217")
QTDB = ("sel102", "sel104", "sel114", "sel116", "sel223", "sel230")
BEATS = set("NLRBAaJSVrFejnE/fQ?")
HIDDEN = (96, 48)
WAVES = "pNt"


def marked(samples, symbols):
    """Return, for each marked QRS complex, (3, 3) samples of P, QRS and T (NaN unmarked) and their presence."""
    waves = []
    for i, symbol in enumerate(symbols):
        if symbol in WAVES:
            on = samples[i - 1] if i and symbols[i - 1] == "(" else np.nan
            off = samples[i + 1] if i + 1 < len(symbols) and symbols[i + 1] == ")" else np.nan
            waves.append((symbol, [on, samples[i], off]))
    complexes = [i for i, (symbol, _) in enumerate(waves) if symbol == "N"]
    for n, i in enumerate(complexes):
        points, present = np.full((3, 3), np.nan), np.full(3, np.nan)
        points[1], present[1] = waves[i][1], 1
        before = waves[complexes[n - 1] + 1 if n else 0 : i]
        after = waves[i + 1 : complexes[n + 1] if n + 1 < len(complexes) else None]
        for row, near, inside in ((0, before[::-1], n > 0), (2, after, n + 1 < len(complexes))):
            found = [w for symbol, w in near if symbol == WAVES[row]]
            if found:
                points[row], present[row] = found[0], 1
            elif inside:
                present[row] = 0
        yield points, present


def lead_of(x, fs, beats):
    """Return lead, rate, R peaks (found ones where they agree with the mark), other peaks, points and presence."""
    x = np.ascontiguousarray(x)
    found = _core.rpeaks(x[None], fs)[0].astype(float)
    marks = np.array([points[1, 1] for points, _ in beats])
    near = found[np.abs(found[:, None] - marks).argmin(0)] if len(found) else marks
    peaks = np.where(np.abs(near - marks) < 0.1 * fs, near, marks)
    others = found[np.abs(found[:, None] - peaks).min(1) > 0.25 * fs]
    return x, fs, peaks, others, *(np.array(part) for part in zip(*beats, strict=True))


def ludb(first, last):
    """Yield every lead of LUDB in the form of `lead_of`."""
    for number in range(first, last + 1):
        path = str(DATA / "ludb" / "data" / str(number))
        record = wfdb.rdrecord(path)
        for name, lead in zip(record.sig_name, record.p_signal.T, strict=True):
            marks = wfdb.rdann(path, name.lower())
            beats = list(marked(marks.sample, marks.symbol))
            if len(beats) > 2:
                yield lead_of(lead, float(record.fs), beats)


def qtdb(names):
    """Yield the first lead of records of QTDB likewise; what is not marked there is not known to be absent."""
    for name in names:
        record = wfdb.rdrecord(str(DATA / "qtdb" / name))
        marks = wfdb.rdann(str(DATA / "qtdb" / name), "q1c")
        beats = list(marked(marks.sample, marks.symbol))
        for _, present in beats:
            present[present == 0] = np.nan
        if beats:
            yield lead_of(record.p_signal[:, 0], float(record.fs), beats)


def mitdb(names):
    """Yield lead, rate, beats, whether each has a P wave (NaN unknown) and the kind of each."""
    for name in names:
        record = wfdb.rdrecord(str(DATA / "mitdb" / name))
        marks = wfdb.rdann(str(DATA / "mitdb" / name), "atr")
        symbols, rhythm, rhythms = np.array(marks.symbol), "", []
        for symbol, note in zip(symbols, marks.aux_note, strict=True):
            rhythm = note.rstrip("\0") if symbol == "+" else rhythm
            rhythms.append(rhythm)
        beats = np.array([s in BEATS for s in symbols])
        rhythms, symbols = np.array(rhythms)[beats], symbols[beats]
        present = np.full(len(symbols), np.nan)
        present[(symbols == "N") & (rhythms == "(N")] = 1
        fluttering = np.isin(rhythms, ["(AFIB", "(AFL"]) & np.isin(symbols, ["N", "V", "L", "R"])
        present[fluttering | np.isin(symbols, ["V", "/"])] = 0
        for lead in record.p_signal.T:
            yield np.ascontiguousarray(lead), float(record.fs), marks.sample[beats], present, symbols == "V"


def features(rng, x, fs, peaks, shift_s):
    """Return the features of beats whose R peaks are a little off, and where those were put."""
    moved = np.clip(np.round(peaks + rng.normal(0, shift_s * fs, len(peaks))), 0, len(x) - 1).astype(np.int64)
    moved = np.maximum.accumulate(moved + np.arange(len(moved))) - np.arange(len(moved))
    moved = np.unique(moved) if len(np.unique(moved)) == len(moved) else peaks.astype(np.int64)
    return _core.wave_features(np.ascontiguousarray(x), moved, fs), moved


def collect(rng, passes):
    """Return inputs of the three networks, points in seconds from R, presence and weight of every beat."""
    out = []
    leads = [*ludb(1, 70), *(lead for lead in qtdb(QTDB) for _ in range(3))]
    for n in range(passes):
        for x, fs, peaks, others, points, present in leads:
            y, rate = x * rng.choice([-1, 1]), fs * np.exp(rng.uniform(-0.12, 0.12) * (n > 0))
            if n and rng.random() < 0.5:
                kind = rng.choice(["wander", "muscle", "mains", "mixed"])
                y = noise.add(rng, y, fs, peaks.astype(int), kind, rng.uniform(8, 30))
            every = np.concatenate([peaks, others])
            order = np.argsort(every)
            X, moved = features(rng, y, rate, every[order], 0.006 * (n > 0))
            own = np.argsort(order)[: len(peaks)]
            target = (points - moved[own][:, None, None]) / rate
            out.append((*(z[own] for z in X), target, present, np.ones(len(own))))
        print(f"pass {n + 1}", file=sys.stderr)
    for x, fs, beats, present, ventricular in mitdb([*DS1, *PACED]):
        rate = fs * np.exp(rng.uniform(-0.12, 0.12))
        X, _ = features(rng, x * rng.choice([-1, 1]), rate, beats, 0.006)
        for chosen in (present == 1, (present == 0) & ventricular, (present == 0) & ~ventricular):
            rows = np.flatnonzero(chosen)
            rows = rng.permutation(rows)[:400]
            there = np.full((len(rows), 3), np.nan)
            there[:, 0] = present[rows]
            out.append((*(z[rows] for z in X), np.full((len(rows), 3, 3), np.nan), there, np.full(len(rows), 0.5)))
    return [np.concatenate(part).astype(np.float32) for part in zip(*out, strict=True)]


def fit(X, target, present, weight, *, seed=0, epochs=20):
    """Return the layers of a network: three times with their Laplace scales, and the log-odds of presence."""
    torch.manual_seed(seed)
    mean, scale = X.mean(0), X.std(0) + 1e-6
    middle, spread = np.nanmean(target, 0), np.nanstd(target, 0)
    sizes = (X.shape[1], *HIDDEN, 7)
    net = torch.nn.Sequential(
        torch.nn.Linear(sizes[0], sizes[1]),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.1),
        torch.nn.Linear(sizes[1], sizes[2]),
        torch.nn.ReLU(),
        torch.nn.Linear(sizes[2], sizes[3]),
    )
    X = torch.from_numpy((X - mean) / scale)
    Y, P, W = (torch.from_numpy(v) for v in ((target - middle) / spread, present, weight))
    batch = 512
    steps = epochs * (len(X) // batch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in range(epochs):
        for index in torch.randperm(len(X))[: len(X) // batch * batch].view(-1, batch):
            answer, y, p = net(X[index]), Y[index], P[index]
            known = ~torch.isnan(y)
            log = answer[:, 3:6].clamp(-4, 2)
            off = (torch.nan_to_num(y) - answer[:, :3]).abs()
            loss = ((off * torch.exp(-log) + log) * known).sum() / known.sum().clamp(min=1)
            sure = ~torch.isnan(p)
            judged = torch.nn.functional.binary_cross_entropy_with_logits(answer[sure, 6], p[sure], W[index][sure])
            optimizer.zero_grad()
            (loss + judged).backward()
            optimizer.step()
            schedule.step()
    layers = [
        [m.weight.detach().double().numpy().T, m.bias.detach().double().numpy()] for m in net if hasattr(m, "weight")
    ]
    layers[0][1] = layers[0][1] - (mean / scale) @ layers[0][0]
    layers[0][0] = layers[0][0] / scale[:, None]
    unit = np.concatenate([spread, np.ones(4)])
    layers[2][0] = layers[2][0] * unit
    layers[2][1] = layers[2][1] * unit + np.concatenate([middle, np.log(spread), [0]])
    return layers


if __name__ == "__main__":
    torch.set_num_threads(1)
    *inputs, target, present, weight = collect(
        np.random.default_rng(20261121), passes=int(sys.argv[1]) if len(sys.argv) > 1 else 8
    )
    blob = b""
    for wave, X in enumerate(inputs):
        used = ~np.isnan(present[:, wave]) | ~np.isnan(target[:, wave]).all(1)
        layers = fit(X[used], target[used, wave], present[used, wave], weight[used])
        blob += b"".join(part.astype("<f4").tobytes() for layer in layers for part in layer)
        print(f"wave {WAVES[wave]}: {used.sum()} beats", file=sys.stderr)
    WEIGHTS.write_bytes(blob)
