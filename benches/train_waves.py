"""Train the networks of `biotl.signal.delineate` and write `rust/biotl-core/src/waves/waves.safetensors`.

    python benches/train_waves.py [--validate] && maturin develop --release

One thread, fixed seeds: on one machine it writes the same bytes again (`waves.sha256` holds their SHA-256).
Data (`BIOTL_DATA`): the waves marked in LUDB 1-70, each lead apart, and in the first lead of the six records of QTDB
that are not from MIT-BIH DS2, in many guises (`strips.py`); and, for the presence of P alone, MIT-BIH DS1 and its four
paced records. The networks for P and T look out from the complex: here they see the onsets of networks that were
trained on the other two thirds of the hearts, so that those err as they will on new hearts. `--validate` prints,
instead of writing anything, how networks trained on two thirds do on the remaining third. `benches/waves.py` measures
on LUDB 71-100, on the other nine records of QTDB and on MIT-BIH DS2, none of which is seen here.
"""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import strips
import torch
import weights
from marked import DS1, PACED, QTDB_TRAIN, ludb, mitdb, qtdb

from biotl import _core

SEED, PASSES, EPOCHS, FOLDS = 20261121, 8, 8, 3
REVISION = "1"  # of the features: `waves/zones.rs`
# streams, points, values that have no place in them, time of the first point, and from one to the next: `zones.rs`
ROWS = ((2, 48, 11, -0.43, 0.010), (2, 51, 16, -0.18, 0.008), (3, 33, 4, 0.06, 0.020))
FILTERS, HIDDEN = ((16, 7), (24, 5)), 48
NAMES = ("P", "QRS", "T")


