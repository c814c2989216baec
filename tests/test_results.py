"""results.json: the published schema, every figure with its interval, and plain JSON."""

import json
import re

import jsonschema
import pytest

from answered import beats, values
from biotl.cli.output import scores
from biotl.recipes.figures import rows
from biotl.report import beside
from biotl.scoring.results import Asked, results, schema

SPLIT = {"how": "column split", "claim": "subjects never seen", "digest": "ab12", "notes": ["201 is left out"]}
CLASSES = Asked(("N", "S", "V", "F"))


def made(answered, asked, **more):
    return results(answered, asked, recipe="r", split=SPLIT, looks=2, n=200, **more)


@pytest.fixture(scope="module")
def classes():
    return made(beats(), CLASSES, refused=["r9: no lead"], thresholds=[0.5, 0.5])


@pytest.mark.parametrize(
    ("answered", "asked"),
    [
        (beats(), CLASSES),
        (beats(labels=2, unit="window"), Asked(("wake", "sleep"))),
        (beats(labels=5), Asked(("N", "S", "V", "F", "Q"))),
        (beats(people=1), CLASSES),
        (values(), Asked(name="heart rate", unit="bpm")),
    ],
)
def test_results_of_every_kind_are_plain_json_of_the_published_schema(answered, asked):
    tree = made(answered, asked)
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(tree, schema())
    assert json.loads(json.dumps(tree, allow_nan=False)) == tree


def test_the_schema_refuses_what_is_not_one(classes):
    for broken in ({**classes, "schema": "biotl.results/2"}, {**classes, "looks": -1}, {**classes, "models": {}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, schema())


def test_every_figure_of_every_model_has_an_interval_and_a_name(classes):
    for model, figures in classes["models"].items():
        assert classes["intervals"][model].keys() == figures.keys()
        assert figures.keys() <= classes["figures"].keys()
        for key, value in figures.items():
            low, high = classes["intervals"][model][key]
            assert value is None or low is None or low - 1e-9 <= high
    assert list(classes["differences"]) == ["boosting", "majority"]
    assert {"auroc.S", "slope.V", "brier", "ece", "false_alarms.F"} <= classes["models"]["model"].keys()


@pytest.mark.parametrize(("value", "low", "high"), [(1.4, 1.216, 1.611), (9.96, 8.125, 12.34), (10.04, 9.5, 11.0)])
def test_a_figure_has_the_digits_of_its_interval_in_the_table_and_in_reports(value, low, high):
    tree = made(values(), Asked(name="heart rate", unit="bpm"))
    tree["models"] = {"model": tree["models"]["model"] | {"mae": value}}
    tree["intervals"]["model"]["mae"] = (low, high)
    line = scores(rows(tree)).splitlines()[-1]
    reported = str(beside.estimate(tree, "model", "mae"))
    for said in (line, reported):
        three = re.search(r"(\d+\.\d+)\s+\(?(\d+\.\d+) to (\d+\.\d+)", said).groups()
        assert len({len(number.partition(".")[2]) for number in three}) == 1, said


def test_whoever_carries_a_class_is_named_with_the_figure_without_him(classes):
    by = {row["figure"]: row for row in classes["without"]}
    assert by["f1.V"]["subject"] == "p0"
    assert by["f1.V"]["share"] > 40
    assert by["f1.V"]["models"]["model"]["without"] != by["f1.V"]["models"]["model"]["with"]
    assert by["macro_f1"]["share"] is None


def test_values_without_a_direction_and_bounds_are_told(classes):
    tree = made(values(), Asked(name="heart rate", unit="bpm"))
    assert tree["figures"]["mae"] == {"name": "MAE", "unit": "bpm", "better": "lower"}
    assert tree["figures"]["bias"]["better"] == ""
    assert 0 < tree["models"]["model"]["coverage"] < 100
    assert tree["task"] == {"kind": "value", "name": "heart rate", "of": "bpm", "unit": "step", "headline": "mae"}
