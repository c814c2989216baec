"""Channels come over by name: whatever their order and number, and never a random input layer."""

import pytest
import torch

from biotl.errors import ConfigError
from biotl.models.registry import build
from biotl.models.transfer import transfer
from biotl.training.checkpoint import Checkpoint, save
from biotl.training.data import Task, View
from biotl.training.groups import select
from biotl.training.progress import StoppedError
from biotl.training.trainer import Trainer
from toys import Net, PatchEncoder, Waves, config, seeded

TWO, FIVE = ("PPG", "ECG"), ("ACC_X", "ACC_Y", "ACC_Z", "PPG", "ECG")

NEW = {"name": "new", "loss": "cross_entropy", "batch_size": 8, "lr": 1e-2, "optimizer": {"weight_decay": 0.1}}


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


def test_a_tensor_that_would_stay_frozen_as_it_was_drawn_has_to_come(tmp_path):
    tensors = seeded(PatchEncoder, TWO).state_dict()
    left = [name for name in tensors if name.startswith("blocks.0.")]
    state = {"about": {"spec": {"channels": [{"name": name} for name in TWO]}}}
    kept = {f"model.{name}": tensor for name, tensor in tensors.items() if name not in left}
    save(tmp_path / "part.safetensors", Checkpoint(kept, state))
    start = NEW | {"init": str(tmp_path / "part.safetensors"), "min_share": 0.1}
    task = Task(seeded(PatchEncoder, FIVE, seed=1), {"main": View(Waves(32, 5), Waves(16, 5, seed=1))})
    with pytest.raises(ConfigError, match=r"transfer: blocks\.0\..*: got nothing, .* stay frozen as it was drawn"):
        Trainer(config(tmp_path / "a", start | {"trains": "head"}), task).fit()
    Trainer(config(tmp_path / "b", start | {"trains": ["patch_embed", "blocks", "head"]}), task).fit()


def test_a_refused_transfer_leaves_the_model_as_it_was():
    model = seeded(Net, seed=1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ConfigError):
        transfer(model, {"head.weight": torch.zeros(3, 8)}, strict=False, minimum=0.01)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_stage_may_train_the_head_and_the_columns_of_new_channels_alone(tmp_path):
    narrow, wide = seeded(PatchEncoder, TWO), seeded(PatchEncoder, FIVE, seed=1)
    transfer(wide, narrow.state_dict(), channels=TWO)
    before = {name: tensor.clone() for name, tensor in wide.state_dict().items()}
    stage = NEW | {"trains": ["head", "channels[ACC_X, ACC_Y, ACC_Z]"]}
    task = Task(wide, {"main": View(Waves(32, 5), Waves(16, 5, seed=1))})
    result = Trainer(config(tmp_path, stage), task).fit()
    after = result.model.state_dict()
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert moved == {"patch_embed.weight", "head.weight", "head.bias"}
    # to the bit: no weight decay and no momentum reaches the columns that stand still
    assert torch.equal(after["patch_embed.weight"][:, 24:], before["patch_embed.weight"][:, 24:])
    assert not (after["patch_embed.weight"][:, :24] == before["patch_embed.weight"][:, :24]).any()
    counts = next(row for row in result.history if row["kind"] == "stage")
    # the decoder has rows of the new channels too, on which this loss does not depend
    assert counts["groups"] == {"head": 34, "channels[ACC_X, ACC_Y, ACC_Z]": 24 * 16 + 24 * (16 + 1)}


