"""Measure what the spiking network takes: an epoch against snnTorch, and the operations of an inference.

python benches/spiking_speed.py speed       an epoch of 512 windows, four kinds in turn, processor time of one thread
python benches/spiking_speed.py cost RUN    spikes, operations and picojoules of the network of a finished run, over
                                            every tenth window of its test patients
"""

import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from biotl.models.energy import cost
from biotl.models.registry import build
from biotl.recipes import registry
from biotl.recipes.prep import fit, prepare
from biotl.training.checkpoint import load


def with_snntorch(hidden=(256, 128)):
    """The documented network and encoding on snnTorch, as its documents write them: a loop over the steps."""
    import snntorch
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            sizes = [2500, *hidden, 2]
            self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
            grad = snntorch.surrogate.fast_sigmoid(slope=25)
            self.cells = nn.ModuleList(snntorch.Leaky(beta=0.9, spike_grad=grad) for _ in self.layers)
            self.dropout = nn.Dropout(0.5)
            self.rng = np.random.default_rng(0)

        def forward(self, signal):
            x = signal.flatten(1)
            x = (x - x.amin(1, keepdim=True)) / (x.amax(1, keepdim=True) - x.amin(1, keepdim=True))
            chance = (0.1 * x).numpy()
            drawn = [torch.from_numpy((self.rng.random((100, 2500)) < row).astype(np.float32)) for row in chance]
            spikes = torch.stack(drawn, 1)
            membranes = [cell.init_leaky() for cell in self.cells]
            total = 0
            for x in spikes:
                for k, (layer, cell) in enumerate(zip(self.layers, self.cells, strict=True)):
                    x, membranes[k] = cell(layer(self.dropout(x) if k else x), membranes[k])
                total = total + x
            return {"logits": total / 25}

    return Net()


def speed():
    """Print the time of an epoch of each, in turn, and how many times snnTorch takes it."""
    import torch

    torch.set_num_threads(1)
    signal, labels = torch.randn(512, 1, 2500), torch.arange(512) % 2
    models = {"snnTorch, rate": with_snntorch(), "biotl, rate": build("spiking", encoding="rate"),
              "biotl, current": build("spiking", gain=100.0), "plain twin": build("spiking_twin")}  # fmt: skip
    times = {name: [] for name in models}
    for epoch in range(4):
        for name, model in models.items():
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-3)
            began = time.process_time()
            for i in range(0, len(signal) if epoch else 32, 32):
                out = model(signal[i : i + 32])["logits"]
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(out, labels[i : i + 32]).backward()
                optimizer.step()
            if epoch:  # the first warms up
                times[name].append(time.process_time() - began)
    theirs = np.array(times["snnTorch, rate"])
    for name, own in times.items():
        ratio = theirs / np.array(own)
        print(f"{name:16s} {np.median(own):.2f} s an epoch of 512 windows, {np.median(ratio):.1f} times as fast as "
              f"snnTorch [{ratio.min():.1f}, {ratio.max():.1f}]")  # fmt: skip


def spent(run):
    """Print what an inference costs."""
    import torch

    saved = load(sorted((run / "checkpoints").glob("best-*.safetensors"), key=lambda path: path.stat().st_mtime)[-1])
    about = saved.state["about"]["about"]["model"]
    model = build(about["name"], **about["options"])
    model.load_state_dict(saved.part("model"))
    ready = fit(prepare(registry.load(run / "config.resolved.yaml", [f"run={run}"])))
    of = ready.preprocessor
    held = [ready.store[part.id] for part in ready.parts("test")]
    rows = [of.inputs(prepared, cut) for prepared in held for cut in list(of.cuts(prepared))[::10]]
    print(
        "\n".join(
            cost(model, *(torch.from_numpy(np.stack([row[name] for row in rows])) for name in model.inputs)).lines()
        )
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["speed"]:
        speed()
    elif sys.argv[1:2] == ["cost"] and len(sys.argv) == 3:
        spent(Path(sys.argv[2]))
    else:
        raise SystemExit(__doc__)
