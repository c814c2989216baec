"""Stages: what a pattern selects, at which rate it trains, and that frozen means frozen."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from biotl.config import validate
from biotl.errors import ConfigError, TrainingError
from biotl.training.groups import apply, parameters, select
from biotl.training.guards import fingerprints
from biotl.training.stages import Criterion, Schedule, Stage
from biotl.training.trainer import Trainer
from toys import FULL, HEAD, Net, config, points_task, seeded


def stage(**changes):
    return validate(Stage, FULL | changes)


@pytest.mark.parametrize(
    ("pattern", "start"),
    [
        ("head", ["head."]),
        ("blocks", ["blocks.0.", "blocks.1.", "blocks.2."]),
        ("blocks[-2:]", ["blocks.1.", "blocks.2."]),
        ("blocks[0]", ["blocks.0."]),
        ("blocks[:1]", ["blocks.0."]),
        ("blocks.1", ["blocks.1."]),
        ("blocks.1.0.weight", ["blocks.1.0.weight"]),
        ("all", [""]),
    ],
)
def test_a_pattern_selects_the_parameters_it_says(pattern, start):
    model = Net()
    names = {id(p): name for name, p in model.named_parameters()}
    chosen = {names[id(p)] for p in parameters(select(model, pattern))}
    assert chosen == {name for name in names.values() if name.startswith(tuple(start))}


@pytest.mark.parametrize(
    "pattern",
    [
        "haed",
        "blocks[7]",
        "blocks[5:]",
        "blocks[a]",
        "blocks[]",
        "blocks[-]",
        "blocks[0:2:1]",
        "blocks.9",
        "blocks.0.3",
        "stem.x",
        "stem.weight[0]",
    ],
)
def test_a_pattern_that_matches_nothing_is_an_error(pattern):
    with pytest.raises(ConfigError, match="trains"):
        select(Net(), pattern)


def test_a_list_of_modules_is_its_members():
    class Nested(Net):
        def groups(self):
            return super().groups() | {"blocks": [self.blocks]}

    model = Nested()
    assert select(model, "blocks[-1:]") == [model.blocks[2]]
    assert apply(model, stage(layer_decay=0.5)).rates == apply(Net(), stage(layer_decay=0.5)).rates
    model.heads = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    assert select(model, "heads[1]") == [model.heads["b"]]


def test_the_nearest_group_is_suggested():
    with pytest.raises(ConfigError, match="did you mean 'head'"):
        select(Net(), "haed")


def test_a_group_may_be_loose_parameters():
    class Lstm(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(2, 3, 2, dropout=0.5)

        def groups(self):
            named = dict(self.lstm.named_parameters())
            return {f"layer{k}": [p for name, p in named.items() if name.endswith(f"_l{k}")] for k in (0, 1)}

    model = Lstm()
    trained = apply(model, stage(trains=["layer1"]))
    assert set(trained.parameters) == {f"lstm.{kind}_{of}_l1" for kind in ("weight", "bias") for of in ("ih", "hh")}
    trained.train(model)
    assert model.lstm.training  # part of it trains
    assert not model.lstm.weight_ih_l0.requires_grad


def test_a_rate_by_group_and_the_first_pattern_decides():
    trained = apply(Net(), stage(lr={"head": 1e-2, "blocks[-1]": 1e-3, "all": 1e-4}))
    wanted = {"head.weight": 1e-2, "blocks.2.0.weight": 1e-3, "blocks.0.1.bias": 1e-4, "stem.weight": 1e-4}
    assert {name: trained.rates[name] for name in wanted} == wanted
    assert [group["base"] for group in trained.optimizer_groups()] == [1e-4, 1e-3, 1e-2]


def test_a_parameter_without_a_rate_and_a_rate_without_a_parameter_are_errors():
    with pytest.raises(ConfigError, match=r"stem\.weight trains, and no pattern of lr"):
        apply(Net(), stage(lr={"head": 1e-2}))
    with pytest.raises(ConfigError, match="lr names 'stem', which the stage does not train"):
        apply(Net(), stage(trains="head", lr={"stem": 1e-2, "all": 1e-3}))


def test_layer_decay_falls_from_the_head_to_the_input():
    rates = apply(Net(), stage(lr=1.0, layer_decay=0.5)).rates
    assert rates["head.weight"] == 1.0
    assert [rates[f"blocks.{k}.0.weight"] for k in (2, 1, 0)] == [0.5, 0.25, 0.125]
    assert rates["stem.bias"] == 0.0625


def test_layer_decay_needs_a_model_that_declares_its_layers():
    with pytest.raises(ConfigError, match="declares no groups"):
        apply(nn.Linear(2, 2), stage(layer_decay=0.5))


def test_frozen_means_frozen_bit_by_bit(tmp_path):
    model = seeded(Net)
    before = fingerprints(model)
    Trainer(
        config(tmp_path, HEAD | {"trains": "blocks[-1]", "optimizer": {"weight_decay": 0.1}}), points_task(model)
    ).fit()
    moved = {name for name, mark in fingerprints(model).items() if mark != before[name]}
    assert moved
    assert all(name.startswith("blocks.2.") for name in moved)
    assert "blocks.2.1.running_mean" in moved


def test_only_what_trains_is_in_training_mode():
    model = Net()
    apply(model, stage(trains=["blocks[1]", "head"])).train(model)
    modes = {name: module.training for name, module in model.named_modules()}
    assert modes["blocks.1.3"]  # dropout of a trained block
    assert not modes["blocks.0.3"]
    assert not modes["blocks.0.1"]
    assert not modes["stem"]


def test_a_statistic_that_moves_in_a_frozen_part_is_refused(tmp_path):
    class Leaky(Net):
        def forward(self, x):
            if self.training:
                self.blocks[0][1].running_mean += 0.1
            return super().forward(x)

    with pytest.raises(TrainingError, match=r"frozen, and yet changed: blocks\.0\.1\.running_mean"):
        Trainer(config(tmp_path, HEAD), points_task(seeded(Leaky))).fit()


def test_a_frozen_part_has_no_gradient_and_no_place_in_the_optimiser(tmp_path):
    trainer = Trainer(config(tmp_path, HEAD), points_task())
    trainer.fit()
    assert {id(p) for g in trainer.learner.optimizer.param_groups for p in g["params"]} == {
        id(p) for p in trainer.model.head.parameters()
    }
    assert all(p.grad is None for p in trainer.model.stem.parameters())


SCHEDULES = [Schedule(), Schedule(name="cosine"), Schedule(name="cosine", warmup_epochs=1.5), Schedule(warmup_epochs=2)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@given(per_epoch=st.integers(1, 50), epochs=st.integers(1, 20))
def test_the_first_rate_is_never_0_and_the_peak_is_the_base(schedule, per_epoch, epochs):
    rates = [schedule.rate(0.1, update, per_epoch, epochs) for update in range(per_epoch * epochs)]
    assert rates[0] > 0
    assert max(rates) <= 0.1 * (1 + 1e-12)
    warmup = round(schedule.warmup_epochs * per_epoch)
    if warmup <= per_epoch * epochs:
        assert np.isclose(rates[max(0, warmup - 1)], 0.1)


def test_cosine_ends_at_the_lowest_rate():
    schedule = Schedule(name="cosine", warmup_epochs=1, min_lr=1e-5)
    assert schedule.rate(1e-3, 100, 10, 10) == pytest.approx(1e-5)
    falling = [schedule.rate(1e-3, update, 10, 10) for update in range(10, 100)]
    assert falling == sorted(falling, reverse=True)


def test_cosine_never_raises_a_rate_that_is_below_the_lowest():
    schedule = Schedule(name="cosine", min_lr=1e-5)
    assert {schedule.rate(1e-7, update, 10, 10) for update in range(100)} == {1e-7}


def test_warm_up_is_linear_and_by_update():
    schedule = Schedule(name="cosine", warmup_epochs=2)
    np.testing.assert_allclose([schedule.rate(1.0, update, 4, 10) for update in range(8)], np.arange(1, 9) / 8)


def test_a_plateau_lowers_the_rate_down_to_its_floor():
    schedule = Schedule(name="plateau", min_lr=1e-4)
    assert schedule.rate(1e-3, 5, 2, 9, scale=0.5) == 5e-4
    assert schedule.rate(1e-3, 5, 2, 9, scale=0.01) == 1e-4
    assert schedule.rate(1e-5, 5, 2, 9, scale=0.5) == 1e-5  # never raised


def test_selection_by_sensitivity_at_target_then_specificity():
    select_by = [
        {"metric": "se", "mode": "max", "target": 0.95},
        {"metric": "sp", "mode": "max", "target": 0.85},
        {"metric": "se", "mode": "max"},
    ]
    chosen = stage(select=select_by)
    epochs = [(0.90, 0.99), (0.96, 0.60), (0.95, 0.80), (0.96, 0.86), (0.99, 0.85), (0.94, 1.0)]
    best = max(epochs, key=lambda epoch: chosen.score({"se": epoch[0], "sp": epoch[1]}))
    assert best == (0.99, 0.85)


def test_an_undefined_value_loses_against_every_defined_one():
    criterion = validate(Criterion, {"metric": "auroc", "mode": "max"})
    assert criterion.score({"auroc": float("nan")}) < criterion.score({"auroc": -1e9})
    lowest = validate(Criterion, "loss")
    assert lowest.score({"loss": float("nan")}) < lowest.score({"loss": 1e9})


def test_a_criterion_without_a_direction_and_one_that_nothing_measures_are_refused():
    with pytest.raises(ConfigError, match="say whether mode is max or min"):
        stage(select="macro_f1")
    with pytest.raises(ConfigError, match=r"select\[1\]: .* got 5"):
        stage(select=["loss", 5])
    with pytest.raises(ConfigError, match="nothing measures 'f1'; did you mean 'macro_f1'"):
        stage(select={"metric": "f1", "mode": "max"}).score({"macro_f1": 1.0, "loss": 0.0})


def test_a_stage_of_no_epochs_or_of_nothing_is_refused():
    for changes in ({"epochs": 0}, {"trains": []}, {"loss": []}, {"lr": -1.0}, {"name": "a/b"}):
        with pytest.raises(ConfigError, match=next(iter(changes))):
            stage(**changes)


def test_torch_and_the_stage_agree_on_how_many_parameters_train(tmp_path, capsys):
    Trainer(config(tmp_path, HEAD), points_task()).fit()
    assert "stage head: trains 27 of 331 parameters (head 27)" in capsys.readouterr().err
    assert sum(p.numel() for p in Net().head.parameters()) == 27
    assert torch.is_grad_enabled()