@pytest.fixture(scope="module")
def three_stages(tmp_path_factory):
    """The documented three stages from weights of two channels, and what they end with when nothing interrupts them."""
    folder = tmp_path_factory.mktemp("three")
    state = {"about": {"spec": {"channels": [{"name": name} for name in TWO]}}}
    tensors = {f"model.{name}": tensor for name, tensor in seeded(PatchEncoder, TWO).state_dict().items()}
    save(folder / "two.safetensors", Checkpoint(tensors, state))
    start = {"init": str(folder / "two.safetensors"), "min_share": 0.3}
    stages = [
        NEW | start | {"trains": ["head", "channels[ACC_X, ACC_Y, ACC_Z]"], "epochs": 2},
        NEW | {"name": "top", "trains": ["blocks[-1:]", "head"], "epochs": 2, "lr": 1e-2},
        NEW | {"name": "whole", "trains": ["patch_embed", "blocks", "head"], "epochs": 2, "lr": 1e-3},
    ]

    def run(folder, *, resume=False, hook=lambda *_: None):
        task = Task(seeded(PatchEncoder, FIVE), {"main": View(Waves(32, 5), Waves(16, 5, seed=1))})
        return Trainer(config(folder, *stages), task, resume=resume, hook=hook).fit().model.state_dict()

    return run, run(folder / "whole"), folder


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_a_kill_in_any_of_the_three_stages_changes_no_bit(three_stages, stage, tmp_path):
    run, whole, _ = three_stages

    def stop(event, trainer):
        if event == "update" and (trainer.progress.stage, trainer.progress.epoch, trainer.progress.update) == (
            stage,
            1,
            1,
        ):
            trainer.stop()

    with pytest.raises(StoppedError):
        run(tmp_path, hook=stop)
    again = run(tmp_path, resume=True)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_the_run_folder_lists_what_became_of_every_tensor(three_stages):
    _, whole, folder = three_stages
    _, *rows = (folder / "whole" / "transfer-new.csv").read_text().splitlines()
    said = dict(row.split(",") for row in rows)
    assert set(said) == set(whole)
    assert said["patch_embed.weight"] == "inflated"
    assert {what for name, what in said.items() if name.startswith("blocks")} == {"matched"}


def test_a_channel_that_the_model_does_not_have_cannot_train():
    with pytest.raises(ConfigError, match=r"the model has no channel ACC_W; did you mean 'ACC_Z'\?"):
        select(seeded(PatchEncoder, FIVE), "channels[ACC_W]")


def test_inflation_to_the_documented_five_channels_changes_one_tensor_and_no_answer():
    narrow, wide = build("patch_encoder", channels=TWO), build("patch_encoder", channels=FIVE)
    counts = [sum(p.numel() for p in model.parameters()) for model in (narrow, wide)]
    assert counts == [2_456_832, 2_528_832]
    decoder = build("patch_encoder", channels=TWO, reconstruct=True).decoder
    assert sum(p.numel() for p in decoder.parameters()) == 48_250
    differ = {n for n, p in wide.state_dict().items() if p.shape != narrow.state_dict()[n].shape}
    assert differ == {"patch_embed.weight"}
    report = transfer(wide, narrow.state_dict(), channels=TWO)
    assert report.inflated == ("patch_embed.weight",)
    assert len(report.matched) == len(narrow.state_dict()) - 1
    x = torch.randn(2, 5, 1250)
    x[:, :3] = 0
    found, wanted = answers(wide, x)["embedding"], answers(narrow, x[:, 3:])["embedding"]
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    # the order in which a manifest or a spec names the channels changes nothing either
    other = build("patch_encoder", channels=FIVE[::-1])
    transfer(other, narrow.state_dict(), channels=TWO)
    torch.testing.assert_close(answers(other, x.flip(1))["embedding"], wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["patch_encoder", "patch_encoder_small"])
@pytest.mark.parametrize("init", ["zero", "mean", "noise"])
def test_new_channels_at_zero_change_no_answer_whatever_their_start(name, init):
    narrow, wide = build(name, channels=TWO), build(name, channels=FIVE)
    transfer(wide, narrow.state_dict(), channels=TWO, init=init)
    x = torch.randn(2, 5, 1250)
    x[:, :3] = 0
    found, wanted = answers(wide, x)["embedding"], answers(narrow, x[:, 3:])["embedding"]
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
