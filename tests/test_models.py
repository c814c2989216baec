"""The documented models: their sizes to the unit, what a stage trains of them, and the same answers from ONNX."""

import numpy as np
import pytest
import torch

from biotl.config import validate
from biotl.deploy.bundle import About, Bundle, Model
from biotl.deploy.decision import Classes, Value, Vector
from biotl.deploy.export import export
from biotl.deploy.seal import check
from biotl.errors import ConfigError
from biotl.models.membrane import Membrane, scan
from biotl.models.registry import MODELS, build
from biotl.models.spiking import Spiking
from biotl.models.transfer import transfer
from biotl.training.groups import apply
from biotl.training.stages import Stage

FIVE = ("ACC_X", "ACC_Y", "ACC_Z", "PPG", "ECG")


def count(model):
    return sum(p.numel() for p in model.parameters())


def trains(model, *patterns):
    return apply(model, validate(Stage, {"name": "s", "loss": "bce", "trains": patterns})).counts(model)["trains"]


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("patch_encoder", {}, 2_456_832),
        ("patch_encoder", {"channels": FIVE}, 2_528_832),
        ("patch_encoder", {"reconstruct": True}, 2_456_832 + 48_250),
        ("patch_encoder", {"outputs": 2}, 2_456_832 + 386),
        ("patch_encoder_small", {}, 209_088),
        ("heart_rate_lstm", {}, 51_009),
        ("heart_rate_lstm", {"cell": "gru"}, 38_273),
        ("spiking", {}, 673_410),
        ("spiking", {"hidden": (128,)}, 320_386),
        ("spiking_twin", {}, 673_410),
        ("ecgbert_documented", {}, 65_387),
    ],
)
def test_a_model_has_its_documented_size(name, options, wanted):
    assert count(build(name, **options)) == wanted


def test_stages_train_what_the_documents_say():
    assert trains(build("heart_rate_lstm"), "layer1", "head") == 33_345
    assert trains(build("spiking"), "layer2", "layer3") == 33_154
    encoder = build("patch_encoder", outputs=2)
    assert trains(encoder, "head") == 386
    assert trains(encoder, "blocks[-2:]", "head") == 2 * 481_344 + 386
    assert set(encoder.groups()) == {"patch_embed", "blocks", "head"}


def test_two_channels_inflated_to_five_change_one_tensor_and_no_answer():
    torch.manual_seed(0)
    narrow, wide = build("patch_encoder").eval(), build("patch_encoder", channels=FIVE).eval()
    report = transfer(wide, narrow.state_dict(), channels=narrow.channels)
    assert report.inflated == ("patch_embed.weight",)
    assert not report.missing + report.mismatched + report.extra + report.reshaped
    assert len(report.matched) == len(wide.state_dict()) - 1
    x = torch.randn(3, 5, 1250)
    with torch.no_grad():
        seen = torch.ones_like(x, dtype=torch.bool)
        wanted = narrow(x[:, 3:], seen[:, 3:])["embedding"]
        torch.testing.assert_close(wide(x, seen)["embedding"], wanted, atol=1e-6, rtol=0)
        x[:, :3] = 0
        torch.testing.assert_close(wide(x, seen)["embedding"], wanted, atol=1e-6, rtol=0)


def test_what_is_hidden_from_a_patch_encoder_does_not_matter():
    model = build("patch_encoder_small", reconstruct=True).eval()
    x = torch.randn(2, 2, 1250)
    seen = torch.rand(2, 1, 25).gt(0.4).repeat_interleave(50, 2).expand_as(x)
    with torch.no_grad():
        one, other = (model(torch.where(seen, x, fill), seen)["reconstruction"] for fill in (0.0, 1e3))
    assert torch.equal(one, other)
    assert one.shape == x.shape


def test_a_token_of_the_small_encoder_is_read_from_its_patch_and_the_two_beside_it():
    model, x = build("patch_encoder_small"), torch.randn(1, 2, 1250)
    other = x.clone()
    other[..., 12 * 50 + 20 : 12 * 50 + 30] += 1  # far enough inside for the first layer's reach of 5 samples
    with torch.no_grad():
        moved = (model.tokens(x) != model.tokens(other)).any(-1)[0]
    assert moved.nonzero().ravel().tolist() == [11, 12, 13]


