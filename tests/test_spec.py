"""The signal spec: data that travels, and a comparison that names what differs."""

import numpy as np
import pytest
from pydantic import ValidationError

from biotl.datasets import Filter, SignalSpec
from biotl.errors import ConfigError


def test_a_spec_survives_json():
    spec = SignalSpec(fs=250, leads=("V5",), vocabulary="abc")
    assert SignalSpec.model_validate_json(spec.model_dump_json()) == spec


def test_a_spec_is_frozen_and_closed():
    with pytest.raises(ValidationError, match="frozen"):
        SignalSpec().fs = 250
    with pytest.raises(ValidationError, match="Extra inputs"):
        SignalSpec(rate=250)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"fs": 250}, r"spec\.fs: the shard has 250\.0, the model has 360\.0"),
        ({"leads": ("V5",)}, r"spec\.leads\.0"),
        ({"vocabulary": "abc"}, r"spec\.vocabulary: the shard has 'abc', the model has ''"),
        ({"filters": (Filter(name="notch", options={"freq": 60.0}),)}, r"spec\.filters\.0\.name"),
        (
            {"filters": (SignalSpec().filters[0], Filter(name="remove_baseline", options={"cutoff": 0.7}))},
            r"spec\.filters\.1\.options\.cutoff",
        ),
    ],
)
def test_a_comparison_names_the_field_that_differs(change, field):
    with pytest.raises(ConfigError, match=field):
        SignalSpec(**change).compare(SignalSpec(), got="shard", wanted="model")


def test_equal_specs_compare_in_silence():
    SignalSpec().compare(SignalSpec())


def test_the_digest_is_of_everything_but_the_vocabulary():
    assert SignalSpec().digest() == SignalSpec(vocabulary="abc").digest()
    assert SignalSpec().digest() != SignalSpec(fs=250).digest()


def test_a_filter_refuses_options_that_its_function_does_not_take():
    with pytest.raises(ValidationError, match="an unexpected keyword argument"):
        Filter(name="highpass", options={"cutoff": 0.5, "corner": 1})
    with pytest.raises(ValidationError, match="missing a required"):
        Filter(name="notch")


def test_a_filter_is_the_function_it_names():
    from biotl.signal import notch

    x = np.random.default_rng(0).normal(size=2000).astype(np.float32)
    np.testing.assert_array_equal(Filter(name="notch", options={"freq": 60.0})(x, 360.0), notch(x, 360.0, freq=60.0))


def test_context_must_leave_beats_to_score():
    with pytest.raises(ValidationError, match="context_beats: got 8, wanted less than half of 16"):
        SignalSpec(window_beats=16, context_beats=8)