class Net(torch.nn.Module):
    """Two convolutions along time, the first at every second point, and what is read from them: `network.rs`.

    Each time is the mean of the times of the points, weighted by evidence near them and by that of the whole row, which
    begins at the usual times.
    """

    def __init__(self, row, middle, spread):
        super().__init__()
        streams, points, context, start, pitch = row
        (one, wide), (two, narrow) = FILTERS
        self.signal, places = (streams, points), (points + 1) // 2
        self.times = (start + 2 * pitch * torch.arange(places)).float()
        self.one = torch.nn.Conv1d(streams, one, wide, stride=2, padding=wide // 2)
        self.two = torch.nn.Conv1d(one, two, narrow, padding=narrow // 2)
        self.three = torch.nn.Linear(two * places + context, HIDDEN)
        self.drop = torch.nn.Dropout(0.1)
        self.four = torch.nn.Linear(HIDDEN, 4 + 3 * places)
        self.five = torch.nn.Conv1d(two, 3, 1)
        with torch.no_grad():
            self.four.bias[4:] = -(((self.times - middle[:, None]) / spread[:, None]) ** 2).flatten() / 2

    def forward(self, x):
        """Return three times, their Laplace scales (logarithms) and the log-odds of presence."""
        streams, points = self.signal
        y = torch.relu(self.one(x[:, : streams * points].view(-1, streams, points)))
        y = torch.relu(self.two(y))
        row = torch.cat([y.flatten(1), x[:, streams * points :]], 1)
        rest, far = self.four(self.drop(torch.relu(self.three(row)))).split([4, 3 * len(self.times)], 1)
        times = (self.five(y) + far.view(len(x), 3, -1)).softmax(2) @ self.times
        return torch.cat([times, rest], 1)


class Trained:
    """A network with what makes its inputs standard and its scales seconds."""

    def __init__(self, row, X, target, present, weight):
        torch.manual_seed(SEED)
        middle, spread = (torch.from_numpy(f(target, 0)) for f in (np.nanmean, np.nanstd))
        self.net = Net(row, middle, spread)
        self.mean, self.scale = X.mean(0), 1 / (X.std(0) + 1e-6)
        Z = torch.from_numpy((X - self.mean) * self.scale)
        Y, P, W = (torch.from_numpy(v) for v in (target, present, weight))
        batch, rate = 512, 4e-3
        optimizer = torch.optim.AdamW(self.net.parameters(), lr=rate, weight_decay=1e-2)
        steps = EPOCHS * (len(X) // batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
        for _ in range(EPOCHS):
            for index in torch.randperm(len(X))[: len(X) // batch * batch].view(-1, batch):
                answer, y, p = self.net(Z[index]), Y[index], P[index]
                known, sure = ~torch.isnan(y), ~torch.isnan(p)
                log = answer[:, 3:6].clamp(-4, 2)
                off = (torch.nan_to_num(y) - answer[:, :3]).abs() / spread
                loss = ((off * torch.exp(-log) + log) * known).sum() / known.sum().clamp(min=1)
                judged = torch.nn.functional.binary_cross_entropy_with_logits(answer[sure, 6], p[sure], W[index][sure])
                optimizer.zero_grad()
                (loss + judged).backward()
                optimizer.step()
                schedule.step()
        self.net.eval()
        with torch.no_grad():
            self.net.four.bias[:3] += spread.log()  # scales become those of seconds

    def __call__(self, X):
        """Return the answers to rows, times in seconds."""
        with torch.no_grad():
            return self.net(torch.from_numpy((X - self.mean) * self.scale)).numpy()

    def tensors(self):
        """Return what `network.rs` reads; every weight by output, input and tap."""
        parts = {"mean": self.mean, "scale": self.scale}
        for name in ("one", "two", "three", "four", "five"):
            layer = getattr(self.net, name)
            weight = layer.weight.detach().numpy()
            parts |= {
                f"{name}.weight": weight.reshape(*weight.shape[:2], -1),
                f"{name}.bias": layer.bias.detach().numpy(),
            }
        return parts


def hearts():
    """Return the leads of every training record; of QTDB three times the first, where it is marked."""
    every = list(ludb(1, 70))
    for lead, _ in qtdb(QTDB_TRAIN):
        first, last = np.nanmin(lead.points), np.nanmax(lead.points)
        a, b = max(0, int(first - 12 * lead.fs)), int(last + 12 * lead.fs)
        every.append([replace(lead, x=lead.x[a:b], points=lead.points - a)] * 3)
    return every


def collect(rng):
    """Yield, pass by pass, strip, R peaks, which of them are marked, and what the QRS network sees of each."""
    every = hearts()
    for n in range(PASSES):
        for leads in [*every, [None] * 50]:
            for i, strip in enumerate(leads):
                other = leads[(i + int(rng.integers(1, len(leads)))) % len(leads)] if len(leads) > 3 else None
                guise = strips.heartless(rng) if strip is None else strips.change(rng, strip, other) if n else strip
                beats, own = strips.beats_of(rng, guise, 0.004 * (n > 0))
                if beats is not None:
                    yield n, guise, beats, own, _core.wave_complexes(guise.x, beats, guise.fs)
        print(f"pass {n + 1} of {PASSES}", file=sys.stderr)


def around(net, x, beats, fs, complexes):
    """Return what the networks for P and T see, the complexes delineated by a network, and the onsets of these."""
    answer = net(complexes)
    return _core.wave_surroundings(x, beats, fs, *(np.ascontiguousarray(answer[:, n]) for n in (0, 2)))


def presence(rng, nets):
    """Yield beats of MIT-BIH of which it is known whether they have a P wave: rows, presence, fold."""
    for n, (x, fs, beats, present, ventricular) in enumerate(mitdb([*DS1, *PACED])):
        fold, rate = n // 2 % FOLDS, fs * np.exp(rng.uniform(-0.12, 0.12))
        x = x * rng.choice([-1, 1])
        rows, *_ = around(nets[fold], x, beats, rate, _core.wave_complexes(x, beats, rate))
        for chosen in (present == 1, (present == 0) & ventricular, (present == 0) & ~ventricular):
            index = rng.permutation(np.flatnonzero(chosen))[:800]
            yield rows[index], present[index].astype(np.float32), np.full(len(index), fold)


def score(name, answers, target, present):
    """Print mean and SD of the three errors, and how often a wave is found where it is and where it is not."""
    wave = present == 1
    there = wave & (answers[:, 6] > 0) & (np.abs(answers[:, 1] - target[:, 1]) < 0.15)
    errors = 1000 * (answers[:, :3] - target)[there]
    figures = "  ".join(f"{np.nanmean(e):+.1f} ({np.nanstd(e):.1f})" for e in errors.T)
    found, invented = 100 * there.sum() / wave.sum(), 100 * (answers[present == 0, 6] > 0).mean()
    print(f"{name}: onset, peak, offset {figures} ms; found {found:.1f} %, invented {invented:.1f} %")


def train(validate):
    """Return the three networks, or print how well they do on hearts left out."""
    rng = np.random.default_rng(SEED)
    guises = list(collect(rng))
    fold = np.concatenate([np.full(len(own), g.subject % FOLDS) for _, g, _, own, _ in guises])
    plain = np.concatenate([np.full(len(own), n == 0 and g.subject < 1000) for n, g, _, own, _ in guises])
    target = [(g.points - beats[own][:, None, None]) / g.fs for _, g, beats, own, _ in guises]
    target = np.concatenate(target).astype(np.float32)
    present = np.concatenate([g.present for _, g, *_ in guises]).astype(np.float32)
    target[present[:, 1] == 0] = np.nan
    complexes = np.concatenate([rows[own] for *_, own, rows in guises])

    def fit(wave, X, folds, target, present, weight, left_out=None):
        used = (np.isfinite(present) | np.isfinite(target).any(1)) & (folds != left_out)
        print(f"training {NAMES[wave]} on {used.sum()} beats", file=sys.stderr)
        return Trained(ROWS[wave], X[used], target[used], present[used], weight[used])

    one = np.ones(len(fold), np.float32)
    data = [None, (complexes, fold, target[:, 1], present[:, 1], one), None]
    nets = [fit(1, *data[1], left_out=k) for k in range(FOLDS)]
    seen = [
        [part[own] for part in around(nets[g.subject % FOLDS], g.x, beats, g.fs, complexes)]
        for _, g, beats, own, complexes in guises
    ]
    # times of P and T count from the onset that their networks look out from
    target[:, ::2] -= np.concatenate([onsets for *_, onsets in seen])[:, None, None]
    rows, known, folds = (np.concatenate(part) for part in zip(*presence(rng, nets), strict=True))
    none = np.full((len(rows), 3), np.nan, np.float32)
    data[0] = (
        np.concatenate([*(p for p, *_ in seen), rows]),
        np.concatenate([fold, folds]),
        np.concatenate([target[:, 0], none]),
        np.concatenate([present[:, 0], known]),
        np.concatenate([one, np.full(len(rows), 0.7, np.float32)]),
    )
    data[2] = (np.concatenate([t for _, t, _ in seen]), fold, target[:, 2], present[:, 2], one)
    if not validate:
        return [fit(wave, *data[wave]) for wave in range(3)]
    for wave in range(3):
        X, where, *_ = data[wave]
        answers = np.zeros((len(X), 7), np.float32)
        for k in range(FOLDS):
            net = nets[k] if wave == 1 else fit(wave, *data[wave], left_out=k)
            answers[where == k] = net(X[where == k])
        score(NAMES[wave], answers[: len(plain)][plain], target[plain, wave], present[plain, wave])
    return []


def provenance():
    """Return what the weights were made of and with."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    commit = commit.stdout.strip()
    return {
        "made by": "benches/train_waves.py, benches/strips.py, benches/noise.py",
        "data": f"LUDB 1.0.1: 1-70; QTDB 1.0.0: {' '.join(QTDB_TRAIN)}; MIT-BIH 1.0.0: {' '.join([*DS1, *PACED])}",
        "licence of the data": "ODC-BY 1.0",
        "R peaks of the strips by": f"the detector of commit {commit}",
        "seed": str(SEED),
        "passes": str(PASSES),
        "epochs": str(EPOCHS),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    networks = train("--validate" in sys.argv)
    if networks:
        pairs = zip(("p", "qrs", "t"), networks, strict=True)
        tensors = {f"{wave}.{name}": part for wave, net in pairs for name, part in net.tensors().items()}
        print(f"sha256 {weights.write('waves', tensors, REVISION, provenance())}")
