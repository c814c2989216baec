"""Metrics: scikit-learn's values, and NaN where there is no value."""

import math

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
from hypothesis import given
from hypothesis import strategies as st

from biotl.config import Named
from biotl.errors import ConfigError
from biotl.scoring.classes import score
from biotl.training.metrics import METRICS


def measure(name, *batches, **args):
    metric = METRICS.build(Named(name=name, **args))
    for outputs, batch in batches:
        metric.update(
            {k: torch.as_tensor(v) for k, v in outputs.items()}, {k: torch.as_tensor(v) for k, v in batch.items()}
        )
    return metric.compute()


def logits_of(predicted, n):
    return np.eye(n, dtype=np.float32)[np.asarray(predicted)]


@given(seed=st.integers(0, 500), n_classes=st.integers(2, 5))
def test_classification_agrees_with_scikit_learn(seed, n_classes):
    rng = np.random.default_rng(seed)
    labels, predicted = rng.integers(0, n_classes, 60), rng.integers(0, n_classes, 60)
    split = 20
    figures = measure(
        "classification",
        *(
            ({"logits": logits_of(predicted[s], n_classes)}, {"labels": labels[s]})
            for s in (slice(split), slice(split, None))
        ),
    )
    assert figures["accuracy"] == pytest.approx(sk.accuracy_score(labels, predicted))
    held = np.unique(labels)
    assert figures["macro_f1"] == pytest.approx(sk.f1_score(labels, predicted, labels=held, average="macro"))


@given(seed=st.integers(0, 500), n_classes=st.integers(2, 5))
def test_the_macro_f1_that_stages_choose_by_is_the_one_that_reports_print(seed, n_classes):
    rng = np.random.default_rng(seed)
    labels, predicted = rng.integers(0, n_classes - 1, 30), rng.integers(0, n_classes, 30)
    chosen = measure("classification", ({"logits": logits_of(predicted, n_classes)}, {"labels": labels}))["macro_f1"]
    printed = score(labels, predicted, np.zeros(0, np.int64), [str(k) for k in range(n_classes)]).macro_f1
    assert chosen == printed


def test_a_class_that_is_not_there_is_nan_and_left_out_of_the_means():
    names = ["N", "S", "V"]
    figures = measure("classification", ({"logits": logits_of([0, 0, 2, 0], 3)}, {"labels": [0, 0, 2, 2]}), names=names)
    assert math.isnan(figures["se.S"])
    assert math.isnan(figures["f1.S"])
    assert figures["se.V"] == 0.5
    assert figures["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert figures["g_mean"] == pytest.approx(math.sqrt(0.5))
    assert not [key for key in figures if key.startswith("confusion")]  # a line of metrics.jsonl stays readable


def test_a_class_that_is_never_predicted_has_no_ppv_and_an_f1_of_0():
    figures = measure("classification", ({"logits": logits_of([0, 0], 2)}, {"labels": [0, 1]}))
    assert math.isnan(figures["ppv.1"])
    assert figures["f1.1"] == 0
    assert figures["sensitivity"] == 0
    assert figures["specificity"] == 1
    assert figures["g_mean"] == 0


def test_one_logit_stands_for_two_classes():
    outputs = {"logits": np.array([[2.0], [-1.0], [0.5]], np.float32)}
    figures = measure("classification", (outputs, {"labels": [1, 0, 0]}))
    assert figures["accuracy"] == pytest.approx(2 / 3)
    assert measure("auroc", (outputs, {"labels": [1, 0, 0]}))["auroc"] == 1.0


def test_nothing_at_all_is_nan_and_no_error():
    assert math.isnan(measure("classification")["accuracy"])
    assert math.isnan(measure("auroc")["auroc"])
    assert math.isnan(measure("regression")["mae"])
    only_padding = ({"logits": logits_of([0], 2)}, {"labels": [-100]})
    assert math.isnan(measure("classification", only_padding)["accuracy"])
    assert math.isnan(measure("auroc", only_padding)["auroc"])


def test_auroc_of_more_classes_is_the_mean_of_one_against_the_rest():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(50, 3)).astype(np.float32), rng.integers(0, 3, 50)
    p = torch.softmax(torch.tensor(logits), -1).double().numpy()
    expected = np.mean([sk.roc_auc_score(labels == c, p[:, c]) for c in range(3)])
    assert measure("auroc", ({"logits": logits}, {"labels": labels}))["auroc"] == pytest.approx(expected, abs=1e-6)


def test_regression_is_over_valid_steps():
    outputs = {"prediction": np.array([[1.0, 2.0, 9.0]])}
    batch = {"target": np.array([[2.0, 4.0, np.nan]]), "mask": np.array([[1, 1, 0]])}
    figures = measure("regression", (outputs, batch))
    assert figures == pytest.approx({"mae": 1.5, "rmse": math.sqrt(2.5), "r2": 1 - 5 / 2})


def test_a_constant_target_has_no_r2():
    batch = {"target": np.ones((1, 3)), "mask": np.ones((1, 3))}
    assert math.isnan(measure("regression", ({"prediction": np.zeros((1, 3))}, batch))["r2"])


def test_bfloat16_outputs_are_taken():
    outputs = {"logits": torch.tensor([[0.0, 1.0]], dtype=torch.bfloat16)}
    assert measure("classification", (outputs, {"labels": [1]}))["accuracy"] == 1.0


def test_an_unknown_metric_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'regression'"):
        measure("regresion")


def test_r2_of_hidden_samples_is_0_for_the_mean_and_says_what_a_line_gives():
    x = np.sin(np.linspace(0, 9, 100))[None, None].repeat(2, 1)
    hidden = np.zeros_like(x, bool)
    hidden[..., 40:50] = True
    batch = {"target": x, "mask": hidden, "measured": np.ones_like(hidden)}
    metric = METRICS.build(Named(name="masked_r2", channels=["PPG", "ECG"]))
    mean = x[0, 0, ~hidden[0, 0]].mean()
    metric.update({"reconstruction": np.stack([x[:, 0], np.full((1, 100), mean)], 1)}, batch)
    found = metric.compute()
    assert found["r2.PPG"] == 1
    assert found["r2.ECG"] == pytest.approx(0)
    assert 0.5 < found["r2.ECG.line"] == found["r2.PPG.line"] < 1


def test_a_collapsed_embedding_has_one_direction():
    rng = np.random.default_rng(0)
    wide, one = rng.normal(size=(200, 8)), rng.normal(size=(200, 1)) * np.arange(8)
    found = []
    for x in (wide, one, np.ones((200, 8))):
        metric = METRICS.build(Named(name="spread"))
        for part in np.array_split(x, 3):
            metric.update({"embedding": part}, {})
        found.append(metric.compute())
    assert found[0]["embedding.rank"] > 7.5
    assert found[1]["embedding.rank"] == pytest.approx(1)
    assert (found[2]["embedding.sd"], found[2]["embedding.rank"]) == (0, 1)
