"""Recipes: the shipped configurations, the split they make, and how a decision is chosen."""

import re
import subprocess
import sys

import numpy as np
import pytest

from biotl.cli import main
from biotl.config import dump, validate
from biotl.deploy.decision import Classes, Value, decide
from biotl.errors import ConfigError
from biotl.models.registry import build
from biotl.recipes import prep, registry
from biotl.recipes.decide import choose, thresholds
from biotl.recipes.ecgbert import CLASSES, EcgbertConfig
from biotl.recipes.units import truths, within
from biotl.recipes.words import words
from biotl.scoring.answers import Answered
from biotl.scoring.classes import score
from biotl.training.groups import select

SHIPPED = registry.shipped()
BEATS = sorted(name for name in SHIPPED if name.startswith("ecgbert"))


def answered(truth, probability=None, **answers):
    n = len(truth)
    span = np.stack([np.arange(n), np.arange(n) + 1], axis=1)
    return Answered("a", "p", "window", 1.0, span, np.asarray(truth), answers, probability=probability)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_configuration_loads_and_reads_back_to_itself(name, tmp_path):
    config = registry.load(name)
    (tmp_path / "c.yaml").write_text(dump(config))
    assert registry.load(tmp_path / "c.yaml") == config


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_configuration_is_headed_by_its_command(name):
    head = SHIPPED[name].read_text().split("recipe:")[0]
    assert f" {name}" in head or name == "demo"
    assert "biotl " in head