@pytest.mark.parametrize("wrong", [{"patch": 100, "length": 1250}, {"heads": 5}])
def test_sizes_that_do_not_divide_are_refused(wrong):
    with pytest.raises(ConfigError, match="wanted a divisor of"):
        build("patch_encoder", **wrong)


SPIKES = {"channels": ("ECG",), "length": 250, "hidden": (32, 16), "steps": 25}
SMALL = {
    "heart_rate_lstm both": {"mean": 150.0, "bidirectional": True},
    "heart_rate_lstm gru both": {"mean": 150.0, "cell": "gru", "bidirectional": True},
    "patch_encoder": {"outputs": 3, "dim": 48, "layers": 2, "hidden": 96, "channels": FIVE},
    "patch_encoder_small": {"outputs": 2},
    "heart_rate_lstm": {"mean": 150.0},
    "spiking": SPIKES,
    "spiking rate": {**SPIKES, "encoding": "rate"},
    "spiking beats": {**SPIKES, "beats": 7},
    "spiking_twin": {**{k: v for k, v in SPIKES.items() if k != "steps"}, "beats": 7},
}


def example(model, n=5):
    rng = np.random.default_rng(0)
    length = {"PatchEncoder": 1250, "SmallPatchEncoder": 1250, "Spiking": 250, "SpikingTwin": 250}.get(
        type(model).__name__, 40
    )
    shape = (n, length, 3) if "steps" in model.axes["signal"].values() else (n, len(model.channels), length)
    seen = np.ones(shape, bool)
    seen[0] = False
    inputs = {"signal": rng.normal(size=shape).astype(np.float32), "measured": seen}
    inputs["valid"] = np.arange(length) < rng.integers(1, length + 1, n)[:, None]
    return inputs | ({"beats": rng.normal(size=(n, 7)).astype(np.float32)} if "beats" in model.inputs else {})


@pytest.mark.parametrize(("name", "embedding"), [*((name, False) for name in SMALL), ("patch_encoder", True)])
def test_onnxruntime_answers_as_torch_does_at_batches_of_1_3_and_17(name, embedding, tmp_path):
    torch.manual_seed(0)
    options = SMALL[name]
    model = build(name.split()[0], **options)
    if isinstance(model, Spiking):
        with torch.no_grad():  # so that cells spike: as drawn, hardly one does
            for layer in model.layers:
                layer.weight *= 6
    inputs = example(model)
    kind = name.split()[0]
    width = {"heart_rate_lstm": 64, "patch_encoder": 48, "patch_encoder_small": 64}.get(kind, 16)
    labels = tuple("abc")[: options.get("outputs", 2)]
    decision = Value(name="heart rate", unit="bpm") if kind == "heart_rate_lstm" else Classes(labels=labels)
    spec = {"kind": "windows", "fs": 125.0, "channels": [{"name": "PPG"}], "length_s": 10.0}  # any that can be read
    about = About(model=Model(name=kind))
    bundle = Bundle(spec=spec, decision=Vector(dim=width) if embedding else decision, about=about)
    assert export(model, tmp_path / "m.onnx", bundle=bundle, example=inputs) <= 1e-5
    assert check((tmp_path / "m.onnx").read_bytes(), tmp_path / "m.onnx")
    if isinstance(model, Spiking):
        with torch.no_grad():
            out = model.eval()(*(torch.from_numpy(inputs[name]) for name in model.inputs))
            assert out["spikes"].sum(1).min() > 20


