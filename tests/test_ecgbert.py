"""ECGBERT in both forms: exact sizes, padding that is hidden, and what a masked token cannot see."""

import pytest
import torch

from biotl.datasets.features import FEATURES
from biotl.datasets.vocabulary import MASK, PAD, SPECIAL
from biotl.errors import ConfigError
from biotl.models.ecgbert import ECGBert, sinusoid
from biotl.models.foreign_ecgbert import DocumentedECGBert
from biotl.models.registry import build


def count(module):
    return sum(p.numel() for p in module.parameters())


def batch(n=2, length=24, seed=0):
    g = torch.Generator().manual_seed(seed)
    return {
        "tokens": torch.randint(0, 70, (n, length), generator=g),
        "wave": torch.randint(0, 4, (n, length), generator=g),
        "patches": torch.randn(n, length, 2, 32, generator=g),
        "features": torch.randn(n, length, len(FEATURES), generator=g),
        "mask": torch.ones(n, length, dtype=torch.bool),
    }


def padded(fields, extra):
    n = len(fields["tokens"])
    out = {}
    for name, x in fields.items():
        fill = {"tokens": PAD, "wave": SPECIAL, "mask": False}.get(name, 0)
        out[name] = torch.cat([x, torch.full((n, extra, *x.shape[2:]), fill, dtype=x.dtype)], dim=1)
    return out


def run(model, fields):
    return model(*(fields[name] for name in model.inputs))


@pytest.fixture(params=["ecgbert", "ecgbert_documented"])
def model(request):
    torch.manual_seed(0)
    return build(request.param, classes=5).eval()


def test_the_importable_form_has_the_documented_sizes():
    model = DocumentedECGBert()
    assert count(model) == 65_387
    assert sum(b.numel() for b in model.buffers()) == 115_524
    assert count(model.token_embedding) == 2_400
    assert count(model.cnn_embedding) == 26_336
    assert count(model.transformer) == 34_176
    assert count(model.transformer.layers[0]) == 8_544
    assert count(model.fc) == 2_475
    assert len(model.state_dict()) == 82


def test_the_documented_head_is_two_linear_layers():
    assert count(DocumentedECGBert(classes=5)) == 65_387 + 2_475 + 380


def test_the_token_counts_twice_in_the_importable_form():
    model = DocumentedECGBert().eval()
    seen = {}
    model.transformer.register_forward_pre_hook(lambda _m, args: seen.update(x=args[0]))
    fields = batch()
    with torch.no_grad():
        run(model, fields)
        token = model.token_embedding(fields["tokens"])
        wave = model.cnn_embedding(fields["patches"][:, :, 0].mean(-1))
    torch.testing.assert_close(seen["x"], 2 * token + sinusoid(24, 32) + wave)


def test_positions_are_those_of_the_paper():
    pe = DocumentedECGBert().positional_embedding.pe[:, 0]
    at, k = 1234, 5
    assert pe.shape == (3600, 32)
    assert pe[at, 2 * k].item() == pytest.approx(torch.sin(torch.tensor(at / 10000 ** (2 * k / 32))).item(), abs=1e-3)


def test_the_importable_form_refuses_what_its_positions_do_not_reach():
    model = DocumentedECGBert()
    long = torch.zeros(1, 3601, dtype=torch.long)
    with pytest.raises(ConfigError, match="got 3601 tokens, wanted at most 3600"):
        model(long, torch.zeros(1, 3601, 2, 1), long == 0)


def test_outputs_have_a_row_a_token(model):
    with torch.no_grad():
        out = run(model, batch())
    assert out["logits"].shape == (2, 24, 5)
    assert out["mlm_logits"].shape == (2, 24, 75)


def test_padding_changes_nothing(model):
    """The public code had its mask inverted: it hid the tokens and attended to the padding."""
    fields = batch()
    with torch.no_grad():
        plain, more = run(model, fields)["logits"], run(model, padded(fields, 8))["logits"][:, :24]
    if isinstance(model, DocumentedECGBert):  # its UNet reads past the end by a few tokens, as published
        plain, more = plain[:, :16], more[:, :16]
        assert (plain - more).abs().max() < 0.2
    else:
        torch.testing.assert_close(plain, more, atol=1e-5, rtol=1e-5)


def test_tokens_see_each_other(model):
    fields = batch()
    changed = {name: x.clone() for name, x in fields.items()}
    changed["tokens"][:, 2] = (changed["tokens"][:, 2] + 1) % 70
    with torch.no_grad():
        apart = (run(model, fields)["logits"] - run(model, changed)["logits"]).abs()
    assert apart[:, 20].max() > 1e-6


def test_a_masked_token_hides_its_samples_and_features():
    model = ECGBert().eval()
    fields = batch()
    fields["tokens"][:, 5] = MASK
    changed = {name: x.clone() for name, x in fields.items()}
    changed["patches"][:, 5] += 1
    changed["features"][:, 5] += 1
    with torch.no_grad():
        torch.testing.assert_close(run(model, fields)["logits"], run(model, changed)["logits"])


def test_groups_hold_every_parameter_once(model):
    members = [p for group in model.groups().values() for m in group for p in m.parameters()]
    assert len(members) == len(set(map(id, members)))
    assert set(map(id, members)) == set(map(id, model.parameters()))


def test_every_group_learns_from_both_losses(model):
    out = run(model.train(), batch())
    (out["logits"].square().mean() + out["mlm_logits"].square().mean()).backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None]
    assert missing == []


def test_the_registry_names_the_nearest_model_and_refuses_unknown_options():
    with pytest.raises(ConfigError, match="did you mean 'ecgbert'"):
        build("ecgbrt")
    with pytest.raises(ConfigError, match=r"model\.depth: ecgbert takes no such option"):
        build("ecgbert", depth=3)
    with pytest.raises(ConfigError, match=r"model\.heads: got 3"):
        build("ecgbert", heads=3)


@pytest.mark.parametrize(
    ("name", "value"), [("dim", -4), ("dim", "wide"), ("layers", 0), ("heads", 0), ("hidden", 1.5), ("dropout", 2)]
)
def test_a_size_that_no_model_can_have_is_refused_by_its_key(name, value):
    with pytest.raises(ConfigError, match=rf"model\.{name}: got {value!r}"):
        build("ecgbert", **{name: value})


def test_a_model_that_reads_described_beats_has_the_weights_of_one_that_does_not_and_more():
    torch.manual_seed(3)
    plain = ECGBert(dim=16, layers=1, heads=2, hidden=16).eval()
    torch.manual_seed(3)
    wide = ECGBert(dim=16, layers=1, heads=2, hidden=16, described=7).eval()
    more = wide.state_dict()
    assert all(torch.equal(tensor, more[name]) for name, tensor in plain.state_dict().items())
    fields = batch()
    fields["place"] = torch.full((2, 24), -1)
    fields["place"][:, 5] = 2
    fields["beats"] = 20 * torch.rand(2, 4, 7)
    before = run(wide, fields)["logits"]
    fields["beats"][:, [0, 1, 3]] = 3.0  # beats that no token is of
    assert torch.equal(run(wide, fields)["logits"], before)
    fields["beats"][:, 2, -1] += 3.0
    changed = (run(wide, fields)["logits"] - before).abs().amax(dim=2)
    assert (changed[:, 5] > 1e-6).all()