@pytest.mark.parametrize("recipe", registry.RECIPES)
def test_a_configuration_that_lacks_fields_is_sent_to_a_shipped_one_of_its_recipe(recipe, tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text(f"recipe: {recipe}\n")
    assert main(["doctor", str(tmp_path / "mine.yaml")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"biotl: {tmp_path / 'mine.yaml'}: ")
    assert "Field required" in said
    assert (said.count("\n"), len(said) - len(str(tmp_path)) < 300) == (1, True)
    name = re.search(r"`biotl recipes (\w+) --copy mine.yaml`", said)[1]
    assert registry.load(name).recipe == recipe


@pytest.mark.parametrize("name", BEATS)
def test_the_stages_of_a_configuration_fit_its_model(name):
    config = registry.load(name)
    model = build(config.model.name, classes=5, **config.model.args)
    for stage in config.stages:
        assert stage.view in {"tokens", "beats"}
        for pattern in stage.trains:
            select(model, pattern)
    beats = [stage for stage in config.stages if stage.view == "beats"]
    if beats:  # the embedding stays as it was pretrained at first
        assert "embedding" not in beats[0].trains
        assert set(beats[1].trains) == {"embedding", "encoder", "head"}


def test_a_configuration_that_does_not_exist_is_answered_with_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'ecgbert_mitbih'"):
        registry.config_path("ecgbert_mitbi")
    with pytest.raises(ConfigError, match=r"no recipe is called 'ecgbrt'.*ecgbert"):
        registry.find("ecgbrt")


def test_a_configuration_says_where_the_recordings_are_or_is_refused():
    with pytest.raises(ConfigError, match=r"data\.manifest=FILE\.csv"):
        validate(EcgbertConfig, {"recipe": "ecgbert", "data": {}, "stages": [{"name": "a", "loss": "cross_entropy"}]})


def test_a_configuration_of_the_first_version_is_told_what_its_keys_are_called_now():
    data = {"root": "records", "validation": ["114"]}
    stages = [{"name": "a", "loss": "cross_entropy"}]
    with pytest.raises(ConfigError, match=r"validation: it is split\.validation now.*MIT-BIH.*manifest: FILE\.csv"):
        validate(EcgbertConfig, {"recipe": "ecgbert", "data": data, "stages": stages})


def test_two_classes_of_beats_are_normal_and_everything_else():
    assert set(CLASSES["binary"].values()) == {"normal", "abnormal"}
    assert CLASSES["binary"]["N"] == "normal"
    assert {CLASSES["binary"][symbol] for symbol in "VAF/r"} == {"abnormal"}


def test_recipes_are_listed_printed_and_copied_but_never_over_a_file(tmp_path, capsys):
    assert main(["recipes"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in SHIPPED)
    assert main(["recipes", "value"]) == 0
    assert capsys.readouterr().out.startswith("# A number for each file")
    copy = tmp_path / "mine.yaml"
    assert main(["recipes", "value", "--copy", str(copy)]) == 0
    assert copy.read_text() == SHIPPED["value"].read_text()
    copy.write_text("mine")
    assert main(["recipes", "value", "--copy", str(copy)]) == 2
    assert copy.read_text() == "mine"


def test_thresholds_are_moved_where_that_helps_and_stay_where_it_does_not():
    truth = np.arange(40) % 2
    unsure = np.stack([np.where(truth, 0.7, 0.9), np.where(truth, 0.3, 0.1)], axis=1).astype(np.float32)
    chosen = choose(Classes(labels=("normal", "abnormal")), [answered(truth, unsure)])
    predicted = decide(unsure, np.array(chosen.thresholds, np.float32))
    assert score(truth, predicted, np.zeros(0, np.int64), chosen.labels).macro_f1 == 1
    sure = np.eye(5, dtype=np.float32)[truth]
    np.testing.assert_allclose(thresholds([answered(truth, sure)], tuple("NSVFQ")), 0.2)


def test_the_interval_of_a_value_holds_nine_tenths_of_the_validation_errors():
    errors = np.linspace(-1, 1, 101)
    chosen = choose(Value(name="rate"), [answered(70 + errors, own=np.full(101, 70.0))])
    assert (chosen.low, chosen.high) == pytest.approx((-0.9, 0.9))
    with pytest.raises(ConfigError, match="no unit has a reference"):
        choose(Value(name="rate"), [answered(np.full(3, np.nan), own=np.ones(3))])


def test_a_stretch_of_a_recording_holds_the_units_that_begin_in_it():
    from biotl.datasets.splits import Part

    span = np.array([[0, 5], [49, 60], [50, 51], [99, 120]])
    assert within(Part("a", 0.0, 0.5), span, 100).tolist() == [True, True, False, False]
    assert within(Part("a", 0.5, 1.0), span, 100).tolist() == [False, False, True, True]


def test_a_value_that_is_masked_is_no_reference():
    found = truths({"target": np.array([1.0, 2.0]), "mask": np.array([True, False])})
    np.testing.assert_array_equal(found, [1.0, np.nan])


def test_a_report_on_own_data_does_not_quote_another_database(tmp_path):
    from biotl.datasets.labels import BeatClass
    from biotl.datasets.manifest import Entry
    from biotl.datasets.splits import make_split

    people = [Entry(f"r{k}", (), f"p{k}", side) for k, side in enumerate(["train", "validation", "test"])]
    config = registry.load("beats", [f"data.manifest={tmp_path / 'mine.csv'}", "data.split.by=split"])
    split = make_split(people, config.data.split, seed=0)
    said = words(registry.find("ecgbert"), config, split, BeatClass())
    text = str(said)
    assert "mine.csv" in text
    assert "MIT-BIH" not in text
    assert "201" not in text
    assert split.claim in text


@pytest.mark.parametrize("command", ["split", "prep"])
def test_what_is_not_training_runs_without_torch(command, tmp_path):
    code = (
        "import sys\nsys.modules['torch'] = None\n"
        "from biotl.recipes import synthetic\n"
        "synthetic.SUBJECTS.update(train=2, validation=1, test=1)\n"
        f"synthetic.rhythms(__import__('pathlib').Path({str(tmp_path)!r}), 0)\n"
        "from biotl.cli import main\n"
        f"sys.exit(main([{command!r}, 'beats', '--run', {str(tmp_path / 'run')!r}, '--set', 'data.split.by=split', "
        f"'--set', 'data.manifest={tmp_path / 'manifest.csv'}']))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "validation" in run.stdout


def test_training_without_torch_is_one_line_and_exit_code_5(tmp_path):
    code = (
        "import sys\nsys.modules['torch'] = None\nfrom biotl.cli import main\n"
        f"sys.exit(main(['finetune', 'beats', '--run', {str(tmp_path / 'run')!r}]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stderr) == (5, "biotl: torch is not installed: pip install 'biotl[train]'\n")


def test_what_is_fitted_on_a_recording_split_in_time_knows_nothing_of_its_later_part(tmp_path):
    later = np.repeat([0.0, 5.0], 1500)  # half of it is learnt from, and the level of the rest is not to be known
    noise = np.random.default_rng(0).normal(size=(4, 3000))
    rows = ["id,file,subject,split,level"]
    for k, x in enumerate(noise + later):
        np.savez(tmp_path / f"{k}.npz", ppg=x, fs=50.0)
        rows.append(f"r{k},{k}.npz,p{k},,{k}")
    (tmp_path / "m.csv").write_text("\n".join(rows))
    overrides = [
        f"data.manifest={tmp_path / 'm.csv'}",
        "data.column=level",
        "data.split={by: time, shares: [0.5, 0.25, 0.25]}",
        f"run={tmp_path / 'run'}",
        "data.spec={kind: windows, fs: 50, length_s: 5, channels: [{name: ppg, normalizer: training}]}",
    ]
    ready = prep.fit(prep.prepare(registry.load("value", overrides)))
    assert abs(ready.preprocessor.state["scaler"]["mean"][0]) < 0.1
    assert ready.preprocessor.state["scaler"]["std"][0] == pytest.approx(1, abs=0.05)
