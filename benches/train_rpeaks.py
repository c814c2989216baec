"""Train the two networks of `biotl.signal.rpeaks` and write `rust/biotl-core/src/peaks/peaks.safetensors`.

    OMP_NUM_THREADS=1 python benches/train_rpeaks.py            # five minutes; then build the extension again
    OMP_NUM_THREADS=1 python benches/train_rpeaks.py validate   # three folds of DS1: what a threshold gives out of fold

Data (`BIOTL_DATA`): both leads of 21 records of MIT-BIH DS1 (201 is of the man of 202, which is tested on) and LUDB
1-70 in all twelve leads; nothing of DS2, of the four paced records, or of QTDB, whose records here are cut from
MIT-BIH. Each lead is taken once as it is and six times disturbed: at a random rate from 100 to 1000 Hz, quicker or
slower than it was, half of the time with synthetic noise (`noise.py`), and at times with tachycardia, bradycardia,
pauses, wide complexes, pacemaker spikes, tall T waves, clipping, or a lead that comes off; and there are signals
without a beat. The second network sees the first one's opinion. The same data and versions give the same weights to
the last digit.
"""

import hashlib
import os
import sys
from pathlib import Path

import noise
import numpy as np
import torch
import weights
import wfdb
from scipy.signal import resample_poly

from biotl import _core

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))
DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 203 205 207 208 209 215 220 223 230".split()  # noqa: SIM905
LUDB = range(1, 71)
BEATS = set("NLRBAaJSVrFejnE/fQ?")
RATES = (100, 125, 128, 180, 200, 250, 257, 300, 360, 400, 500, 720, 1000)
SEED, PASSES, EMPTY, EPOCHS = 20261121, 7, 200, 14
REVISION = "1"  # of the features: `peaks/candidates.rs`
INPUTS, HIDDEN = {"local": 24, "context": 40}, {"local": 16, "context": 32}


def mitdb():
    """Yield record, lead, rate, beats, the spans where the marks say nothing, and lengths of pieces in seconds."""
    for name in DS1:
        record = wfdb.rdrecord(str(DATA / "mitdb" / name))
        marks = wfdb.rdann(str(DATA / "mitdb" / name), "atr")
        symbols = np.array(marks.symbol)
        beats = marks.sample[[s in BEATS for s in symbols]]
        flutter = list(zip(marks.sample[symbols == "["], marks.sample[symbols == "]"], strict=True))
        for lead in record.p_signal.T:
            yield name, lead, record.fs, beats, flutter, [10, 10, 10, 30, 30, 60, 300]


def ludb():
    """Yield likewise; nothing is known outside the first and last marked beat of a lead. A paced heart counts 4."""
    for number in LUDB:
        record = wfdb.rdrecord(str(DATA / "ludb" / "data" / str(number)))
        paced = any("ventricular pacing" in comment for comment in record.comments)
        for name, lead in zip(record.sig_name, record.p_signal.T, strict=True):
            marks = wfdb.rdann(str(DATA / "ludb" / "data" / str(number)), name.lower())
            beats = marks.sample[np.array(marks.symbol) == "N"]
            if len(beats) > 2:
                edge = int(0.25 * record.fs)
                unknown = [(0, beats[0] - edge), (beats[-1] + edge, len(lead))]
                for _ in range(4 if paced else 1):
                    yield f"ludb {number}", lead, record.fs, beats, unknown, [10]


def height(x, fs, beats):
    """Return the usual peak-to-peak amplitude of the complexes."""
    reach = int(0.05 * fs)
    return float(np.median([np.ptp(x[max(0, b - reach) : b + reach + 1]) for b in beats]))


def pace(rng, x, fs, beats):
    """Put a spike before every beat, at times with a plateau of 60 to 150 ms after it, as wide paced beats have."""
    lead = int(rng.uniform(0.01, 0.06) * fs)
    usual = height(x, fs, beats)
    size, plateau = rng.uniform(-3, 3) * usual, rng.uniform(-1.5, 1.5) * usual * (rng.random() < 0.5)
    for k in range(max(1, int(0.002 * fs))):
        x[np.clip(beats - lead + k, 0, len(x) - 1)] += size
    n, edge = int(rng.uniform(0.06, 0.15) * fs), max(2, int(rng.uniform(0.008, 0.03) * fs))
    shape = plateau * np.convolve(np.ones(n), np.hanning(edge + 2)[1:-1] / np.hanning(edge + 2).sum())
    for at in beats - lead:
        a, b = max(0, at), min(len(x), at + len(shape))
        x[a:b] += shape[a - at : b - at]


