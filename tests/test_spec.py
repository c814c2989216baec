"""Specs of every kind: data that travels, and a comparison that names what differs."""

import numpy as np
import pytest
from pydantic import ValidationError

from biotl.datasets.spec import Channel, Filter
from biotl.datasets.spec_kinds import BeatSpec, SentenceSpec, SequenceSpec, WindowSpec, parse_spec
from biotl.errors import ConfigError

NOTCH = {"name": "notch", "options": {"freq": 50.0}}
SPECS = [
    SentenceSpec(fs=250),
    BeatSpec(fs=250),
    WindowSpec(fs=125, length_s=10, step_s=2.5, channels=({"name": "PPG", "filters": [NOTCH]}, {"name": "ECG"})),
    SequenceSpec(fs=0.2, length=500, channels=({"name": "speed", "unit": "km/h", "normalizer": "training"},)),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_a_spec_survives_json_and_knows_its_kind(spec):
    for again in (parse_spec(spec.model_dump_json()), parse_spec(spec.model_dump(mode="json"))):
        assert again == spec
        assert again.digest() == spec.digest()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_a_spec_is_frozen_closed_and_hashed_by_every_field(spec):
    with pytest.raises(ValidationError, match="frozen"):
        spec.fs = 100
    with pytest.raises(ValidationError, match="Extra inputs"):
        type(spec)(**spec.model_dump(), rate=250)
    assert spec.model_copy(update={"gaps": "refuse"}).digest() != spec.model_copy(update={"gaps": "mask"}).digest()


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"kind": "waves"}, "model.kind: got 'waves', wanted one of sentences, beats, windows, sequences"),
        ({}, "model.kind: got 'nothing'"),
        ({"kind": "windows", "fs": 0, "length_s": 1, "channels": [{"name": "a"}]}, "model.fs: "),
        ({"kind": "windows", "fs": 9, "length_s": 1, "channels": []}, "model.channels: "),
        ({"kind": "sentences", "sf": 9}, "model.sf: "),
        ("{", "model.JSON: "),
    ],
)
def test_what_is_no_spec_is_refused_by_field(tree, message):
    with pytest.raises(ConfigError) as caught:
        parse_spec(tree, source="model")
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"fs": 250}, r"spec\.fs: the store has 250\.0, the model has 360\.0"),
        ({"channels": (Channel(name="V5", unit="mV", normalizer="qrs"),)}, r"spec\.channels\.0\.name"),
        ({"gaps": "refuse"}, r"spec\.gaps: the store has 'refuse', the model has 'mask'"),
    ],
)
def test_a_comparison_names_the_field_that_differs(change, field):
    with pytest.raises(ConfigError, match=field):
        SentenceSpec(**change).compare(SentenceSpec(), got="store", wanted="model")


def test_specs_of_two_kinds_differ_and_equal_ones_compare_in_silence():
    with pytest.raises(ConfigError, match=r"spec\."):
        SPECS[2].compare(SPECS[3])
    SentenceSpec().compare(SentenceSpec())


def test_a_filter_refuses_options_that_its_function_does_not_take():
    with pytest.raises(ValidationError, match="an unexpected keyword argument"):
        Filter(name="highpass", options={"cutoff": 0.5, "corner": 1})
    with pytest.raises(ValidationError, match="missing a required"):
        Filter(name="notch")


def test_a_filter_is_the_function_it_names():
    from biotl.signal import notch

    x = np.random.default_rng(0).normal(size=2000).astype(np.float32)
    np.testing.assert_array_equal(Filter(name="notch", options={"freq": 60.0})(x, 360.0), notch(x, 360.0, freq=60.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SentenceSpec(window_beats=16, context_beats=8), "context_beats: got 8, wanted less than half of 16"),
        (lambda: SentenceSpec(channels=(Channel(name="II"),)), "one lead in mV with the normalizer qrs"),
        (
            lambda: WindowSpec(fs=1, length_s=1, channels=(Channel(name="a"), Channel(name="a"))),
            "channels: got a twice, wanted each name once",
        ),
        (
            lambda: WindowSpec(fs=1, length_s=1, channels=(Channel(name="a", normalizer="qrs"),)),
            "channels: a: windows have no normalizer qrs",
        ),
        (
            lambda: SequenceSpec(fs=1, length=1, channels=(Channel(name="a", normalizer="window"),)),
            "channels: a: sequences have no normalizer window",
        ),
    ],
)
def test_a_spec_that_cannot_be_is_refused(make, message):
    with pytest.raises(ValidationError, match=message):
        make()