def test_membranes_and_spikes_are_those_of_snntorch_step_by_step():
    snntorch = pytest.importorskip("snntorch")
    torch.manual_seed(0)
    current = (0.4 * torch.randn(60, 4, 33)).requires_grad_()
    cell = snntorch.Leaky(beta=0.9, spike_grad=snntorch.surrogate.fast_sigmoid(slope=25))
    membrane = cell.init_leaky()
    spikes, membranes = [], []
    for x in current:
        spike, membrane = cell(x, membrane)
        spikes.append(spike)
        membranes.append(membrane)
    wanted, voltages = torch.stack(spikes), torch.stack(membranes)
    found = Membrane.apply(current, 60, 0.9, 1.0, 25.0)
    assert 100 < found.sum() < found.numel() / 2
    assert torch.equal(found, wanted)
    assert torch.equal(scan(current.detach(), 60, 0.9, 1.0)[1], voltages)
    weight = torch.randn_like(found)
    (ours,), (theirs,) = (torch.autograd.grad((of * weight).sum(), current) for of in (found, wanted))
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_a_current_given_once_is_one_that_stays():
    torch.manual_seed(0)
    once = (0.4 * torch.randn(1, 4, 33)).requires_grad_()
    found = Membrane.apply(once, 60, 0.9, 1.0, 25.0)
    wanted = Membrane.apply(once.expand(60, -1, -1), 60, 0.9, 1.0, 25.0)
    assert found.sum() > 100
    assert torch.equal(found, wanted)
    (ours,), (theirs,) = (torch.autograd.grad(of.square().sum(), once) for of in (found, wanted))
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-5)


def test_rate_encoding_is_random_in_training_by_the_seed_and_even_in_evaluation():
    model = Spiking(**SPIKES | {"steps": 100, "encoding": "rate"})
    x = torch.linspace(0, 1, 250).expand(1, -1)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(model.train().encoded(x))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    even = model.eval().encoded(x)
    assert set(even.unique().tolist()) == {0.0, 1.0}
    assert (even.sum(0) - 100 * 0.1 * x).abs().max() <= 1
    assert torch.equal(even, model.encoded(x))


def test_current_and_rate_encodings_drive_the_first_layer_alike_on_average():
    torch.manual_seed(0)
    model = Spiking(**SPIKES | {"steps": 200, "encoding": "rate"}).eval()
    x = torch.rand(3, 250)
    with torch.no_grad():
        spikes = torch.nn.functional.linear(model.encoded(x).mean(0), model.layers[0].weight)
        constant = torch.nn.functional.linear(model.rate * x, model.layers[0].weight)
    torch.testing.assert_close(spikes, constant, atol=0.01, rtol=0)


def test_layers_of_the_lstm_freeze_as_the_document_names_it(capsys):
    model = build("heart_rate_lstm", mean=150.0)
    model.freeze_layers([0])
    model.print_parameter_status()
    assert "33,345 of 51,009 parameters train" in capsys.readouterr().out
    model.unfreeze_all_layers()
    assert all(p.requires_grad for p in model.parameters())
    with torch.no_grad():
        assert model.eval()(torch.zeros(1, 5, 3))["prediction"].sub(150).abs().max() < 5


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_changes_no_answer_and_each_is_that_of_packed_sequences(cell, bidirectional):
    torch.manual_seed(0)
    model = build("heart_rate_lstm", cell=cell, bidirectional=bidirectional, mean=150.0).eval()
    lengths = torch.tensor([30, 12, 1, 25])
    valid = torch.arange(30) < lengths[:, None]
    x = torch.randn(4, 30, 3)
    garbage = torch.where(valid[..., None], x, 100 * torch.randn_like(x))
    longer = torch.nn.functional.pad(garbage, (0, 0, 0, 17), value=9.0)
    rnn = torch.nn.utils.rnn
    with torch.no_grad():
        said = model(x, valid)["prediction"]
        for other in (garbage, longer):
            seen = torch.nn.functional.pad(valid, (0, other.shape[1] - 30))
            found = model(other, seen)["prediction"][:, :30]
            torch.testing.assert_close(found[valid], said[valid], rtol=0, atol=1e-5)
        packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        wanted = model.fc(rnn.pad_packed_sequence(model.lstm(packed)[0], batch_first=True)[0])[..., 0]
    torch.testing.assert_close(said[valid], wanted[valid], rtol=0, atol=1e-5)
    assert not torch.allclose(said[valid], model.fc.bias)


def test_every_model_of_the_registry_keeps_the_contract():
    for name in set(MODELS) - {"boosted_trees", "heart_rate_response"}:  # whose size their fit gives
        model = build(name, **SMALL.get(name, {}))
        assert set(model.inputs) < set(model.axes)
        assert model.axes[model.output][0] == model.axes["embedding"][0] == "batch"
        assert next(iter(model.groups().values()))