def raise_t(rng, x, fs, beats):
    """Put a large T wave after every beat."""
    size, width = rng.uniform(-1.5, 1.5) * height(x, fs, beats), rng.uniform(0.035, 0.06) * fs
    t = np.arange(-int(4 * width), int(4 * width) + 1)
    late = beats + 0.3 * fs * np.sqrt(np.clip(np.diff(beats, append=2 * beats[-1] - beats[-2]) / fs, 0.3, 1.2))
    for at in late.astype(int):
        inside = (at + t >= 0) & (at + t < len(x))
        x[at + t[inside]] += size * np.exp(-((t[inside] / width) ** 2) / 2)


def rests(rng, x, fs, beats, unknown):
    """Lengthen one rest by 2 to 10 s or all by up to 1.5 s, at times with P waves that nothing follows."""
    few = rng.random() < 0.6
    chosen = [rng.integers(len(beats) - 1)] if few else range(len(beats) - 1)
    n = int(rng.uniform(*((2, 10) if few else (0.2, 1.5))) * fs)
    size, width = rng.uniform(0.03, 0.4) * height(x, fs, beats) * (rng.random() < 0.6), rng.uniform(0.015, 0.03) * fs
    times = np.arange(rng.uniform(0, 0.5) * fs, n, rng.uniform(0.5, 1.2) * fs)
    cuts = [beats[k] + int(0.7 * (beats[k + 1] - beats[k])) for k in chosen]
    parts, last = [], 0
    for k, cut in zip(chosen, cuts, strict=True):
        rest = np.diff(x[beats[k] + int(0.6 * (beats[k + 1] - beats[k])) : cut + 1])
        gap = np.linspace(x[cut - 1], x[cut], n) + rng.standard_normal(n) * (rest.std() if len(rest) > 1 else 0)
        for at in times:
            gap += size * np.exp(-(((np.arange(n) - at) / width) ** 2) / 2)
        parts += [x[last:cut], gap]
        last = cut
    later = lambda v: v + n * np.searchsorted(cuts, v, side="right")  # noqa: E731
    return np.concatenate([*parts, x[last:]]), later(beats), [(later(a), later(b)) for a, b in unknown]


def reshape(rng, x, fs, beats, unknown):
    """Shorten all rests to a rate of 90 to 270 a minute and the complexes less, or widen the complexes."""
    period, wide = np.median(np.diff(beats)), 0.12 * fs
    wanted = 60 / rng.uniform(90, 270) * fs
    if rng.random() < 0.7 and wanted < period:
        width = max(0.45, (wanted / period) ** rng.uniform(0.3, 0.9))
    else:
        wanted, width = period, rng.uniform(1.2, 2.2)
    stretch = np.full(len(x), max(0.1, (wanted - width * wide) / max(period - wide, 1)))
    for beat in beats:
        stretch[max(0, int(beat - wide / 2)) : int(beat + wide / 2)] = width
    t = np.cumsum(stretch) - stretch[0]
    later = lambda v: np.interp(v, np.arange(len(x)), t)  # noqa: E731
    y = np.interp(np.arange(int(t[-1]) + 1), t, x)
    return y, np.round(later(beats)).astype(int), [(later(a), later(b)) for a, b in unknown]


def come_off(rng, x, fs, beats, unknown):
    """Let the lead come off for a while: flat, hum or noise, far from or near the signal."""
    a = rng.integers(max(1, len(x) - int(2 * fs)))
    b = min(len(x), a + int(rng.uniform(2, 8) * fs))
    t = np.arange(b - a) / fs
    size = height(x, fs, beats)
    kinds = (np.zeros(b - a), np.sin(2 * np.pi * rng.choice([50, 60]) * t), rng.standard_normal(b - a))
    x[a:b] = np.median(x) + rng.normal() * 3 * size + kinds[rng.integers(3)] * size * np.exp(rng.uniform(-6, 0))
    edge = int(0.15 * fs)
    return beats[(beats < a) | (beats >= b)], [*unknown, (a - edge, a + edge), (b - edge, b + edge)]


