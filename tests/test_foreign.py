"""The public checkpoint layout, from tensors written here with its names and shapes: the file is not ours to ship."""

import json
import warnings

import pytest
import torch

from biotl.cli import main
from biotl.config import validate
from biotl.datasets.vocabulary import CLS, MASK, PAD, SEP, UNKNOWN
from biotl.errors import ConfigError, RecordError
from biotl.models.foreign import UNTRAINED, Layout, import_ecgbert, read_tensors, transfer
from biotl.models.registry import build
from biotl.training.checkpoint import digest, inherit, load
from biotl.training.stages import Stage

SHAPES = {
    "token_embedding.weight": (75, 32),
    "positional_embedding.pe": (3600, 1, 32),
    **{
        f"cnn_embedding.{stage}.{part}": shape
        for stage, kernel, channels in (
            ("encoder1", (32, 1, 7), 32),
            ("encoder2", (64, 32, 5), 64),
            ("decoder1", (64, 32, 4), 32),
            ("decoder2", (32, 32, 4), 32),
        )
        for part, shape in {
            "0.weight": kernel,
            "0.bias": (channels,),
            "1.weight": (channels,),
            "1.bias": (channels,),
            "1.running_mean": (channels,),
            "1.running_var": (channels,),
            "1.num_batches_tracked": (),
        }.items()
    },
    "cnn_embedding.final_conv.weight": (32, 32, 3),
    "cnn_embedding.final_conv.bias": (32,),
    **{
        f"transformer.layers.{n}.{part}": shape
        for n in range(4)
        for part, shape in {
            "self_attn.in_proj_weight": (96, 32),
            "self_attn.in_proj_bias": (96,),
            "self_attn.out_proj.weight": (32, 32),
            "self_attn.out_proj.bias": (32,),
            "linear1.weight": (64, 32),
            "linear1.bias": (64,),
            "linear2.weight": (32, 64),
            "linear2.bias": (32,),
            "norm1.weight": (32,),
            "norm1.bias": (32,),
            "norm2.weight": (32,),
            "norm2.bias": (32,),
        }.items()
    },
    "fc.weight": (75, 32),
    "fc.bias": (75,),
}


def published(*, trained=False):
    g = torch.Generator().manual_seed(0)
    tensors = {
        name: torch.tensor(500) if name.endswith("tracked") else torch.rand(shape, generator=g) * 0.1
        for name, shape in SHAPES.items()
    }
    if not trained:
        for n in range(1, 4):
            for part in ("in_proj_weight", "in_proj_bias", "out_proj.weight"):
                tensors[f"transformer.layers.{n}.self_attn.{part}"] = tensors[f"transformer.layers.0.self_attn.{part}"]
    return tensors


def save(tmp_path, tensors, name="ckpt.pth"):
    torch.save(tensors, tmp_path / name)
    return tmp_path / name


def test_the_layout_has_82_tensors():
    assert len(SHAPES) == 82


def test_a_published_checkpoint_loads_strictly_and_every_number_comes(tmp_path):
    with pytest.warns(UserWarning, match="never trained"):
        model, report = import_ecgbert(save(tmp_path, published()))
    assert len(report.matched) == 82
    assert not (report.inflated + report.reshaped + report.missing + report.mismatched + report.extra)
    assert report.share == 1
    assert report.notes == (UNTRAINED,)
    assert not model.training
    assert "matched 82" in str(report)


def test_rows_are_brought_into_our_order_of_ids(tmp_path):
    tensors = published(trained=True)
    model, _ = import_ecgbert(save(tmp_path, tensors))
    for table, ours in (("token_embedding.weight", model.token_embedding.weight), ("fc.weight", model.fc.weight)):
        theirs = tensors[table]
        torch.testing.assert_close(ours[:70], theirs[4:74])
        assert [torch.equal(ours[i], theirs[j]) for i, j in ((PAD, 0), (CLS, 1), (SEP, 2), (MASK, 3), (UNKNOWN, 74))]
        for i, j in ((PAD, 0), (CLS, 1), (SEP, 2), (MASK, 3), (UNKNOWN, 74)):
            torch.testing.assert_close(ours[i], theirs[j])


