"""Losses: their values, what they leave out, and gradients that stay finite."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from biotl.config import validate
from biotl.errors import ConfigError
from biotl.training.losses import LOSSES, count
from biotl.training.stages import Term


def make(name, **args):
    return LOSSES.build(validate(Term, {"name": name, **args}))


def of(logits, labels, **args):
    return make(**args)({"logits": torch.as_tensor(logits)}, {"labels": torch.as_tensor(labels)})


@pytest.mark.parametrize(("margin", "value"), [(0, 0.1300), (1, 0.0170), (5, 2.26e-7)])
def test_focal_has_the_published_values_at_three_margins(margin, value):
    loss = of([[0.0, float(margin)]], [1], name="focal", alpha=0.75, gamma=2.0)
    assert loss.item() == pytest.approx(value, rel=5e-3)


@given(seed=st.integers(0, 1000))
def test_focal_at_gamma_0_is_cross_entropy(seed):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(scale=5, size=(7, 4)).astype(np.float32), rng.integers(-1, 4, 7)
    labels[0] = 1
    torch.testing.assert_close(of(logits, labels, name="focal", gamma=0.0), of(logits, labels, name="cross_entropy"))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("logit", [0.0, 1e-3, 20.0, 1000.0, 65504.0, -65504.0])
def test_focal_and_its_gradient_are_finite_in_fp16_for_any_logit(gamma, logit):
    logits = torch.tensor([[0.0, logit]], dtype=torch.float16, requires_grad=True)
    loss = make("focal", gamma=gamma, alpha=0.75)({"logits": logits}, {"labels": torch.tensor([1])})
    loss.backward()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_focal_alpha_weighs_class_1_or_each_class():
    logits, labels = torch.zeros(2, 2), torch.tensor([0, 1])
    one = make("focal", alpha=0.75)({"logits": logits}, {"labels": labels})
    each = make("focal", alpha=[0.25, 0.75])({"logits": logits}, {"labels": labels})
    assert float(one) == float(each) == pytest.approx(0.25 * np.log(2) / 2)


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "bce"])
def test_a_negative_label_does_not_count(name):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6,) if name == "bce" else (6, 2)).astype(np.float32)
    labels = np.array([0, 1, 1, -100, -1, 0])
    torch.testing.assert_close(of(logits, labels, name=name), of(logits[labels >= 0], labels[labels >= 0], name=name))


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "bce"])
def test_a_batch_without_labels_is_0_and_has_a_gradient_of_0(name):
    logits = torch.zeros((3,) if name == "bce" else (3, 2), requires_grad=True)
    loss = make(name)({"logits": logits}, {"labels": torch.full((3,), -100)})
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_class_weights_are_torch_s_and_tokens_are_flattened():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 5, 3), torch.randint(0, 3, (2, 5))
    expected = torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 5.0]))(
        logits.reshape(-1, 3), labels.reshape(-1)
    )
    torch.testing.assert_close(of(logits, labels, name="cross_entropy", weight=[1.0, 2.0, 5.0]), expected)


def test_bce_is_torch_s_for_one_logit_and_takes_a_positive_weight():
    logits, labels = torch.tensor([[0.3], [-2.0], [4.0]]), torch.tensor([1, 0, 0])
    expected = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0))(logits[:, 0], labels.float())
    torch.testing.assert_close(of(logits, labels, name="bce", positive_weight=3.0), expected)


def test_bce_takes_a_positive_weight_for_each_row_of_maps():
    logits, labels = torch.randn(4, 2, 5), torch.randint(0, 2, (4, 2, 5))
    rows = [of(logits[:, k], labels[:, k], name="bce", positive_weight=w) for k, w in enumerate((2.0, 30.0))]
    torch.testing.assert_close(of(logits, labels, name="bce", positive_weight=[2.0, 30.0]), sum(rows) / 2)
    with pytest.raises(ConfigError, match="3 positive weights for labels of shape"):
        of(logits, labels, name="bce", positive_weight=[1.0, 2.0, 3.0])


@pytest.mark.parametrize(("name", "power"), [("masked_mse", 2), ("masked_mae", 1)])
def test_a_masked_error_is_over_the_valid_steps_whatever_stands_in_the_padding(name, power):
    prediction = torch.tensor([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]], requires_grad=True)
    target = torch.tensor([[0.0, 0.0, np.nan], [3.0, np.inf, np.nan]])
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    loss = make(name)({"prediction": prediction}, {"target": target, "mask": mask})
    loss.backward()
    assert loss.item() == pytest.approx((1 + 2**power + 2**power) / 3)
    assert torch.isfinite(prediction.grad).all()


def test_a_masked_error_of_two_shapes_is_refused():
    batch = {"target": torch.zeros(2, 3), "mask": torch.ones(2, 3)}
    with pytest.raises(ConfigError, match=r"prediction is \(2, 3, 1\) and target \(2, 3\)"):
        make("masked_mse")({"prediction": torch.zeros(2, 3, 1)}, batch)


def test_a_mask_without_the_axis_of_channels_is_refused_though_it_broadcasts():
    signal = torch.zeros(2, 2, 4)
    with pytest.raises(ConfigError, match=r"mask is \(2, 4\) and signal \(2, 2, 4\)"):
        make("masked_reconstruction")({"reconstruction": signal}, {"signal": signal, "mask": torch.ones(2, 4)})


def test_reconstruction_counts_masked_samples_only_and_can_normalise_windows():
    signal = torch.tensor([[[1.0, 3.0, 1.0, 3.0]]])
    batch = {"signal": signal, "mask": torch.tensor([[[0, 0, 1, 1]]])}
    outputs = {"reconstruction": torch.zeros(1, 1, 4)}
    assert float(make("masked_reconstruction")(outputs, batch)) == 5.0
    assert float(make("masked_reconstruction", normalize=True)(outputs, batch)) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("length", [64, 500, 1024, 1250])
def test_stft_is_0_on_equality_and_finite_on_silence(length):
    loss = make("stft")
    signal = torch.randn(2, 2, length)
    assert float(loss({"reconstruction": signal}, {"signal": signal})) == 0
    for target in (torch.zeros(2, 2, length), signal):
        prediction = torch.zeros(2, 2, length, requires_grad=True)
        value = loss({"reconstruction": prediction}, {"signal": target})
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(prediction.grad).all()


def test_stft_sizes_must_fit_the_signal():
    silence = torch.zeros(1, 1, 1024)
    with pytest.raises(ConfigError, match=r"windows of \[512, 2048\] samples do not fit a signal of 1024"):
        make("stft", sizes=[512, 2048])({"reconstruction": silence}, {"signal": silence})
    with pytest.raises(ConfigError, match=r"windows of \[2\] samples do not fit a signal of 1024, or are not 4"):
        make("stft", sizes=[2])({"reconstruction": silence}, {"signal": silence})
    with pytest.raises(ConfigError, match="do not fit a signal of 3"):
        make("stft")({"reconstruction": silence[..., :3]}, {"signal": silence[..., :3]})


def test_stft_is_float32_under_autocast():
    signal = torch.randn(1, 1, 256)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = make("stft")({"reconstruction": (signal * 0.9).bfloat16()}, {"signal": signal})
    assert value.dtype == torch.float32


CASES = {
    "cross_entropy": ({}, lambda g: ({"logits": g.normal(size=(6, 3))}, {"labels": g.integers(-1, 3, 6)})),
    "weighted": ({"name": "cross_entropy", "weight": [1.0, 2.0, 7.0]},
                 lambda g: ({"logits": g.normal(size=(6, 3))}, {"labels": g.integers(-1, 3, 6)})),
    "focal": ({}, lambda g: ({"logits": g.normal(size=(6, 3))}, {"labels": g.integers(-1, 3, 6)})),
    "masked_mse": ({}, lambda g: ({"prediction": g.normal(size=(6, 4))},
                                  {"target": g.normal(size=(6, 4)), "mask": g.integers(0, 2, (6, 4))})),
    "stft": ({}, lambda g: ({"reconstruction": g.normal(size=(6, 2, 64))},
                            {"signal": g.normal(size=(6, 2, 64)) * 10.0 ** g.integers(-3, 3, (6, 1, 1))})),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@given(seed=st.integers(0, 200), cut=st.integers(1, 5))
def test_parts_weighted_by_their_count_add_up_to_the_whole(case, seed, cut):
    args, draw = CASES[case]
    loss = make(**({"name": case} | args))
    out, batch = draw(np.random.default_rng(seed))
    out = {k: torch.as_tensor(v, dtype=torch.float32) for k, v in out.items()}
    batch = {k: torch.as_tensor(v) for k, v in batch.items()}
    whole = float(loss(out, batch)) * float(count(loss, batch))
    parts = 0.0
    for side in (slice(None, cut), slice(cut, None)):
        part = {k: v[side] for k, v in batch.items()}
        parts += float(loss({k: v[side] for k, v in out.items()}, part)) * float(count(loss, part))
    assert parts == pytest.approx(whole, rel=1e-4, abs=1e-5)  # float32 sums in another order
