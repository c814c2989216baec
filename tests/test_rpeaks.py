"""R peaks: floors on real records, rates and polarities, and what is refused."""

import numpy as np
import pytest

from biotl.errors import SignalError
from biotl.signal import rpeaks


def ecg(fs, seconds=20.0):
    """Return a lead with a beat every 0.8 s from 0.5 s on, and a T wave after each."""
    t = (np.arange(round(fs * seconds)) / fs - 0.1) % 0.8
    return np.exp(-(((t - 0.4) / 0.012) ** 2) / 2) + 0.3 * np.exp(-(((t - 0.7) / 0.04) ** 2) / 2)


@pytest.mark.parametrize("fs", [100, 128, 250, 360, 500, 1000])
def test_every_rate_finds_the_same_beats(fs):
    expected = (0.5 + 0.8 * np.arange(25)) * fs
    np.testing.assert_allclose(rpeaks(ecg(fs), fs), expected, atol=1)


def test_neither_polarity_nor_scale_nor_offset_matters():
    x = ecg(360)
    expected = rpeaks(x, 360)
    for other in (-x, 1000 * x, x + 1000, x.astype(np.float32), np.round(1000 * x).astype(np.int16)):
        np.testing.assert_array_equal(rpeaks(other, 360), expected)


def test_the_input_is_not_written_to():
    x = ecg(360)
    x.flags.writeable = False
    rpeaks(x, 360)


@pytest.mark.parametrize("n", [0, 1, 2, 50, 3600])
def test_a_flat_line_has_no_beats(n):
    assert rpeaks(np.zeros(n), 360).shape == (0,)


def test_a_sample_that_is_not_finite_is_named():
    x = ecg(360)
    x[77] = np.inf
    with pytest.raises(SignalError, match="sample 77 is inf"):
        rpeaks(x, 360)


def test_a_table_of_leads_is_refused_by_its_shape():
    with pytest.raises(SignalError, match=r"got shape \(2, 2, 5\)"):
        rpeaks(np.zeros((2, 2, 5)), 360)
