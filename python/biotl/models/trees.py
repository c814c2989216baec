"""Gradient-boosted trees as plain arrays: fitted by scikit-learn, kept without it, written as one ONNX operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Trees:
    """An ensemble whose raw output is a sum over trees, one set of them a class.

    Parameters
    ----------
    root : ndarray of int64, shape (trees,)
        First node of each tree.
    target : ndarray of int64, shape (trees,)
        Class that each tree adds to.
    feature, left, right : ndarray of int64, shape (nodes,)
        Column that a node reads, and where it goes when that is at most the threshold, and when above; a leaf reads
        column -1.
    threshold, value : ndarray of float32, shape (nodes,)
        Of a node, and what a leaf adds.
    base : ndarray of float32, shape (classes,)
        Raw output before any tree.
    columns : int
        Width of the table.
    """

    root: NDArray[np.int64]
    target: NDArray[np.int64]
    feature: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    threshold: NDArray[np.float32]
    value: NDArray[np.float32]
    base: NDArray[np.float32]
    columns: int

    def __call__(self, table: NDArray[Any]) -> NDArray[np.float32]:
        """Return the raw output of each row, shape (n, classes); softmax makes probabilities of it."""
        x = np.asarray(table, np.float32)
        out = np.tile(self.base.astype(np.float64), (len(x), 1))
        rows = np.arange(len(x))
        for root, target in zip(self.root, self.target, strict=True):
            node = np.full(len(x), root)
            while (inner := self.feature[node] >= 0).any():
                below = x[rows, np.maximum(self.feature[node], 0)] <= self.threshold[node]
                node = np.where(inner, np.where(below, self.left[node], self.right[node]), node)
            out[:, target] += self.value[node]
        return out.astype(np.float32)


def from_sklearn(models: Sequence[Any], classes: int) -> Trees:
    """Take the trees of one or several fitted models; several are averaged on the raw scale.

    Parameters
    ----------
    models : sequence of sklearn.ensemble.HistGradientBoostingClassifier or HistGradientBoostingRegressor
        Fitted on one table; of three classes or more, or of a value, without missing values or categories.
    classes : int
        Width of the output, 1 of a value. A class that the models never saw gets a raw output of -20.

    Examples
    --------
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> x = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    >>> y = np.digitize(x[:, 0] + x[:, 1], (-0.5, 0.5))
    >>> fitted = HistGradientBoostingClassifier(max_iter=5).fit(x, y)
    >>> raw = np.exp(from_sklearn([fitted], 3)(x))
    >>> bool(np.allclose(raw / raw.sum(axis=1, keepdims=True), fitted.predict_proba(x), atol=1e-6))
    True
    """
    columns: dict[str, list[Any]] = {name: [] for name in ("feature", "left", "right", "threshold", "value")}
    root, target, offset = [], [], 0
    base = np.full(classes, -20.0)
    learnt = getattr(models[0], "classes_", [0])
    base[learnt] = np.mean([model._baseline_prediction.ravel() for model in models], axis=0)
    for model in models:
        for iteration in model._predictors:
            for index, predictor in enumerate(iteration):
                nodes = predictor.nodes
                leaf = nodes["is_leaf"].astype(bool)
                root.append(offset)
                target.append(int(learnt[index]))
                columns["feature"].append(np.where(leaf, -1, nodes["feature_idx"]))
                columns["left"].append(np.where(leaf, 0, nodes["left"]) + offset)
                columns["right"].append(np.where(leaf, 0, nodes["right"]) + offset)
                columns["threshold"].append(_rounded_down(np.where(leaf, 0, nodes["num_threshold"])))
                columns["value"].append(np.where(leaf, nodes["value"], 0) / len(models))
                offset += len(nodes)
    whole = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Trees(
        np.array(root, np.int64),
        np.array(target, np.int64),
        whole["feature"].astype(np.int64),
        whole["left"].astype(np.int64),
        whole["right"].astype(np.int64),
        whole["threshold"].astype(np.float32),
        whole["value"].astype(np.float32),
        base.astype(np.float32),
        int(models[0].n_features_in_),
    )


def _rounded_down(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """Largest float32 at or below: a float32 is at most the one exactly where it is at most the other."""
    nearest = threshold.astype(np.float32)
    return np.where(nearest > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest).astype(np.float32)


def to_onnx(trees: Trees, *, name: str = "features", output: str = "logits") -> Any:
    """Write the ensemble as a ``TreeEnsembleRegressor`` of ``ai.onnx.ml``.

    Returns
    -------
    onnx.ModelProto
        Input ``features`` float32 (n, columns), output ``logits`` float32 (n, classes).
    """
    from onnx import TensorProto, helper

    counts = np.diff(np.append(trees.root, len(trees.feature)))
    tree = np.repeat(np.arange(len(trees.root)), counts)
    node = np.arange(len(trees.feature)) - trees.root[tree]
    leaf = trees.feature < 0
    ensemble = helper.make_node(
        "TreeEnsembleRegressor",
        [name],
        ["sum"],
        domain="ai.onnx.ml",
        n_targets=len(trees.base),
        aggregate_function="SUM",
        post_transform="NONE",
        nodes_treeids=tree.tolist(),
        nodes_nodeids=node.tolist(),
        nodes_featureids=np.maximum(trees.feature, 0).tolist(),
        nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_values=trees.threshold.tolist(),
        nodes_truenodeids=np.where(leaf, 0, trees.left - trees.root[tree]).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, trees.right - trees.root[tree]).tolist(),
        target_treeids=tree[leaf].tolist(),
        target_nodeids=node[leaf].tolist(),
        target_ids=trees.target[tree[leaf]].tolist(),
        target_weights=trees.value[leaf].tolist(),
    )
    # not the operator's own base_values: onnxruntime leaves them out where a class has no tree
    add = helper.make_node("Add", ["sum", "base"], [output])
    base = helper.make_tensor("base", TensorProto.FLOAT, [len(trees.base)], trees.base.tolist())
    graph = helper.make_graph(
        [ensemble, add],
        "trees",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["beats", trees.columns])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["beats", len(trees.base)])],
        [base],
    )
    # the opsets of onnx 1.12: every onnxruntime since 2022 reads them
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="biotl")
