"""Guards: every fault that has cost somebody a run, planted; the doctor finds it before, the trainer during."""

import re

import numpy as np
import pytest
import torch

from biotl.cli import main
from biotl.datasets.splits import LATER
from biotl.errors import BiotlError, TrainingError
from biotl.models.ecgbert import ECGBert
from biotl.training.checkpoint import Checkpoint, save
from biotl.training.data import Task, View
from biotl.training.doctor import examine
from biotl.training.groups import without_group
from biotl.training.losses import LOSSES
from biotl.training.trainer import Trainer
from toys import (
    FULL,
    HEAD,
    MaskedWaves,
    Net,
    PatchEncoder,
    Points,
    SequenceRegression,
    Workouts,
    config,
    points_task,
    seeded,
)


class Of(Points):
    """Points that say whose they are."""

    def __init__(self, *subjects, seed=0, **said):
        super().__init__(24, seed=seed)
        self.subjects = [subjects[k % len(subjects)] for k in range(24)]
        self.__dict__.update(said)


def sides(train, validation):
    return points_task(train=train, validation=validation)


def target_in_features(tmp_path):
    class Leaking(Workouts):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            heart = np.nan_to_num(sample["target"])
            return sample | {"features": np.stack([sample["features"][:, 0], 140 + 12 * heart], -1).astype(np.float32)}

    stage = {"name": "s", "loss": "masked_mse"}
    return config(tmp_path, stage), Task(seeded(SequenceRegression), {"main": View(Leaking(), Leaking(seed=1))})


def subject_on_both_splits(tmp_path):
    return config(tmp_path, HEAD), sides(Of("100", "101"), Of("101", "103", seed=1))


def one_recording_under_two_names(tmp_path):
    class Wide(Of):
        def __init__(self, *subjects, **said):
            super().__init__(*subjects, **said)
            self.x = np.tile(self.x, 3)

    return config(tmp_path, HEAD), points_task(seeded(Net, 12), Wide("100"), Wide("2100"))


def normaliser_fitted_on_validation(tmp_path):
    return config(tmp_path, HEAD), sides(Of("100", fitted_on=["100", "103"]), Of("103", seed=1))


def learning_rate_of_0(tmp_path):
    return config(tmp_path, FULL | {"lr": {"head": 1e-3, "all": 0.0}}), points_task()


def learning_rate_of_1e99(tmp_path):
    return config(tmp_path, HEAD | {"lr": 1e99}), points_task()


def group_without_a_gradient(tmp_path):
    class Detached(Net):
        def forward(self, x):
            return {"logits": self.head(self.stem(x).detach())}

    return config(tmp_path, HEAD | {"trains": ["stem", "head"]}), points_task(seeded(Detached))


def loss_of_exactly_0(tmp_path):
    LOSSES.setdefault("saturated", lambda: lambda outputs, _: (outputs["logits"] * 0).sum())
    return config(tmp_path, HEAD | {"loss": "saturated"}), points_task()


def loss_that_is_not_finite(tmp_path):
    class Broken(Points):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            return sample | {"x": sample["x"] * (np.inf if index == 11 else 1)}

    return config(tmp_path, HEAD | {"batch_size": 48}), points_task(train=Broken(48))


def nothing_transferred(tmp_path):
    source = tmp_path / "source.safetensors"
    save(source, Checkpoint({f"model.encoder.{name}": t for name, t in seeded(Net).state_dict().items()}))
    return config(tmp_path / "run", HEAD | {"init": str(source), "min_share": 0.1}), points_task()


def stage_that_changes_nothing(tmp_path):
    return config(tmp_path, HEAD | {"lr": 1e-30, "optimizer": {"weight_decay": 0}}), points_task()


def model_that_is_random_in_evaluation(tmp_path):
    class Noisy(Net):
        def forward(self, x):
            return super().forward(x + 0.1 * torch.randn_like(x))

    return config(tmp_path, HEAD), points_task(seeded(Noisy))


def data_that_is_random_between_calls(tmp_path):
    class Random(Points):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            return sample | {"x": sample["x"] + np.random.normal(size=4).astype(np.float32)}  # noqa: NPY002

    return config(tmp_path, HEAD), points_task(validation=Random(24))


def metric_that_nothing_measures(tmp_path):
    return config(tmp_path, FULL | {"select": {"metric": "f1", "mode": "max"}}), points_task()