def disturb(rng, x, fs, beats, unknown):
    """Put noise of a random kind on half of the pieces, and on some what else befalls an ECG."""
    x = x.copy()
    if len(beats) > 3:
        if rng.random() < 0.2:
            x, beats, unknown = reshape(rng, x, fs, beats, unknown)
        elif rng.random() < 0.15:
            x, beats, unknown = rests(rng, x, fs, beats, unknown)
        if rng.random() < 0.1:
            raise_t(rng, x, fs, beats)
        if rng.random() < 0.12 and fs >= 250:
            pace(rng, x, fs, beats)
        if rng.random() < 0.05:
            beats, unknown = come_off(rng, x, fs, beats, unknown)
    if rng.random() < 0.1:
        x[rng.integers(len(x)) :] *= np.exp(rng.uniform(-1.2, 1.2))
    if rng.random() < 0.05:
        middle = np.median(x)
        x = np.clip(x, *(middle + rng.uniform(0.3, 1, 2) * (np.quantile(x, [0.001, 0.999]) - middle)))
    if rng.random() < 0.1:
        for at in rng.integers(len(x), size=rng.integers(1, 4)):
            x[at : at + 1 + int(rng.uniform(0, 0.03) * fs)] += rng.normal() * 20 * x.std()
    if rng.random() < 0.5:
        snr_db = rng.choice([24, 18, 12, 6, 3, 0])
        x = noise.add(rng, x, fs, beats, rng.choice(noise.KINDS), snr_db)
    return x, beats, unknown


