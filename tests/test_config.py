"""Configurations: what is misspelt is named, and a number is a number."""

import re

import pytest

from biotl.config import Named, Registry, Section, dump, load, parse, put, validate
from biotl.errors import ConfigError
from biotl.training.stages import Config
from toys import FULL, HEAD

TEXT = """
recipe: toy
run: ${HOME_OF_RUNS:-runs}/one
stages:
  - {name: head, trains: head, lr: 5e-4, loss: cross_entropy}
  - {name: full, lr: {head: 1e-3, all: 1e-5}, epochs: "${EPOCHS:-3}", loss: {name: focal, gamma: 1}}
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5e-4", 5e-4),
        ("1E3", 1000.0),
        ("-2.5e+1", -25.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("7", 7),
        ("1e", "1e"),
        ("e5", "e5"),
    ],
)
def test_a_number_is_a_number_in_any_notation(text, value):
    assert parse(text) == value
    assert type(parse(text)) is type(value)


@pytest.mark.parametrize("text", ["off", "no", "yes", "on", "NO"])
def test_a_word_is_not_a_truth_value(text):
    assert parse(text) == text


def test_a_key_that_stands_twice_is_refused():
    with pytest.raises(ConfigError, match='line 1: found duplicate key "lr"'):
        parse("{lr: 1, lr: 2}")
    with pytest.raises(ConfigError, match='line 3: found duplicate key "lr"'):
        parse("lr: 1\nseed: 1\nlr: 2")


def test_broken_yaml_is_one_line():
    with pytest.raises(ConfigError, match="line 1: expected ',' or ']'"):
        parse("[1, 2")


@pytest.mark.parametrize(
    "text", ["when: 2026-13-01", "seed: !!int one", "a: " + "[" * 5000, "a: &a [*a]", "a: '${B:-[}'"]
)
def test_what_yaml_cannot_hold_is_one_line_that_names_the_file(text, tmp_path):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"c\.yaml: "):
        load(tmp_path / "c.yaml", Config, environment={})


def test_a_file_is_read_with_defaults_filled_in(path):
    config = load(path, Config, environment={})
    assert config.stages[0].lr == 5e-4
    assert config.stages[1].epochs == 3
    assert config.run == "runs/one"


def test_variables_come_from_the_environment_before_their_defaults(path):
    config = load(path, Config, environment={"EPOCHS": "7", "HOME_OF_RUNS": "/data"})
    assert (config.stages[1].epochs, config.run) == (7, "/data/one")


def test_a_variable_without_a_default_must_be_set(tmp_path):
    (tmp_path / "c.yaml").write_text("run: ${NOWHERE}")
    with pytest.raises(ConfigError, match=r"c\.yaml: \$\{NOWHERE\} is not set"):
        load(tmp_path / "c.yaml", Config, environment={})


def test_the_command_line_overrides_the_environment_which_overrides_the_file(path):
    environment = {"BIOTL__SEED": "5", "BIOTL__STAGES__1__LR": "2e-4"}
    config = load(path, Config, environment=environment, overrides=["stages[1].lr=3e-4", "engine.amp=bf16"])
    assert (config.seed, config.stages[1].lr, config.engine.amp) == (5, 3e-4, "bf16")


@pytest.mark.parametrize(
    "override",
    ["stages[5].lr=1", "stages.lr=1", "recipe[0]=1", "seed", "recipe.x=1", "recipe.x.y=1", "=5", "seed]=7", "seed..x=1",
     "stages[0]lr=1", "stages[a].lr=1", "seed=[", "seed=2026-13-01"],
)  # fmt: skip
def test_an_override_that_does_not_fit_is_named(path, override):
    with pytest.raises(ConfigError, match=re.escape("--set " + override.split("=")[0])):
        load(path, Config, environment={}, overrides=[override])


def test_a_variable_that_is_no_yaml_is_named(path):
    with pytest.raises(ConfigError, match="BIOTL__SEED: line 1: "):
        load(path, Config, environment={"BIOTL__SEED": "["})


@pytest.mark.parametrize("override", ["stages[0].select=[3]", "stages[0].optimizer={betas: [2, 3]}"])
def test_a_value_of_another_kind_is_refused_by_its_key(path, override):
    with pytest.raises(ConfigError, match=re.escape(override.partition("=")[0])):
        load(path, Config, environment={}, overrides=[override])


def test_an_unknown_key_is_refused_with_the_nearest_name(path):
    with pytest.raises(ConfigError, match=r"stages\[0\]\.epoch: unknown key; did you mean 'epochs'\?"):
        load(path, Config, environment={}, overrides=["stages[0].epoch=3"])
    with pytest.raises(ConfigError, match=r"config\.yaml: stage: unknown key; did you mean 'stages'\?"):
        load(path, Config, environment={}, overrides=["stage=3"])


def test_all_complaints_come_at_once(path):
    with pytest.raises(ConfigError, match=r"seed.*engine\.amp.*stages\[0\]\.lr"):
        load(path, Config, environment={}, overrides=["seed=-1", "engine.amp=fp8", "stages[0].lr=fast"])


def test_a_missing_file_and_a_file_of_something_else_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file"):
        load(tmp_path / "none.yaml", Config)
    (tmp_path / "model.onnx").write_bytes(b"\x08\xff\xfe")
    with pytest.raises(ConfigError, match="got bytes that are no text"):
        load(tmp_path / "model.onnx", Config)
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match="got list, wanted keys and values"):
        load(tmp_path / "list.yaml", Config)


def test_the_resolved_configuration_reads_back_to_itself(path, tmp_path):
    config = load(path, Config, environment={})
    (tmp_path / "resolved.yaml").write_text(dump(config))
    assert load(tmp_path / "resolved.yaml", Config, environment={}) == config


def test_a_section_cannot_be_changed():
    stage = validate(Config, {"recipe": "toy", "stages": [HEAD]}).stages[0]
    with pytest.raises(ValueError, match="frozen"):
        stage.lr = 1.0


def test_two_stages_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="names of their own"):
        validate(Config, {"recipe": "toy", "stages": [FULL, FULL]})


def test_a_path_makes_the_sections_that_it_passes():
    tree = {"stages": [{}]}
    put(tree, "stages[0].schedule.name", "cosine")
    assert tree == {"stages": [{"schedule": {"name": "cosine"}}]}


def test_a_path_into_a_list_that_is_not_there_is_answered_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"--set stagess\[0\].lr: no list is called 'stagess'; did you mean 'stages'"):
        put({"stages": [{}]}, "stagess[0].lr", 1.0)


def test_a_registry_names_the_nearest_name_and_argument():
    registry = Registry("loss")
    registry.register("focal")(lambda gamma=2.0: gamma)
    assert registry.build(Named(name="focal", gamma=1.0)) == 1.0
    with pytest.raises(ConfigError, match="no loss is called 'focl'; did you mean 'focal'"):
        registry.build(Named(name="focl"))
    with pytest.raises(ConfigError, match="loss focal takes no 'gama'; did you mean 'gamma'"):
        registry.build(Named(name="focal", gama=1.0))


def test_a_misspelt_key_deep_in_a_list_is_answered_from_its_own_section():
    class Inner(Section):
        rate: float = 1.0

    class Outer(Section):
        parts: tuple[Inner, ...] = ()

    with pytest.raises(ConfigError, match=r"parts\[1\]\.rat: unknown key; did you mean 'rate'"):
        validate(Outer, {"parts": [{}, {"rat": 2.0}]})
