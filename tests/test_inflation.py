"""Channels come over by name: whatever their order and number, and never a random input layer."""

import pytest
import torch

from biotl.errors import ConfigError
from biotl.models.transfer import transfer
from toys import Net, PatchEncoder, seeded

TWO, FIVE = ("PPG", "ECG"), ("ACC_X", "ACC_Y", "ACC_Z", "PPG", "ECG")


def answers(model, signal):
    with torch.no_grad():
        return model.eval()(signal, torch.ones_like(signal, dtype=torch.bool))


def test_two_channels_become_five_and_answer_as_before_whatever_the_new_ones_hold():
    narrow, wide = seeded(PatchEncoder, TWO), seeded(PatchEncoder, FIVE, seed=1)
    before = {name: tensor.clone() for name, tensor in wide.state_dict().items()}
    report = transfer(wide, narrow.state_dict(), channels=TWO)
    assert report.inflated == ("patch_embed.weight", "decoder.weight", "decoder.bias")
    assert not report.missing + report.mismatched + report.extra
    assert report.notes == ("channels: PPG ECG copied, ACC_X ACC_Y ACC_Z new (zero)",)
    x = torch.randn(4, 5, 64)
    found, wanted = answers(wide, x)["logits"], answers(narrow, x[:, 3:])["logits"]
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    assert not torch.equal(before["patch_embed.weight"], wide.state_dict()["patch_embed.weight"])


def test_the_order_of_channels_does_not_matter():
    one = seeded(PatchEncoder, FIVE)
    order = ("ECG", "ACC_Z", "PPG", "ACC_X", "ACC_Y")
    other = seeded(PatchEncoder, order, seed=1)
    transfer(other, one.state_dict(), channels=FIVE)
    x = torch.randn(4, 5, 64)
    moved = x[:, [FIVE.index(name) for name in order]]
    torch.testing.assert_close(answers(other, moved)["logits"], answers(one, x)["logits"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("init", ["zero", "mean", "noise"])
def test_new_channels_start_as_asked(init):
    narrow, wide = seeded(PatchEncoder, TWO), seeded(PatchEncoder, FIVE, seed=1)
    drawn = wide.patch_embed.weight.clone()
    transfer(wide, narrow.state_dict(), channels=TWO, init=init)
    new, old = wide.patch_embed.weight[:, :8], narrow.patch_embed.weight
    wanted = {"zero": torch.zeros(16, 8), "mean": (old[:, :8] + old[:, 8:]) / 2, "noise": 0.1 * drawn[:, :8]}[init]
    torch.testing.assert_close(new, wanted)
    torch.testing.assert_close(wide.patch_embed.weight[:, 24:], old)


def test_five_channels_become_two():
    wide, narrow = seeded(PatchEncoder, FIVE), seeded(PatchEncoder, TWO, seed=1)
    report = transfer(narrow, wide.state_dict(), channels=FIVE)
    assert report.notes == ("channels: PPG ECG copied, ACC_X ACC_Y ACC_Z dropped",)
    assert torch.equal(narrow.patch_embed.weight, wide.patch_embed.weight[:, 24:])


def test_no_channel_in_common_is_refused():
    with pytest.raises(ConfigError, match=r"patch_embed\.weight: got \(16, 16\), wanted \(16, 8\)"):
        transfer(
            seeded(PatchEncoder, ("ACC_X",)), seeded(PatchEncoder).state_dict(), channels=TWO, minimum=0.5, strict=False
        )


def test_a_random_input_layer_is_refused_at_any_share():
    tensors = seeded(Net).state_dict()
    del tensors["stem.weight"]
    with pytest.raises(ConfigError, match=r"stem\.weight: got nothing, .* a random input layer is never taken"):
        transfer(seeded(Net, seed=1), tensors, strict=False, minimum=0.1)


def test_a_refused_transfer_leaves_the_model_as_it_was():
    model = seeded(Net, seed=1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ConfigError):
        transfer(model, {"head.weight": torch.zeros(3, 8)}, strict=False, minimum=0.01)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
