"""Train the two networks of `biotl.signal.rpeaks` and write `rust/biotl-core/src/peaks_weights.rs`.

    python benches/train_rpeaks.py local   && maturin develop --release
    python benches/train_rpeaks.py context && maturin develop --release

Data (`BIOTL_DATA`): both leads of the 22 records of MIT-BIH DS1, of the paced records 102 and 104 as QTDB has them, and
LUDB 1-70 in all twelve leads, at random rates from 100 to 1000 Hz and a little quicker or slower than they were, in
pieces of 10 s to 5 min, half of them with synthetic noise (`noise.py`); and signals without a beat. The second network
sees the first one's opinion, so the first is built in before the second is trained.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import noise
import numpy as np
import torch
import wfdb
from scipy.signal import resample_poly

from biotl import _core

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))
WEIGHTS = Path(__file__).parents[1] / "rust" / "biotl-core" / "src" / "peaks_weights.rs"
DS1 = (
    "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split()  # noqa: SIM905
)
BEATS = set("NLRBAaJSVrFejnE/fQ?")
RATES = (100, 125, 128, 180, 200, 250, 257, 300, 360, 400, 500, 720, 1000)
HIDDEN = {"local": 16, "context": 24}


def mitdb():
    """Yield lead, rate, beats and the spans where the marks say nothing."""
    for name in DS1:
        record = wfdb.rdrecord(str(DATA / "mitdb" / name))
        marks = wfdb.rdann(str(DATA / "mitdb" / name), "atr")
        symbols = np.array(marks.symbol)
        beats = marks.sample[[s in BEATS for s in symbols]]
        flutter = list(zip(marks.sample[symbols == "["], marks.sample[symbols == "]"], strict=True))
        for lead in record.p_signal.T:
            yield lead, record.fs, beats, flutter


def ludb(first, last):
    """Yield likewise; nothing is known outside the first and last marked beat of a lead."""
    for number in range(first, last + 1):
        record = wfdb.rdrecord(str(DATA / "ludb" / "data" / str(number)))
        for name, lead in zip(record.sig_name, record.p_signal.T, strict=True):
            marks = wfdb.rdann(str(DATA / "ludb" / "data" / str(number)), name.lower())
            beats = marks.sample[np.array(marks.symbol) == "N"]
            if len(beats) > 2:
                edge = int(0.25 * record.fs)
                yield lead, record.fs, beats, [(0, beats[0] - edge), (beats[-1] + edge, len(lead))]


def qtdb():
    """Yield likewise both leads of the two paced records of QTDB, so that a paced beat is not taken for its spike."""
    for name in ("sel102", "sel104"):
        record = wfdb.rdrecord(str(DATA / "qtdb" / name))
        marks = wfdb.rdann(str(DATA / "qtdb" / name), "atr")
        beats = marks.sample[[s in BEATS for s in marks.symbol]]
        for lead in record.p_signal.T:
            yield lead, record.fs, beats, []


def pieces(rng, source, lengths):
    """Cut the leads of a source into pieces of random length."""
    for x, fs, beats, unknown in source:
        start = 0
        while start < len(x) - 5 * fs:
            stop = min(len(x), start + int(fs * rng.choice(lengths)))
            inside = beats[(beats >= start) & (beats < stop)] - start
            yield x[start:stop], fs, inside, [(a - start, b - start) for a, b in unknown]
            start = stop


def disturb(rng, x, fs, beats):
    """Put noise of a random kind on half of the pieces, and on some a change of gain, large spikes or a pacemaker."""
    x = x.copy()
    if rng.random() < 0.1:
        x[rng.integers(len(x)) :] *= np.exp(rng.uniform(-1.2, 1.2))
    if rng.random() < 0.1:
        for at in rng.integers(len(x), size=rng.integers(1, 4)):
            x[at : at + 1 + int(rng.uniform(0, 0.03) * fs)] += rng.normal() * 20 * x.std()
    if rng.random() < 0.1 and len(beats) and fs >= 250:
        lead = int(rng.uniform(0.01, 0.06) * fs)
        height = rng.uniform(-1, 1) * np.ptp(x[max(0, beats[0] - lead) : beats[0] + lead])
        for k in range(max(1, int(0.002 * fs))):
            x[np.clip(beats - lead + k, 0, len(x) - 1)] += height
    if rng.random() < 0.5:
        return x
    snr_db = rng.choice([24, 18, 12, 6, 3, 0])
    return noise.add(rng, x, fs, beats, rng.choice(noise.KINDS), snr_db)


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
            if fs >= 360:
                for k in range(max(1, int(rng.uniform(0.0005, 0.002) * fs))):
                    part[k + period // 2 :: period] = 1
        else:
            part = getattr(noise, kind)(rng, n, fs)
        x += part / max(part.std(), 1e-9) * rng.uniform(0.1, 1)
    return x, fs


def rows(x, fs, beats, unknown, which):
    """Return features, labels and weights of the maxima of a piece."""
    at, local, context = _core.rpeak_features(np.ascontiguousarray(x, dtype=np.float64), float(fs))
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


def collect(rng, which, passes):
    """Return the rows of all training pieces, `passes` times disturbed."""
    out = []
    sources = [(list(mitdb()), [10, 30, 60, 300]), (list(ludb(1, 70)), [10]), (list(qtdb()), [10, 60])]
    for n in range(passes):
        for source, lengths in sources:
            for x, fs, beats, unknown in pieces(rng, source, lengths):
                y = disturb(rng, x, fs, beats) if n else x
                new = int(rng.choice(RATES)) if n else int(fs)
                if new != fs:
                    y = resample_poly(y, new, int(fs), padtype="line")
                scale = new / fs
                # Other hearts are quicker and slower, their complexes narrower and wider.
                new *= np.exp(rng.uniform(-0.15, 0.15)) if n else 1
                out.append(rows(y, new, beats * scale, [(a * scale, b * scale) for a, b in unknown], which))
        for _ in range(200):
            x, fs = empty(rng)
            out.append(rows(x, fs, np.array([]), [], which))
        print(f"pass {n + 1}: {sum(len(o[1]) for o in out)} maxima", file=sys.stderr)
    return [np.concatenate(part) for part in zip(*out, strict=True)]


def fit(X, y, w, hidden, epochs=12):
    """Return the weights of a network with one hidden layer, the inputs' standardisation folded in."""
    torch.manual_seed(0)
    mean, scale = X.mean(0), X.std(0) + 1e-6
    net = torch.nn.Sequential(torch.nn.Linear(X.shape[1], hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 1))
    X, y, w = (torch.from_numpy(v) for v in ((X - mean) / scale, y, w))
    batch = 2048
    steps = epochs * (len(X) // batch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for epoch in range(epochs):
        total = 0.0
        for index in torch.randperm(len(X))[: len(X) // batch * batch].view(-1, batch):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(net(X[index])[:, 0], y[index], w[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * batch
        print(f"epoch {epoch + 1}: loss {total / len(X):.5f}", file=sys.stderr)
    first, second = net[0], net[2]
    hidden_weights = (first.weight.detach().numpy() / scale).T
    bias = first.bias.detach().numpy() - mean @ hidden_weights
    return hidden_weights, bias, second.weight.detach().numpy()[0], float(second.bias.detach()[0])


def write(which, hidden_weights, bias, output, shift):
    """Replace one network in the weights file."""

    def number(v):
        text = f"{v:.5g}"
        return text if "." in text or "e" in text else text + ".0"

    def row(values):
        return "[" + ", ".join(map(number, values)) + "]"

    name, inputs = f"{which.upper()}_NET", which.upper()
    body = (
        f"pub static {name}: Perceptron<{inputs}, {len(bias)}> = Perceptron {{\n"
        f"hidden: [{', '.join(map(row, hidden_weights))}],\n"
        f"bias: {row(bias)},\noutput: {row(output)},\nshift: {number(shift)},\n}};"
    )
    text = re.sub(rf"pub (?:const|static) {name}:.*?\}};", lambda _: body, WEIGHTS.read_text(), flags=re.DOTALL)
    WEIGHTS.write_text(text)
    subprocess.run(["rustfmt", "--edition", "2024", str(WEIGHTS)], check=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    which = sys.argv[1]
    rng = np.random.default_rng(20261121)
    X, y, w = collect(rng, which, passes=int(sys.argv[2]) if len(sys.argv) > 2 else 5)
    write(which, *fit(X, y, w, HIDDEN[which]))
