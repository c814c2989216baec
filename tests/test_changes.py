"""Recordings made worse: the ratio that is stated, leads and marks where they belong."""

from dataclasses import replace

import numpy as np
import pytest

from biotl.datasets.changes import Changed, changes, with_gain, with_leads, with_mains, with_noise, with_rate
from biotl.datasets.manifest import Entry
from biotl.errors import RecordError
from biotl.records import ecg
from biotl.records.write import write_wfdb
from biotl.signal import rpeaks


@pytest.fixture(scope="module")
def record():
    return ecg(1, 3, duration_s=60.0)


def ratio_db(clean, dirty):
    """Signal-to-noise ratio of each lead, as the noise stress test defines it."""
    reach = round(0.05 * clean.fs)
    peaks = [p for p in rpeaks(clean.signal, clean.fs) if reach <= p < clean.signal.shape[1] - reach]
    found = []
    for a, b in zip(clean.signal, dirty.signal, strict=True):
        height = np.median([np.ptp(a[p - reach : p + reach + 1]) for p in peaks])
        found.append(10 * np.log10(height**2 / 8 / np.var(b - a)))
    return found


@pytest.mark.parametrize("db", [24, 0, -6])
def test_noise_has_the_ratio_that_is_stated(record, db):
    noise = np.cumsum(np.random.default_rng(0).normal(size=(2, 5000)), axis=1).astype(np.float32)
    for dirty in (with_noise(record, noise=noise, fs=250.0, snr_db=db), with_mains(record, snr_db=db)):
        np.testing.assert_allclose(ratio_db(record, dirty), db, atol=0.02)
        assert not np.array_equal(dirty.signal[0] - record.signal[0], dirty.signal[1] - record.signal[1])


def test_noise_depends_on_the_name_of_the_recording_alone(record):
    noise = np.random.default_rng(0).normal(size=(1, 9000)).astype(np.float32)
    once, again = (with_noise(record, noise=noise, fs=record.fs, snr_db=6).signal for _ in range(2))
    other = with_noise(replace(record, name="other"), noise=noise, fs=record.fs, snr_db=6).signal
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)


def test_a_flat_recording_gets_no_noise_and_a_gap_stays_one(record):
    flat = replace(record, signal=np.zeros_like(record.signal))
    assert not with_mains(flat, snr_db=0).signal.any()
    torn = record.signal.copy()
    torn[0, 100:200] = np.nan
    assert np.isnan(with_mains(replace(record, signal=torn), snr_db=12).signal[0, 100:200]).all()


def test_leads_are_swapped_turned_over_and_left_out(record):
    first, second = record.signal
    np.testing.assert_array_equal(with_leads(record, order=(1, 0)).signal, [second, first])
    np.testing.assert_array_equal(with_leads(record, sign=(-1, 1)).signal, [-first, second])
    alone = with_leads(record, order=(1,))
    assert alone.channels == record.channels[1:]
    np.testing.assert_array_equal(alone.signal, [second])
    assert with_leads(alone, order=(1,)) == alone


def test_another_rate_keeps_marks_where_they_were_in_time(record):
    found = with_rate(record, fs=250.0)
    assert found.fs == 250.0
    assert found.signal.shape[1] == pytest.approx(record.signal.shape[1] * 250 / record.fs, abs=1)
    for name, marks in record.annotations.items():
        at = marks.sample / record.fs
        np.testing.assert_allclose(found.annotations[name].sample / 250, at, atol=0.5 / 250)
    np.testing.assert_array_equal(with_gain(record, gain=0.5).signal, record.signal / 2)


def test_an_entry_is_changed_as_it_is_read(record, tmp_path):
    write_wfdb(record, tmp_path)
    entry = Entry(record.name, (tmp_path / record.name,), "p", split="test")
    changed = Changed.of(entry, lambda of: with_gain(of, gain=2))
    assert (changed.id, changed.split) == (entry.id, "test")
    (plain,), (twice,) = entry.read(), changed.read()
    np.testing.assert_array_equal(twice.signal, 2 * plain.signal)


def test_noise_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RecordError, match="bw"):
        changes(tmp_path)
