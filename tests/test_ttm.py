"""IBM's TinyTimeMixer: names and shapes of its files, and the same numbers from them."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import gelu, layer_norm

from biotl.cli import main
from biotl.errors import RecordError
from biotl.models.registry import build
from biotl.models.ttm import read_ttm
from biotl.training.checkpoint import load


def published(dim=24, patch=8, patches=4, levels=3, layers=2, gated=True):
    """Tensors as a forecaster of granite-tsfm names them (modeling_tinytimemixer.py), decoder and head beside them."""
    g = torch.Generator().manual_seed(0)
    shapes = {"backbone.encoder.patcher": (dim, patch)}
    for i, factor in enumerate(2**k for k in reversed(range(levels))):
        for j in range(layers):
            start = f"backbone.encoder.mlp_mixer_encoder.mixers.{i}.mixer_layers.{j}"
            inner = dim // factor
            for kind, width in (("patch_mixer", patches * factor), ("feature_mixer", inner)):
                shapes[f"{start}.{kind}.mlp.fc1"] = (2 * width, width)
                shapes[f"{start}.{kind}.mlp.fc2"] = (width, 2 * width)
                if gated:
                    shapes[f"{start}.{kind}.gating_block.attn_layer"] = (width, width)
                shapes[f"{start}.{kind}.norm.norm"] = (inner,)
    shapes |= {"decoder.adapter": (16, dim), "head.base_forecast_block": (96, patches * 16)}
    tensors = {}
    for name, shape in shapes.items():
        tensors[f"{name}.weight"] = torch.randn(shape, generator=g) / math.sqrt(shape[-1])
        tensors[f"{name}.bias"] = torch.randn(shape[0], generator=g) / 4
    return tensors


def twin(tensors, x, levels=3, layers=2):
    """The encoder, straight from the tensors: (channels, patches, patch) to (channels, patches, dim)."""

    def linear(x, name):
        return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    x = linear(x, "backbone.encoder.patcher")
    for i, factor in enumerate(2**k for k in reversed(range(levels))):
        channels, patches, dim = x.shape
        x = x.reshape(channels, patches * factor, dim // factor)
        for j in range(layers):
            for kind in ("patch_mixer", "feature_mixer"):
                start = f"backbone.encoder.mlp_mixer_encoder.mixers.{i}.mixer_layers.{j}.{kind}"
                norm = f"{start}.norm.norm"
                y = layer_norm(x, x.shape[-1:], tensors[f"{norm}.weight"], tensors[f"{norm}.bias"])
                y = y.mT if kind == "patch_mixer" else y
                y = linear(gelu(linear(y, f"{start}.mlp.fc1")), f"{start}.mlp.fc2")
                if f"{start}.gating_block.attn_layer.weight" in tensors:
                    y = y * linear(y, f"{start}.gating_block.attn_layer").softmax(-1)
                x = x + (y.mT if kind == "patch_mixer" else y)
        x = x.reshape(channels, patches, dim)
    return x


@pytest.mark.parametrize("gated", [True, False])
def test_a_published_file_gives_its_sizes_and_the_numbers_of_a_twin(tmp_path, gated):
    tensors = published(gated=gated)
    save_file(tensors, tmp_path / "model.safetensors")
    options, held = read_ttm(tmp_path / "model.safetensors")
    assert options == {
        "length": 32, "patch": 8, "dim": 24, "levels": 3, "layers": 2, "expansion": 2, "gated": gated
    }  # fmt: skip
    model = build("ttm", **options).eval()
    model.load_state_dict(held)
    x = torch.randn(3, 2, 32)
    with torch.no_grad():
        out = model(x, torch.ones_like(x, dtype=torch.bool))
        for k in range(3):
            wanted = twin(tensors, x[k].reshape(2, 4, 8)).mean(0)
            torch.testing.assert_close(out["tokens"][k], wanted, atol=1e-5, rtol=1e-5)


def test_the_published_size_has_the_published_number_of_parameters():
    assert sum(p.numel() for p in build("ttm").parameters()) == 515_584
    assert sum(p.numel() for p in build("ttm", channels=["a"]).parameters()) == 515_584


def test_a_channel_that_was_not_measured_does_not_count():
    model = build("ttm", patch=8, length=32, dim=24).eval()
    x = torch.randn(1, 2, 32)
    seen = torch.tensor([[[True], [False]]]).expand_as(x)
    with torch.no_grad():
        both = model(x, seen)["embedding"]
        torch.testing.assert_close(both, model(x[:, :1], seen[:, :1])["embedding"])


def test_convert_writes_what_a_stage_starts_from(tmp_path, capsys):
    save_file(published(), tmp_path / "model.safetensors")
    out = tmp_path / "ttm.safetensors"
    assert main(["convert", str(tmp_path / "model.safetensors"), "--model", "ttm", "--output", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["share"] == 1
    assert told["notes"] == [
        "windows of 32 samples",
        "model: {name: ttm, patch: 8, dim: 24, levels: 3, layers: 2, expansion: 2, gated: true}",
    ]
    checkpoint = load(out)
    assert checkpoint.state["about"]["model"]["name"] == "ttm"
    np.testing.assert_array_equal(
        checkpoint.part("model")["encoder.patcher.weight"], published()["backbone.encoder.patcher.weight"]
    )


def test_what_is_no_such_encoder_is_refused_by_name(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({**published(), "backbone.encoder.freq_mod.0.weight": torch.ones(3, 8)}, path)
    with pytest.raises(RecordError, match=r"freq_mod\.0\.weight: got an encoder with resolution prefixes"):
        read_ttm(path)
    save_file({"weight": torch.ones(2)}, path)
    with pytest.raises(RecordError, match="got no encoder, wanted encoder"):
        read_ttm(path)
    path.write_bytes(b"nothing")
    with pytest.raises(RecordError, match="safetensors file of a TinyTimeMixer"):
        read_ttm(path)
