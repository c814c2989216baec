"""Boosted trees as a model like any other: weights in a checkpoint, logits from a batch, one ONNX operator."""

from typing import Any

import torch
from torch import Tensor, nn

from biotl.models.trees import Trees, to_onnx


class BoostedTrees(nn.Module):
    """Trees of `biotl.models.trees`, evaluated level by level.

    Parameters
    ----------
    trees, nodes : int
        How many.
    columns, classes : int
        Width of the table, and of the output.
    """

    inputs = ("features",)
    output = "logits"
    axes = {"features": {0: "batch"}, "logits": {0: "batch"}}  # noqa: RUF012  (a contract, never written to)

    root: Tensor
    target: Tensor
    left: Tensor
    right: Tensor
    feature: Tensor
    threshold: Tensor
    value: Tensor

    def __init__(self, trees: int, nodes: int, columns: int, classes: int) -> None:
        super().__init__()
        self.columns = columns
        self.base = nn.Parameter(torch.zeros(classes), requires_grad=False)
        for name, length in (("root", trees), ("target", trees), ("left", nodes), ("right", nodes)):
            self.register_buffer(name, torch.zeros(length, dtype=torch.int64))
        # a leaf: an ensemble without weights is no tree at all
        self.register_buffer("feature", torch.full((nodes,), -1, dtype=torch.int64))
        for name in ("threshold", "value"):
            self.register_buffer(name, torch.zeros(nodes))

    @classmethod
    def of(cls, trees: Trees) -> "BoostedTrees":
        """Return a model that holds fitted trees."""
        model = cls(len(trees.root), len(trees.feature), trees.columns, len(trees.base))
        with torch.no_grad():
            for name, tensor in (*model.named_buffers(), *model.named_parameters()):
                tensor.copy_(torch.from_numpy(getattr(trees, name)))
        return model

    def options(self) -> dict[str, int]:
        """Return what builds a model of this size."""
        return {"trees": len(self.root), "nodes": len(self.feature), "columns": self.columns, "classes": len(self.base)}

    def as_trees(self) -> Trees:
        """Return the trees as arrays."""
        arrays = {name: t.detach().cpu().numpy() for name, t in (*self.named_buffers(), *self.named_parameters())}
        return Trees(**arrays, columns=self.columns)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """Return nothing: no stage trains trees by gradient."""
        return {}

    def onnx(self) -> Any:
        """Return the model as an ``onnx.ModelProto``: traced, trees would be thousands of gathers."""
        return to_onnx(self.as_trees(), name=self.inputs[0], output=self.output)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Return ``logits`` float32 (batch, classes) of ``features`` float32 (batch, columns)."""
        node = self.root.expand(len(features), -1)
        while bool((self.feature[node] >= 0).any()):
            at = self.feature[node]
            below = features.gather(1, at.clamp(min=0)) <= self.threshold[node]
            node = torch.where(at < 0, node, torch.where(below, self.left[node], self.right[node]))
        logits = self.base.expand(len(features), -1).double()
        logits = logits.index_add(1, self.target, self.value[node].double())
        return {"logits": logits.float()}