def empty(rng):
    """Return a signal without a beat: noise, hum, a calibration square, spikes, steps, or several."""
    fs = int(rng.choice(RATES))
    n = int(fs * rng.choice([10, 30, 60]))
    x = np.zeros(n)
    for kind in rng.permutation(["white", "square", "spikes", *noise.KINDS])[: rng.integers(1, 3)]:
        if kind == "white":
            part = rng.standard_normal(n)
        elif kind == "square":
            part = np.sign(np.sin(2 * np.pi * rng.uniform(0.3, 3) * np.arange(n) / fs)) * rng.choice([0.5, 1])
        elif kind == "spikes":
            # Pacemaker spikes; at low rates they cannot be told from narrow complexes.
            part = np.zeros(n)
            period = int(fs * rng.uniform(0.5, 1.2))
            if fs >= 250:
                for k in range(max(1, int(rng.uniform(0.0005, 0.002) * fs))):
                    part[k + period // 2 :: period] = 1
        else:
            part = getattr(noise, kind)(rng, n, fs)
        x += part / max(part.std(), 1e-9) * rng.uniform(0.1, 1)
    return x, fs


def pieces(rng):
    """Yield record, pass, signal (float32), rate, beats and unknown spans of every training piece."""
    for n in range(PASSES):
        for source in (mitdb(), ludb()):
            for name, lead, fs, all_beats, all_unknown, lengths in source:
                start = 0
                while start < len(lead) - 5 * fs:
                    stop = min(len(lead), start + int(fs * rng.choice(lengths)))
                    beats = all_beats[(all_beats >= start) & (all_beats < stop)] - start
                    unknown = [(a - start, b - start) for a, b in all_unknown]
                    x, start = lead[start:stop], stop
                    new = int(fs)
                    if n:
                        x, beats, unknown = disturb(rng, x, fs, beats, unknown)
                        new = int(rng.choice(RATES))
                        x = resample_poly(x, new, int(fs), padtype="line") if new != fs else x
                    # Other hearts are quicker and slower, their complexes narrower and wider.
                    scale, quicker = new / fs, np.exp(rng.uniform(-0.15, 0.15)) if n else 1.0
                    spans = [(a * scale, b * scale) for a, b in unknown]
                    yield name, n, x.astype(np.float32), new * quicker, beats * scale, spans
        for _ in range(EMPTY):
            x, fs = empty(rng)
            yield "empty", n, x.astype(np.float32), fs, np.array([]), []
        print(f"pass {n + 1} of {PASSES}", file=sys.stderr)


def rows(which, flat, x, fs, beats, unknown):
    """Return features, labels and weights of the maxima of a piece."""
    at, local, context = _core.rpeak_features(x.astype(np.float64), float(fs), flat)
    label, weight = np.zeros(len(at), np.float32), np.ones(len(at), np.float32)
    for beat in beats:
        near = np.flatnonzero(np.abs(at - beat) <= 0.15 * fs)
        weight[near] = 0.3
        near = near[np.abs(at[near] - beat) <= 0.1 * fs]
        if len(near):
            chosen = near[np.argmax(local[near, 0] - 8 * np.abs(at[near] - beat) / fs)]
            label[chosen] = weight[chosen] = 1
    for a, b in unknown:
        weight[(at >= a) & (at <= b)] = 0
    keep = weight > 0
    return (local if which == "local" else context)[keep], label[keep], weight[keep]


def fit(which, X, y, w):
    """Return the weights of a network with one hidden layer, flat, the inputs' standardisation folded in."""
    torch.manual_seed(0)
    mean, scale = X.mean(0, dtype=np.float64), X.std(0, dtype=np.float64) + 1e-6
    net = torch.nn.Sequential(
        torch.nn.Linear(INPUTS[which], HIDDEN[which]), torch.nn.ReLU(), torch.nn.Linear(HIDDEN[which], 1)
    )
    X, y, w = (torch.from_numpy(v) for v in (((X - mean) / scale).astype(np.float32), y, w))
    batch = 2048
    steps = EPOCHS * (len(X) // batch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for _ in range(EPOCHS):
        total = 0.0
        for index in torch.randperm(len(X))[: len(X) // batch * batch].view(-1, batch):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(net(X[index])[:, 0], y[index], w[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * batch
    print(f"{which}: {len(X)} maxima, loss {total / len(X):.5f} at the end", file=sys.stderr)
    first, second = net[0], net[2]
    hidden = (first.weight.detach().numpy() / scale).T
    bias = first.bias.detach().numpy() - mean @ hidden
    flat = np.concatenate([hidden.ravel(), bias, second.weight.detach().numpy()[0], second.bias.detach().numpy()])
    # five digits are what the networks of the first file had, which was text; more do not change a peak
    return np.array([float(f"{v:.5g}") for v in flat], np.float32)


def logits(which, flat, X):
    """Return the log-odds that a flat network gives."""
    inputs, units = INPUTS[which], HIDDEN[which]
    hidden, bias = flat[: inputs * units].reshape(inputs, units), flat[inputs * units :][:units]
    return np.maximum(X @ hidden + bias, 0) @ flat[-units - 1 : -1] + flat[-1]


def train(data):
    """Return both networks, learnt from pieces; what is undisturbed counts double."""
    nets = {"local": np.zeros((INPUTS["local"] + 2) * HIDDEN["local"] + 1, np.float32)}
    for which in ("local", "context"):
        parts = [rows(which, nets["local"], *piece[2:]) for piece in data]
        parts = [(X, y, w if piece[1] else 2 * w) for (X, y, w), piece in zip(parts, data, strict=True)]
        nets[which] = fit(which, *(np.concatenate(part) for part in zip(*parts, strict=True)))
    return nets


def validate(data, folds=3):
    """Print, out of fold on DS1, misses and false beats among the maxima by threshold of the log-odds."""
    out = {"as it is": [], "disturbed": []}
    for fold in range(folds):
        held = set(DS1[fold::folds])
        nets = train([piece for piece in data if piece[0] not in held])
        for piece in data:
            if piece[0] in held:
                X, y, w = rows("context", nets["local"], *piece[2:])
                out["disturbed" if piece[1] else "as it is"].append((logits("context", nets["context"], X), y, w))
    for name, parts in out.items():
        logit, y, w = (np.concatenate(part) for part in zip(*parts, strict=True))
        for accept in np.arange(-3, 2.1, 0.5):
            missed, false = ((logit < accept) & (y == 1)).sum(), ((logit >= accept) & (y == 0) & (w == 1)).sum()
            hits = (y == 1).sum() - missed
            f1 = 200 * hits / (2 * hits + missed + false)
            print(f"{name:10} {accept:4.1f}: missed {missed} false {false} F1 {f1:.3f}")


def write(nets):
    """Write the file of weights and where they come from."""
    tensors = {}
    for which, flat in nets.items():
        inputs, units = INPUTS[which], HIDDEN[which]
        hidden, bias, output, shift = np.split(flat, np.cumsum([inputs * units, units, units]))
        parts = {"hidden": hidden.reshape(inputs, units), "bias": bias, "output": output, "shift": shift}
        tensors |= {f"{which}.{name}": part for name, part in parts.items()}
    inputs = hashlib.sha256()
    for path in [DATA / "mitdb" / f"{name}{end}" for name in DS1 for end in (".dat", ".atr")]:
        inputs.update(path.read_bytes())
    for number in LUDB:
        inputs.update((DATA / "ludb" / "data" / f"{number}.dat").read_bytes())
    about = {
        "made by": "benches/train_rpeaks.py, benches/noise.py",
        "data": f"MIT-BIH 1.0.0: {' '.join(DS1)}; LUDB 1.0.1: {LUDB[0]}-{LUDB[-1]}",
        "licence of the data": "ODC-BY 1.0",
        "sha256 of the data": inputs.hexdigest(),
        "seed": str(SEED),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    print(f"sha256 {weights.write('peaks', tensors, REVISION, about)}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    data = list(pieces(np.random.default_rng(SEED)))
    if sys.argv[1:] == ["validate"]:
        validate(data)
    else:
        write(train(data))
