"""A model of windows or steps that writes its own graph, exported with and without its preprocessing inside."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from biotl.datasets.kinds import make_preprocessor
from biotl.deploy.answer import batches
from biotl.deploy.bundle import About, Bundle, Data, Model
from biotl.deploy.decision import Classes
from biotl.deploy.export import export

LABELS = Classes(labels=("quiet", "loud"), thresholds=(0.55, 0.45), calibration=1.3)


@dataclass(frozen=True)
class Pair:
    """One model as two files: behind biotl's preprocessing, and with its own."""

    spec: Path
    raw: Path


class Linear(torch.nn.Module):
    """Weights over a window, or over the channels of a step: written down in no time, where tracing takes seconds."""

    inputs = ("signal",)

    def __init__(self, spec, decision):
        super().__init__()
        self.steps = spec.kind == "sequences"
        self.output = "logits" if decision.kind == "classes" else "prediction"
        free = {0: "batch", 1: "steps"} if self.steps else {0: "batch"}
        self.axes = dict.fromkeys(("signal", self.output), free)
        length = len(spec.names) * (1 if self.steps else spec.length)
        torch.manual_seed(1)
        self.weight = torch.nn.Parameter(torch.randn(length, 1 if self.steps else 2) / length**0.5)
        self.shape = (len(spec.names),) if self.steps else (len(spec.names), spec.length)

    def forward(self, signal):
        out = (signal if self.steps else signal.flatten(1)) @ self.weight
        return {self.output: out.squeeze(2) if self.steps else out}

    def onnx(self):
        from onnx import helper, numpy_helper

        last = [2] if self.steps else [0, -1]
        first = ["Identity", ["signal"]] if self.steps else ["Reshape", ["signal", "last"]]
        nodes = [helper.make_node(*first, ["flat"]), helper.make_node("MatMul", ["flat", "weight"], ["out"])]
        nodes.append(
            helper.make_node(*(["Squeeze", ["out", "last"]] if self.steps else ["Identity", ["out"]]), [self.output])
        )
        free = ["batch", "steps"] if self.steps else ["batch"]
        graph = helper.make_graph(
            nodes, "linear", [helper.make_tensor_value_info("signal", 1, [*free, *self.shape])],
            [helper.make_tensor_value_info(self.output, 1, free if self.steps else [*free, 2])],
            [numpy_helper.from_array(np.array(last, np.int64), "last"),
             numpy_helper.from_array(self.weight.detach().numpy(), "weight")],
        )  # fmt: skip
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def both(folder, spec, records, *, decision=LABELS, causal=False):
    """Export a model twice."""
    plain = make_preprocessor(spec)
    prepared = [plain.prepare(of) for of in records]
    preprocessor = plain.fit(prepared, names=[str(k) for k in range(len(records))], seed=0)
    about = About(recipe="toy", model=Model(name="linear"), data=Data.of(prepared), licence="Apache-2.0")
    bundle = Bundle(spec=spec.model_dump(mode="json"), state=preprocessor.state, decision=decision, about=about)
    network, example = Linear(spec, decision), next(batches(preprocessor, prepared[0], 3))
    files = Pair(folder / "spec.onnx", folder / "raw.onnx")
    export(network, files.spec, bundle=bundle, example=example)
    export(network, files.raw, bundle=bundle, example=example, raw=records, causal=causal)
    return files