def test_trained_attention_is_not_warned_of(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, report = import_ecgbert(save(tmp_path, published(trained=True)))
    assert report.notes == ()


def test_attention_can_be_drawn_anew_each_layer_its_own(tmp_path):
    model, report = import_ecgbert(save(tmp_path, published()), reinit_attention=True)
    first, second = (layer.self_attn.in_proj_weight for layer in model.transformer.layers[:2])
    assert not torch.equal(first, second)
    assert report.notes == ("attention drawn anew",)
    again, _ = import_ecgbert(save(tmp_path, published()), reinit_attention=True)
    assert torch.equal(first, again.transformer.layers[0].self_attn.in_proj_weight)


def test_prefixes_and_the_pair_of_files_are_understood(tmp_path):
    tensors = published(trained=True)
    emb = {f"module.{n}": t for n, t in tensors.items() if "embedding" in n}
    bert = {n.replace("transformer.", ""): t for n, t in tensors.items() if "embedding" not in n}
    pair = save(tmp_path, emb, "emb_model_1.pth"), save(tmp_path, {"state_dict": bert}, "bert_model_1.pth")
    one, _ = import_ecgbert(save(tmp_path, tensors))
    two, report = import_ecgbert(*pair)
    assert len(report.matched) == 82
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(two.state_dict()[name], tensor)


def test_a_tensor_of_another_shape_is_named_and_nothing_is_taken_silently(tmp_path):
    tensors = published(trained=True) | {"fc.weight": torch.zeros(75, 16)}
    with pytest.raises(ConfigError, match=r"transfer: fc\.weight: got \(75, 16\), wanted \(75, 32\)"):
        import_ecgbert(save(tmp_path, tensors))
    _, report = import_ecgbert(save(tmp_path, tensors), strict=False)
    assert report.mismatched == ("fc.weight",)
    assert (report.missing, report.extra) == ((), ())


def test_as_many_numbers_in_another_shape_are_no_match_unless_the_layout_says_so():
    model = torch.nn.Linear(6, 2)
    tensors = {"weight": torch.arange(12.0).reshape(6, 2), "bias": torch.ones(1, 2, 1)}
    drawn = model.weight.clone()
    report = transfer(model, tensors, strict=False, minimum=0.1)
    assert (report.mismatched, report.reshaped) == (("weight",), ("bias",))  # a transposed table is no reshaped one
    assert torch.equal(model.weight, drawn)
    assert torch.equal(model.bias, torch.ones(2))
    assert report.share == pytest.approx(2 / 14)
    with pytest.raises(ConfigError, match=r"transfer: weight: got \(6, 2\), wanted \(2, 6\) \(1 mismatched\)"):
        transfer(model, tensors)
    assert transfer(model, tensors, reshaped=("weight",)).reshaped == ("weight", "bias")
    assert torch.equal(model.weight.flatten(), torch.arange(12.0))


def test_a_layout_is_a_table_of_sections_prefixes_and_rows(tmp_path):
    """An encoder and a decoder in one file, beside much that is no tensor, as of a self-supervised run."""
    layout = Layout(
        sections={"encoder_state_dict": "encoder.", "decoder_state_dict": "decoder."},
        prefixes={"backbone.": ""},
        rows={"decoder.bias": (1, 0)},
    )
    content = {
        "epoch": 3,
        "encoder_state_dict": {"backbone.weight": torch.ones(2, 3)},
        "decoder_state_dict": {"bias": torch.tensor([1.0, 2.0])},
    }
    found = read_tensors(save(tmp_path, content), layout=layout)
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        "encoder.weight": [[1.0] * 3] * 2,
        "decoder.bias": [2.0, 1.0],
    }


def test_missing_and_extra_tensors_are_refused_and_without_strict_reported(tmp_path):
    tensors = published(trained=True)
    del tensors["fc.bias"]
    tensors["head.weight"] = torch.zeros(3)
    with pytest.raises(ConfigError, match=r"fc\.bias: got nothing, wanted \(75,\)"):
        import_ecgbert(save(tmp_path, tensors))
    _, report = import_ecgbert(save(tmp_path, tensors), strict=False)
    assert report.missing == ("fc.bias",)
    assert report.extra == ("head.weight",)
    assert report.share == pytest.approx(1 - 75 / 65_387)


def test_positions_in_another_shape_are_reshaped_and_a_shorter_table_is_inflated(tmp_path):
    tensors = published(trained=True)
    tensors["positional_embedding.pe"] = tensors["positional_embedding.pe"].reshape(1, 3600, 32)
    tensors["token_embedding.weight"] = tensors["token_embedding.weight"][:74]
    _, report = import_ecgbert(save(tmp_path, tensors), strict=False)
    assert report.reshaped == ("positional_embedding.pe",)
    assert report.inflated == ("token_embedding.weight",)


def test_too_small_a_share_is_refused_even_without_strict(tmp_path):
    few = {n: t for n, t in published(trained=True).items() if n.startswith("fc")}
    with pytest.raises(ConfigError, match=r"got 3\.8 % of the parameters, wanted 90\.0 % at least"):
        import_ecgbert(save(tmp_path, few), strict=False)


