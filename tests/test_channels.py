"""Which channel a spec means: by name, alias or choice, never a flat one beside a good one, and in its unit."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from biotl.datasets.channels import convert_unit, find
from biotl.datasets.spec import Channel
from biotl.datasets.spec_kinds import SentenceSpec
from biotl.errors import RecordError, SignalError
from biotl.records import Record

ECG = SentenceSpec().channels[0]
GOOD = np.sin(np.arange(50, dtype=np.float32))
FLAT = np.full(50, 0.5, np.float32)
GONE = np.full(50, np.nan, np.float32)


def record(units="mV", fs=360.0, **channels):
    return Record("r", np.stack(list(channels.values())), fs, tuple(channels), (units,) * len(channels), "p")


@pytest.mark.parametrize("name", ["ECG1", "ECG2", "D2", "MLI", "ecg_ii", "Lead II", "mlII", "ECG II", "aVF", "ekg"])
def test_a_spec_that_says_ecg_takes_what_recorders_call_it(name):
    assert find(record(**{"RESP": GOOD, name: GOOD}), ECG).lead == name


def test_the_order_of_names_is_that_of_the_spec_and_not_of_the_file():
    assert find(record(V5=GOOD, MLII=GOOD), ECG).lead == "MLII"
    assert find(record(ECG1=GOOD, V5=GOOD), ECG).lead == "V5"
    assert find(record(ii=GOOD, II=2 * GOOD), ECG).x.max() > 1.5


@pytest.mark.parametrize("preferred", [FLAT, GONE])
def test_a_flat_or_missing_lead_beside_a_good_one_is_passed_over(preferred):
    """Fault 9: the flat preferred lead gave no beats, or a refusal that named none."""
    found = find(record(MLII=preferred, V5=GOOD), ECG)
    assert (found.lead, found.flat) == ("V5", False)


def test_a_refusal_names_the_leads():
    with pytest.raises(RecordError, match=r"channel ECG: got MLII, V5 without a single sample"):
        find(record(MLII=GONE, V5=GONE), ECG)
    with pytest.raises(
        RecordError, match=r'channels: got RESP, ABP, wanted one of ECG, MLII, .*--lead "RESP", or aliases'
    ):
        find(record(RESP=GOOD, ABP=GOOD), ECG)
    with pytest.raises(RecordError, match="unit of MLII: got bpm, wanted one that is mV"):
        find(record(units="bpm", MLII=GOOD), ECG)


def test_names_that_nobody_knows_are_one_line_that_says_what_to_type():
    names = [f"generic bipolar {k}" for k in range(1, 13)]
    for count in (1, 3, 12):
        holter = record(**dict.fromkeys(names[:count], GOOD))
        with pytest.raises(RecordError) as refused:
            find(dataclasses.replace(holter, source=Path("/ward/2026/holter/monday.ecg")), ECG)
        said = str(refused.value)
        assert len(said) <= 300
        assert said.startswith("/ward/2026/holter/monday.ecg: channels: got generic bipolar 1")
        typed = re.search('--lead "([^"]+)"', said)[1]
        assert find(holter, ECG, choose=typed).lead == "generic bipolar 1"


def test_a_flat_lead_without_a_better_one_is_handed_back_as_what_it_is():
    found = find(record(MLII=GONE, V5=FLAT), ECG)
    assert (found.lead, found.flat) == ("V5", True)


def test_the_lead_that_the_user_names_is_taken_or_refused_by_name():
    data = record(**{"MLII": GOOD, "my lead": GOOD})
    assert find(data, ECG, choose="My_Lead").lead == "my lead"
    with pytest.raises(RecordError, match="channels: got MLII, my lead, wanted one of V9"):
        find(data, ECG, choose="V9")


def test_channels_are_found_over_several_files_and_optional_ones_may_lack():
    files = [record(fs=30.0, PPG=GOOD), record(fs=1000.0, ECG=GOOD)]
    assert find(files, Channel(name="ECG")).record.fs == 1000
    assert find(files, Channel(name="ACC_X", optional=True)) is None


@pytest.mark.parametrize(
    ("unit", "wanted", "factor"),
    [
        ("uV", "mV", 1e-3),
        ("\u00b5V", "mV", 1e-3),
        ("\u03bcV", "mV", 1e-3),
        ("V", "mV", 1e3),
        ("mv", "mV", 1),
        ("m/s2", "g", 1 / 9.80665),
        ("m/s", "km/h", 3.6),
        ("NU", "", 1),
        ("a.u.", "A.U.", 1),
    ],
)
def test_units_convert_whatever_their_micro_sign_and_case(unit, wanted, factor):
    np.testing.assert_allclose(convert_unit(GOOD, unit, wanted), GOOD * factor, rtol=1e-6)


def test_units_of_two_quantities_do_not_convert():
    with pytest.raises(SignalError, match="unit: got g, wanted one that converts to mV"):
        convert_unit(GOOD, "g", "mV")
