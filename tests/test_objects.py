"""Results compare by value and print in one line; a copy of a stream is a stream of its own; help can be read."""

import copy
import inspect
import pickle
import pydoc

import numpy as np
import pytest

from biotl import signal
from biotl.errors import SignalError

T = np.arange(7500) / 250
ECG = np.exp(-(((T % 0.8 - 0.4) / 0.012) ** 2) / 2) + 0.2 * np.exp(-(((T % 0.8 - 0.65) / 0.04) ** 2) / 2)
PPG = np.exp(-(((T % 0.8 - 0.3) / 0.08) ** 2) / 2) + 0.4 * np.exp(-(((T % 0.8 - 0.55) / 0.09) ** 2) / 2)

RESULTS = {
    "Quality": lambda x: signal.quality(x, 250, kind="ecg"),
    "Segments": lambda x: signal.segment(x, signal.rpeaks(x, 250), 250),
    "Waves": lambda x: signal.delineate(x, signal.rpeaks(x, 250), 250),
    "Wave": lambda x: signal.delineate(x, signal.rpeaks(x, 250), 250).qrs,
    "Clusters": lambda x: signal.kmeans(x.reshape(-1, 100), 2, seed=0),
    "HeartRate": lambda x: signal.heart_rate(PPG[: len(x)] + 1e-3 * x, 250),
}
STREAMS = {
    "FilterStream": lambda: signal.FilterStream("bandpass", 250, low=0.5, high=40),
    "ResampleStream": lambda: signal.ResampleStream(250, 62.4725),
    "WindowStream": lambda: signal.WindowStream(100, 70),
    "RPeakStream": lambda: signal.RPeakStream(250),
    "PulseStream": lambda: signal.PulseStream(250),
    "HeartRateStream": lambda: signal.HeartRateStream(250),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_equals_its_twin_and_nothing_else(name):
    a, b = RESULTS[name](ECG), RESULTS[name](ECG.copy())
    assert a == b
    assert (a != b) is False
    assert a != RESULTS[name](ECG[:6000])
    assert a != "something else"
    assert a is not None
    with pytest.raises(TypeError):
        hash(a)


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_prints_in_one_line_that_begins_with_its_name(name):
    text = repr(RESULTS[name](ECG))
    assert text.startswith(f"{name}(")
    assert "\n" not in text
    assert len(text) <= 200


def said(value):
    """Return what a stream reported, as something that compares."""
    return value if isinstance(value, np.ndarray) else np.array([value.time_s, value.rate])


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_stream_goes_its_own_way(name, copied):
    whole, stream = STREAMS[name](), STREAMS[name]()
    x = PPG if name in ("PulseStream", "HeartRateStream") else ECG
    for one in (whole, stream):
        one.push(x[:2600])
    twin = copied(stream)
    twin.push(-3 * x[:3000])  # of which the first must not hear
    np.testing.assert_array_equal(said(stream.push(x[2600:])), said(whole.push(x[2600:])))
    again = copied(stream)
    np.testing.assert_array_equal(said(again.push(x[:2000])), said(stream.push(x[:2000])))


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_says_that_it_cannot_be_pickled(name):
    with pytest.raises(SignalError, match=f"{name}: a stream cannot be pickled; make one in each process"):
        pickle.dumps(STREAMS[name]())


@pytest.mark.parametrize("name", signal.__all__)
def test_help_has_no_line_that_a_terminal_breaks_in_three(name):
    thing = getattr(signal, name)
    if not callable(thing):
        return
    text = pydoc.render_doc(thing, renderer=pydoc.plaintext)
    assert "NDArray[" in text or "ArrayLike" in text or "Wave" in text or "float" in text
    # the fields of a dataclass stand in one line
    assert max(map(len, text.splitlines())) < (700 if inspect.isclass(thing) else 420)
    assert "Sequence[Sequence" not in text  # ArrayLike spelt out
    assert inspect.getdoc(thing)
