"""Trees: scikit-learn, arrays, torch and onnxruntime say the same."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier

from biotl.models.boosted_trees import BoostedTrees
from biotl.models.registry import build
from biotl.models.trees import from_sklearn, to_onnx


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 12)).astype(np.float32)
    # values on the edges of bins, where a threshold that is rounded up would send them the other way
    x[:, :4] = np.round(x[:, :4], 1)
    y = np.digitize(x[:, 0] + x[:, 1] * x[:, 2], (-1, 0, 1))
    options = {"max_iter": 20, "max_leaf_nodes": 15, "max_features": 0.5}
    models = [HistGradientBoostingClassifier(**options, random_state=seed).fit(x, y) for seed in range(2)]
    return models, x, from_sklearn(models, 5)


def raw(models, x):
    return np.mean([np.log(model.predict_proba(x)) for model in models], axis=0)


def centred(logits):
    return logits - logits.mean(axis=1, keepdims=True)


def test_arrays_equal_scikit_learn(fitted):
    models, x, trees = fitted
    np.testing.assert_allclose(centred(trees(x)[:, :4]), centred(raw(models, x)), atol=1e-6)


def test_a_class_never_seen_is_never_answered(fitted):
    _, x, trees = fitted
    np.testing.assert_array_equal(trees(x)[:, 4], -20)


def test_onnxruntime_equals_the_arrays(fitted):
    _, x, trees = fitted
    model = to_onnx(trees)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for n in (1, 3, len(x)):
        (found,) = session.run(None, {"features": x[:n]})
        np.testing.assert_allclose(found, trees(x[:n]), atol=2e-6)
    assert {node.op_type for node in model.graph.node} == {"TreeEnsembleRegressor", "Add"}


def test_torch_equals_the_arrays_and_its_checkpoint_holds_all(fitted):
    _, x, trees = fitted
    model = BoostedTrees.of(trees)
    fresh = build("boosted_trees", trees=len(trees.root), nodes=len(trees.feature), columns=12, classes=5)
    fresh.load_state_dict(model.state_dict())
    found = fresh(torch.from_numpy(x))["logits"].numpy()
    np.testing.assert_allclose(found, trees(x), atol=1e-6)
    assert fresh.onnx().SerializeToString() == to_onnx(trees).SerializeToString()