def test_no_tensor_at_all_is_refused_even_where_no_share_is_asked(tmp_path):
    with pytest.raises(ConfigError, match=r"got 0\.0 % of the parameters, wanted some"):
        import_ecgbert(save(tmp_path, {"other": torch.zeros(3)}), strict=False, minimum=0.0)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("gotcha",)

    with pytest.raises(RecordError, match="got code to run beside tensors, wanted a file of plain tensors"):
        read_tensors(save(tmp_path, {"a": Evil()}))


def test_what_is_no_checkpoint_is_refused_by_name(tmp_path):
    (tmp_path / "noise.pth").write_bytes(b"\x00" * 100)
    with pytest.raises(RecordError, match=r"noise\.pth: checkpoint"):
        read_tensors(tmp_path / "noise.pth")
    with pytest.raises(RecordError, match="got no file"):
        read_tensors(tmp_path / "absent.pth")
    for content in ([torch.zeros(1)], {}, {"epoch": 3}, {"state_dict": {"a": torch.zeros(1), "b": 2}}):
        with pytest.raises(RecordError, match="wanted a mapping of names to tensors"):
            read_tensors(save(tmp_path, content))


def test_a_new_head_is_drawn_and_the_model_answers(tmp_path):
    model, _ = import_ecgbert(save(tmp_path, published(trained=True)), classes=5)
    tokens = torch.zeros(1, 12, dtype=torch.long)
    assert model(tokens, torch.zeros(1, 12, 2, 32), tokens == 0)["logits"].shape == (1, 12, 5)


# The command


def convert(capsys, *words):
    """Run the command; return its exit code, what it prints as JSON, and what it says on stderr."""
    code = main(["convert", *map(str, words), "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out) if captured.out else None, captured.err


def test_the_command_writes_a_checkpoint_that_a_stage_can_start_from(tmp_path, capsys):
    output = tmp_path / "new" / "ecgbert.safetensors"
    with pytest.warns(UserWarning, match="never trained"):
        code, found, _ = convert(capsys, save(tmp_path, published()), "--output", output)
    assert code == 0
    assert (found["share"], found["matched"], found["missing"]) == (1.0, 82, [])
    assert found["notes"] == [UNTRAINED]
    checkpoint = load(output)
    assert found["sha256"] == digest(checkpoint.tensors, json.dumps(checkpoint.state))
    assert checkpoint.state["lineage"][0]["imported"] == [str(tmp_path / "ckpt.pth")]
    model = build("ecgbert_documented")
    stage = validate(Stage, {"name": "s", "loss": "cross_entropy", "init": str(output)})
    assert inherit(model, stage)[1].share == 1
    assert torch.equal(model.token_embedding.weight[0], published()["token_embedding.weight"][4])


def test_the_command_takes_a_part_where_a_share_is_said_to_be_enough_and_names_what_did_not_come(tmp_path, capsys):
    tensors = published(trained=True) | {"fc.weight": torch.zeros(75, 16), "more": torch.zeros(1)}
    del tensors["fc.bias"]
    weights, output = save(tmp_path, tensors), tmp_path / "out.safetensors"
    code, _, said = convert(capsys, weights, "--output", output)
    assert code == 2
    assert said.startswith("biotl: transfer: fc.weight: got (75, 16), wanted (75, 32) (1 mismatched)")
    code, _, said = convert(capsys, weights, "--output", output, "--min-share", "0.99")
    assert code == 2
    assert said == "biotl: transfer: got 96.2 % of the parameters, wanted 99.0 % at least\n"
    assert not output.exists()
    code, found, _ = convert(capsys, weights, "--output", output, "--min-share", "0.9")
    assert code == 0
    assert (found["mismatched"], found["missing"], found["extra"]) == (["fc.weight"], ["fc.bias"], ["more"])
    assert main(["convert", str(weights), "--output", str(output), "--min-share", "0.9"]) == 0
    assert "mismatched: fc.weight\n" in capsys.readouterr().out


def test_the_command_refuses_code_and_broken_files_in_one_line(tmp_path, capsys):
    class Evil:
        def __reduce__(self):
            return (tmp_path / "gotcha").write_text, ("code ran",)

    whole = save(tmp_path, published()).read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.pth").write_bytes(b"")
    save(tmp_path, {"a": Evil()}, "evil.pth")
    for name in ("evil.pth", "cut.pth", "empty.pth", "absent.pth"):
        code, _, said = convert(capsys, tmp_path / name, "--output", tmp_path / "out.safetensors")
        assert code == 3
        assert said.startswith(f"biotl: {tmp_path / name}: checkpoint: got ")
        assert said.count("\n") == 1
    assert not (tmp_path / "gotcha").exists()
    assert not (tmp_path / "out.safetensors").exists()
