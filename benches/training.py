"""What the engine costs: samples per second of four models under the trainer and under a bare PyTorch loop.

    PYTHONPATH=python python benches/training.py [EPOCHS] [NAME]

Both train on the same batches with the same optimiser, one thread, in turns by epoch; a figure is a ratio of process
CPU times, the median over epochs. The bare loop loads, steps and clips, and does nothing else. A second bare loop takes
its turn too: how far it is from the first is what the machine's other work makes of equal loops.
"""

import copy
import sys
import tempfile
import time
from functools import partial
from statistics import median

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader

from biotl.config import validate
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.samples import spread
from biotl.datasets.spec_kinds import SentenceSpec
from biotl.models.registry import build
from biotl.records import ecg
from biotl.training.data import Task, View, collate
from biotl.training.losses import MaskedReconstruction, MultiResolutionSTFT
from biotl.training.stages import Config
from biotl.training.trainer import Trainer


class Lstm(nn.Module):
    """Two layers of 64 over sequences of 500 steps."""

    inputs = ("x",)

    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 64, 2, batch_first=True), nn.Linear(64, 1)

    def forward(self, x):
        return {"prediction": self.head(self.lstm(x)[0])[..., 0]}


class Patches(nn.Module):
    """Ten patches of two channels, width 192, five layers."""

    inputs = ("x",)

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(250, 192)
        layer = nn.TransformerEncoderLayer(192, 6, 576, dropout=0.1, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 5), nn.Linear(192, 2)

    def forward(self, x):
        return {"logits": self.head(self.encoder(self.embed(x)).mean(1))}


class Arrays:
    """Samples from arrays in memory."""

    def __init__(self, **arrays):
        self.arrays = arrays

    def __len__(self):
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, index):
        return {name: array[index] for name, array in self.arrays.items()}


def sentences(n):
    """Return labelled windows of synthetic ECG, and the model of the recipe."""
    plain = make_preprocessor(SentenceSpec())
    prepared = [plain.prepare([ecg(1, subject, duration_s=240.0)]) for subject in range(4)]
    preprocessor = plain.fit(prepared, names=["a"], seed=0)
    windows = []
    for one in prepared:
        labels = {"labels": np.arange(len(preprocessor.units(one))) % 5}
        inputs = [preprocessor.inputs(one, cut) for cut in preprocessor.cuts(one)]
        windows += [{**of, **spread(of["unit"], labels)} for of in inputs]
    kept = [windows[k % len(windows)] for k in range(n)]
    return build("ecgbert", classes=5), Arrays(**{name: np.stack([w[name] for w in kept]) for name in kept[0]}), 16


def cases(rng):
    """Yield name, model, data, batch size and loss."""
    normal = lambda *shape: rng.standard_normal(shape, dtype=np.float32)  # noqa: E731
    model, data, batch = sentences(96)
    yield "ECGBERT", model, data, batch, "cross_entropy"
    yield "LSTM 2 x 64, 500 steps", Lstm(), Arrays(x=normal(96, 500, 3), target=normal(96, 500)), 16, "masked_mse"
    labels = rng.integers(0, 2, 512)
    hidden = np.repeat(rng.random((384, 1, 10)) < 0.4, 125, -1).repeat(2, 1)
    x = normal(384, 2, 1250)
    windows = Arrays(signal=x, target=x.copy(), mask=hidden, measured=~hidden)
    model = build("patch_encoder", reconstruct=True)
    yield "pretraining, 2.5 M, batch 128", model, windows, 128, "masked_reconstruction"
    yield "transformer, 10 patches", Patches(), Arrays(x=normal(512, 10, 250), labels=labels), 32, "cross_entropy"


RESTORE = ((MaskedReconstruction(target="target"), 1.0), (MultiResolutionSTFT(target="target"), 0.3))


def bare_epoch(model, optimizer, loader, loss):
    """Train one epoch as one would without an engine."""
    model.train()
    for batch in loader:
        out = model(*(batch[name] for name in model.inputs))
        if loss == "masked_reconstruction":
            value = sum(weight * term(out, batch) for term, weight in RESTORE)
        elif loss == "cross_entropy":
            value = cross_entropy(out["logits"].flatten(0, -2), batch["labels"].flatten())
        else:
            value = mse_loss(out["prediction"], batch["target"])
        value.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def main(epochs, only=""):
    """Print a line for each model, or for those whose name begins so."""
    torch.set_num_threads(1)
    for name, model, data, batch, loss in cases(np.random.default_rng(0)):
        if not name.startswith(only):
            continue
        terms = [{"name": loss} | ({"mask": None} if loss == "masked_mse" else {})]
        if loss == "masked_reconstruction":
            terms = [{"name": loss, "target": "target"}, {"name": "stft", "target": "target", "times": 0.3}]
        stage = {"name": "bench", "loss": terms, "epochs": epochs, "batch_size": batch, "lr": 1e-3}
        if hasattr(model, "mlm"):
            stage["trains"] = ["embedding", "encoder", "head"]
        loops = {}
        for kind in ("bare", "bare again"):
            twin = copy.deepcopy(model)
            optimizer = torch.optim.AdamW(twin.parameters(), lr=1e-3, weight_decay=0.01)
            loader = DataLoader(data, batch, shuffle=True, collate_fn=lambda samples, data=data: collate(data, samples))
            loops[kind] = partial(bare_epoch, twin, optimizer, loader, loss)
        times = {"bare": [], "engine": [], "bare again": []}
        with tempfile.TemporaryDirectory() as folder:
            config = validate(Config, {"recipe": "bench", "run": f"{folder}/run", "stages": [stage]})
            # other numbers than those it trains on, which would be refused
            small = {key: array[:batch] for key, array in data.arrays.items()}
            small = Arrays(**{key: x + np.float32(0.01) if x.dtype == np.float32 else x for key, x in small.items()})
            trainer = Trainer(config, Task(model, {"main": View(data, small)}))
            epoch = trainer._train_epoch

            def timed(stage, epoch=epoch, loops=loops, times=times):
                turns = [*{**loops, "engine": partial(epoch, stage)}.items()]
                first = len(times["bare"]) % len(turns)
                for kind, run in turns[first:] + turns[:first]:
                    began = time.process_time()
                    run()
                    times[kind].append(time.process_time() - began)

            trainer._train_epoch = timed
            trainer.fit()
        bare = times["bare"]
        ratio, apart = (
            median(b / other for b, other in zip(bare, times[kind], strict=True)) for kind in ("engine", "bare again")
        )
        rate = {kind: len(data) / median(of) for kind, of in times.items()}
        print(
            f"{name:26} bare {rate['bare']:8.1f}/s  engine {rate['engine']:8.1f}/s  ratio {ratio:.3f}  "
            f"bare again {apart:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15, *sys.argv[2:])