FAULTS = {
    target_in_features: ("target", "the target target is among the features: features[:, :, 1]"),
    subject_on_both_splits: ("subjects", "in both splits: 101 (1 subjects)"),
    learning_rate_of_1e99: ("learning rate", "the learning rate of head.weight is 1e+99; at most 10"),
    normaliser_fitted_on_validation: ("normaliser", "the normaliser saw 103, which is not among the training subjects"),
    learning_rate_of_0: ("learning rate", "the learning rate of stem.weight is 0"),
    group_without_a_gradient: ("gradient", "the loss does not depend on stem: it has no gradient"),
    loss_of_exactly_0: ("loss", "the loss is exactly 0 in"),
    loss_that_is_not_finite: ("loss", "cross_entropy is nan in"),
    model_that_is_random_in_evaluation: ("validation", "validation is random between calls (logits"),
    data_that_is_random_between_calls: ("validation", "validation is random between calls (logits"),
    metric_that_nothing_measures: ("selection", "nothing measures 'f1'; did you mean"),
    nothing_transferred: ("transfer", "got 0.0 % of the parameters, wanted 10.0 % at least"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_doctor_finds_a_fault_before(tmp_path, fault):
    settings, task = fault(tmp_path)
    before = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
    found = examine(settings, task)
    check, message = FAULTS[fault]
    assert [
        finding
        for finding in found
        if finding.level == "error" and finding.check == check and message in finding.message
    ]
    assert all(torch.equal(tensor, before[name]) for name, tensor in task.model.state_dict().items())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_trainer_refuses_a_fault_at_once(tmp_path, fault):
    settings, task = fault(tmp_path)
    with pytest.raises(BiotlError, match=re.escape(FAULTS[fault][1])) as refusal:
        Trainer(settings, task).fit()
    assert refusal.value.exit_code in {1, 2}
    assert not list(tmp_path.rglob("best-*"))


def test_the_doctor_finds_a_recording_under_two_names_by_its_contents(tmp_path):
    (finding,) = examine(*one_recording_under_two_names(tmp_path))
    assert finding.check == "recording"
    assert "sample 0 of training is sample 0 of validation, under another name (24 such samples)" in finding.message


def test_the_trainer_finds_a_recording_under_two_names_too(tmp_path):
    with pytest.raises(TrainingError, match="sample 0 of training is sample 0 of validation, under another name"):
        Trainer(*one_recording_under_two_names(tmp_path)).fit()


def test_a_stage_that_changes_nothing_is_refused_at_its_end(tmp_path):
    settings, task = stage_that_changes_nothing(tmp_path)
    with pytest.raises(TrainingError, match="stage head changed nothing of head"):
        Trainer(settings, task).fit()


def test_a_loss_that_no_trained_group_has_a_part_in_is_refused_before_and_during(tmp_path):
    class Two(Net):
        def forward(self, x):
            return super().forward(x) | {"other": self.stem(x)}

    stage = HEAD | {"loss": {"name": "cross_entropy", "output": "other"}}
    message = "stage head: the loss does not depend on head"
    found = examine(config(tmp_path, stage), points_task(seeded(Two)))
    assert [(f.check, f.message) for f in found] == [("gradient", message)]
    with pytest.raises(TrainingError, match=message):
        Trainer(config(tmp_path, stage), points_task(seeded(Two))).fit()


def test_a_gradient_that_is_0_all_epoch_is_refused_though_weight_decay_moves_the_weights(tmp_path):
    class Dead(Net):
        def forward(self, x):
            return {"logits": self.head(torch.relu(self.stem(x) - 1e6))}

    with pytest.raises(TrainingError, match="the gradient of stem was 0 all epoch"):
        Trainer(config(tmp_path, HEAD | {"trains": ["stem", "head"]}), points_task(seeded(Dead))).fit()


def test_a_gradient_that_is_0_at_first_is_no_fault(tmp_path):
    model = seeded(Net)
    torch.nn.init.zeros_(model.head.weight)
    before = model.stem.weight.detach().clone()
    Trainer(config(tmp_path, HEAD | {"trains": ["stem", "blocks", "head"]}), points_task(model)).fit()
    assert not torch.equal(model.stem.weight, before)


def test_a_loss_that_breaks_later_names_update_and_samples_and_leaves_the_checkpoint_before(tmp_path):
    def poison(event, trainer):
        if event == "update" and (trainer.progress.epoch, trainer.progress.update) == (1, 1):
            with torch.no_grad():
                trainer.model.head.bias[0] = float("nan")

    trainer = Trainer(config(tmp_path, HEAD | {"epochs": 3}, log_every=2), points_task(), hook=poison)
    with pytest.raises(TrainingError, match=r"cross_entropy is nan in epoch 1, update 1, samples \[\d+(, \d+){15}\]"):
        trainer.fit()
    assert Trainer(config(tmp_path, HEAD | {"epochs": 3}), points_task(), resume=True).progress.epoch == 1


@pytest.mark.parametrize("about", [{"labels": ["N", "S", "V", "F"]}, {"decision": {"labels": ["N", "S", "V", "F"]}}])
def test_a_class_without_examples_is_a_warning_before_and_during(tmp_path, capsys, about):
    task = points_task(train=Of("100"), validation=Of("103", seed=1), about=about)
    found = examine(config(tmp_path, HEAD), task)
    assert [(f.level, f.message) for f in found] == [
        ("warning", "view main: class F has no example in training"),
        ("warning", "view main: class F has no example in validation"),
    ]
    Trainer(config(tmp_path, HEAD), task).fit()
    assert "warning: view main: class F has no example in training" in capsys.readouterr().err


def test_a_dropout_that_no_group_holds_is_a_warning_before_and_during(tmp_path, capsys):
    task = points_task(train=Of("100"), validation=Of("103", seed=1))
    task.model.between = torch.nn.Dropout(0.1)
    (found,) = examine(config(tmp_path, HEAD), task)
    assert (found.level, found.check) == ("warning", "dropout")
    assert found.message.startswith("between is in no group of the model")
    Trainer(config(tmp_path, HEAD), task).fit()
    assert "warning: between is in no group of the model" in capsys.readouterr().err


def test_ecgbert_holds_every_dropout_in_a_group():
    assert without_group(ECGBert(classes=3)) == []


@pytest.mark.parametrize("side", ["train", "validation"])
def test_a_split_without_samples_is_refused_before_and_during(tmp_path, side):
    view = {"train": Points(24), "validation": Points(24, seed=1)} | {side: Points(0)}
    task = Task(seeded(Net), {"main": View(**view)})
    assert [(f.level, f.check) for f in examine(config(tmp_path, HEAD), task)] == [("error", "samples")]
    with pytest.raises(TrainingError, match=r"view main: \w+ has no sample"):
        Trainer(config(tmp_path, HEAD), task).fit()


def test_a_first_batch_without_labels_is_no_fault(tmp_path):
    train = Points(48)
    train.labels[:16] = -1
    assert examine(config(tmp_path), points_task(train=train, validation=Points(24, seed=1))) == []


def test_a_target_that_is_random_between_validations_is_found(tmp_path):
    class Relabelled(Points):
        def __getitem__(self, index):
            return super().__getitem__(index) | {"labels": np.int64(np.random.randint(3))}  # noqa: NPY002

    (found,) = examine(config(tmp_path, HEAD), points_task(train=Points(), validation=Relabelled(24, seed=1)))
    assert "validation is random between calls (labels of the first batch differs)" in found.message


def test_a_split_by_time_has_everybody_on_both_splits(tmp_path):
    task = sides(Of("100"), Of("100", seed=1))
    task.about["about"] = {"claim": LATER}
    assert examine(config(tmp_path, HEAD), task) == []


def test_a_sound_run_has_no_finding(tmp_path):
    task = points_task(train=Of("100", fitted_on=["100"]), validation=Of("103", seed=1))
    assert examine(config(tmp_path), task) == []


def test_subjects_are_who_the_data_say_they_are(tmp_path):
    # of another data set than MIT-BIH: that its 201 and 202 are one person is its adapter's to say
    assert examine(config(tmp_path, HEAD), sides(Of("201", "100"), Of("202", seed=1))) == []


def test_a_target_that_the_model_hides_from_itself_is_no_leak_and_one_that_it_reads_is(tmp_path):
    stage = {"name": "ssl", "loss": "masked_reconstruction", "trains": ["patch_embed", "blocks", "decoder"]}
    views = {"main": View(MaskedWaves(16), MaskedWaves(8, seed=1))}
    assert examine(config(tmp_path, stage), Task(seeded(PatchEncoder), views)) == []

    class Open(PatchEncoder):
        def forward(self, signal, measured):
            return super().forward(signal, torch.ones_like(measured))

    (found,) = examine(config(tmp_path, stage), Task(seeded(Open), views))
    assert (found.check, found.message) == ("target", "stage ssl: the target signal is among the features: signal")


def test_the_doctor_goes_on_after_a_stage_that_cannot_be_checked(tmp_path):
    found = examine(config(tmp_path, HEAD | {"trains": "hed"}, FULL | {"lr": 0.0}), points_task())
    assert [finding.check for finding in found] == ["stage", "learning rate"]


def test_a_view_that_does_not_exist_is_found(tmp_path):
    (finding,) = examine(config(tmp_path, HEAD | {"view": "beats"}), points_task())
    assert finding.check == "view"


@pytest.mark.parametrize("recipe", ["recipe: ecgbrt", "seed: 1"])
def test_a_recipe_that_does_not_exist_is_answered_with_the_nearest_name(tmp_path, recipe, capsys):
    (tmp_path / "c.yaml").write_text(recipe)
    assert main(["doctor", str(tmp_path / "c.yaml")]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"biotl: {tmp_path / 'c.yaml'}: recipe: ")
    assert "ecgbert" in err
    assert err.count("\n") == 1
