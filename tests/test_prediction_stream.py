"""A stream says what the whole file says, whatever parts it comes in; its memory, its delay, and its state on disk."""

import dataclasses
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest

from biotl.datasets.adapters import workouts
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.spec_kinds import SequenceSpec
from biotl.deploy import blocks
from biotl.deploy.answer import say
from biotl.deploy.decision import Value
from biotl.deploy.events import Events
from biotl.deploy.prediction import joined
from biotl.deploy.predictor import Predictor
from biotl.deploy.stream import PredictionStream
from biotl.errors import RecordError, SignalError
from biotl.records import Record, ecg, read
from conftest import data_folder
from recipe_models import CONFIGS, spec_of, synthetic

EXACT = [config for config in CONFIGS if not blocks.compares(spec_of(config))]
RELATIVE = [config for config in CONFIGS if config not in EXACT]
MITDB = ("100", "106", "108", "119", "203", "207", "208", "215", "223", "230")


def parts(n, seed, most):
    """Cut n samples at random into parts, some of them empty."""
    rng = np.random.default_rng(seed)
    edges = [0, *itertools.takewhile(lambda at: at < n, np.cumsum(rng.integers(0, most, 100_000)).tolist()), n]
    return itertools.pairwise(edges)


def streamed(stream, x, seed=0, most=20_000):
    """Push all of x; return the answers as one, and the events."""
    made, events = [], []
    for start, stop in parts(x.shape[1], seed, most):
        made.append(stream.push(x[:, start:stop]))
        events += stream.events
    made.append(stream.finish())
    return joined(made), events + stream.events


def stream_of(predictor, record):
    return predictor.stream(fs=record.fs, channels=record.channels, units=record.units)


ONE = pytest.param(1, 1.5, id="one")
TEN = pytest.param(10, 4.0, id="ten", marks=pytest.mark.slow)


def recordings(config, count, most):
    """Real recordings of what a configuration reads, minutes of each ECG or pulse, and whole workouts."""
    spec = spec_of(config)
    if spec.kind == "sequences":
        entries = workouts(data_folder("workouts"))[:count]
        return [(entry.id, lambda entry=entry: entry.read()[0]) for entry in entries]
    if {"PPG"} & {*spec.names}:
        paths = sorted(data_folder("bidmc").glob("bidmc_*.npz"))[:count]
        return [(path.name, lambda path=path: minutes(pulse(path), most)) for path in paths]
    folder = data_folder("mitdb")
    return [(name, lambda name=name: minutes(read(folder / name), most)) for name in MITDB[:count]]


def minutes(record, n):
    return dataclasses.replace(record, signal=record.signal[:, : round(n * 60 * record.fs)])


def pulse(path):
    with np.load(path) as file:
        names = [str(name) for name in file["channels"]]
        x = file["x"].astype(np.float32) * np.float32(file["scale"])
        kept = [names.index(name) for name in ("PLETH", "II")]
        return Record(path.stem, x[kept], float(file["fs"]), ("PPG", "ECG"), ("", "mV"), path.stem)


@pytest.mark.filterwarnings("ignore:.*times jitter")
@pytest.mark.parametrize(("count", "most"), [ONE, TEN])
@pytest.mark.parametrize("config", EXACT)
def test_a_stream_gives_the_answers_of_real_recordings(config, count, most, models):
    predictor = Predictor(models(config), threads=1)
    real = recordings(config, count, most)
    assert len(real) == count
    for seed, (name, load) in enumerate(real):
        record = load()
        whole = predictor.predict(record)
        stream = stream_of(predictor, record)
        assert stream.exact
        found, events = streamed(stream, record.signal, seed)
        np.testing.assert_array_equal(found.span, whole.span, name)
        # whether it is an ECG at all is judged by a block, and in a file by all of it: flutter fills a block of 207
        other = np.array(["no ECG" in why for why in found.abstained])
        assert not other.any() or (name == "207" and other.mean() < 0.1)
        if other.any():
            found, whole = found.part(~other), whole.part(~other)
            np.testing.assert_array_equal(found.value, whole.value, name)
            np.testing.assert_allclose(found.probability, whole.probability, atol=1e-5)
        elif whole.labels:
            np.testing.assert_array_equal(found.value, whole.value, name)
            np.testing.assert_allclose(found.probability, whole.probability, atol=1e-5)
            told = [dataclasses.replace(event, probability=0, quality=0) for event in events]
            assert told == [dataclasses.replace(event, probability=0, quality=0) for event in whole.events()], name
        else:
            np.testing.assert_allclose(found.value, whole.value, rtol=1e-5, atol=1e-4)
        assert [bool(why) for why in found.abstained] == [bool(why) for why in whole.abstained], name


@pytest.mark.parametrize(("count", "most"), [ONE, TEN])
@pytest.mark.parametrize("config", RELATIVE)
def test_a_stream_that_compares_gives_the_same_whatever_it_comes_in_at_the_places_of_the_file(
    config, count, most, models
):
    predictor = Predictor(models(config), threads=1)
    same, real = [], recordings(config, count, most)
    assert len(real) == count
    for seed, (name, load) in enumerate(real):
        record = load()
        stream = stream_of(predictor, record)
        assert not stream.exact
        found, events = streamed(stream, record.signal, seed)
        whole = predictor.predict(record)
        if seed == 0:
            again, again_events = streamed(stream_of(predictor, record), record.signal, seed + 100, 900)
            for column in ("span", "value", "quality", "probability"):
                np.testing.assert_array_equal(getattr(found, column), getattr(again, column))
            assert events == again_events
        nearest = np.abs(found.sample[:, None] - whole.sample).min(axis=1)
        assert abs(len(found) - len(whole)) <= 1, name
        same.append((nearest <= 2).mean())
    assert np.mean(same) > 0.99, same


@pytest.mark.parametrize("most", [50, 5000])
def test_a_pause_at_the_end_of_what_is_read_is_waited_for(most, models):
    predictor = Predictor(models("heart_rate_lstm"), threads=1)
    record = synthetic(spec_of("heart_rate_lstm"), seconds=180.0)
    stream = stream_of(predictor, record)
    first = round(stream.delay_s * record.fs)
    record.signal[:, first - 200 : first + 400] = np.nan
    found, _ = streamed(stream, record.signal, 0, most)
    whole = predictor.predict(record)
    np.testing.assert_array_equal(found.span, whole.span)
    np.testing.assert_allclose(found.value, whole.value, rtol=1e-5, atol=1e-4)


def test_one_sample_at_a_time_makes_no_difference(models):
    predictor = Predictor(models("spiking_without_beats"), threads=1)
    record = ecg(3, 0, duration_s=60.0, fs=125.0)
    record = dataclasses.replace(record, signal=record.signal[:1], channels=("II",), units=("mV",))
    stream = stream_of(predictor, record)
    found = joined(
        [*(stream.push(record.signal[:, i : i + 1]) for i in range(record.signal.shape[1])), stream.finish()]
    )
    whole = predictor.predict(record)
    np.testing.assert_array_equal(found.span, whole.span)
    np.testing.assert_allclose(found.probability, whole.probability, atol=1e-5)


def test_an_answer_comes_no_later_than_stated(models):
    predictor = Predictor(models("ecgbert_mitbih"), threads=1)
    record = ecg(3, 0, duration_s=90.0)
    stream, late = stream_of(predictor, record), []
    for i in range(0, record.signal.shape[1], 90):
        made = stream.push(record.signal[:, i : i + 90])
        late += [(i + 90) / record.fs - time for time in made.time_s]
    assert len(late) > 50
    assert max(late) <= stream.delay_s + 90 / record.fs
    assert 0 < stream.busy_s / stream.heard_s < 1


def test_gaps_flat_stretches_and_lost_channels_are_answered_as_in_the_file(models):
    predictor = Predictor(models("spiking_without_beats"), threads=1)
    record = ecg(4, 0, duration_s=240.0, fs=250.0)
    x = record.signal[:1].copy()
    x[0, 20_000:24_000] = np.nan
    x[0, 40_000:56_000] = 0.25  # an electrode that is off for longer than a block
    holed = dataclasses.replace(record, signal=x, channels=("V5",), units=("mV",))
    found, _ = streamed(stream_of(predictor, holed), x, most=3000)
    whole = predictor.predict(holed)
    np.testing.assert_array_equal(found.span, whole.span)
    assert found.abstained == whole.abstained
    assert {why for why in found.abstained if why} == {"V5: missing", "V5: flat"}
    beside = np.abs(found.span.mean(axis=1) - 22_000) > 9_000
    np.testing.assert_array_equal(found.value[beside], whole.value[beside])


def test_a_stream_goes_on_in_another_process_from_its_state_on_disk(models, tmp_path):
    predictor = Predictor(models("beats_mitbih"), threads=1)
    record = ecg(5, 0, duration_s=80.0)
    whole, events = streamed(stream_of(predictor, record), record.signal)
    stream = stream_of(predictor, record)
    first = stream.push(record.signal[:, :20_000])
    ended = stream.events
    stream.save(tmp_path / "state.npz")
    again = PredictionStream.load(predictor, tmp_path / "state.npz")
    assert repr(again) == repr(stream)
    found, later = streamed(again, record.signal[:, 20_000:])
    both = joined([first, found])
    np.testing.assert_array_equal(both.span, whole.span)
    np.testing.assert_array_equal(both.probability, whole.probability)
    assert [*ended, *later] == events
    with pytest.raises(RecordError, match=r"state\.npz: model: got .*give the model that the stream began with"):
        PredictionStream.load(Predictor(models("ecgbert_mitbih"), threads=1), tmp_path / "state.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "state.npz").read_bytes()[:-400])
    for name, said in (("cut.npz", "state: got something else"), ("none.npz", "file: got nothing")):
        with pytest.raises(RecordError, match=said):
            PredictionStream.load(predictor, tmp_path / name)


@pytest.mark.parametrize(("derived", "exact"), [(("elapsed", "daytime"), True), (("load", "typical"), False)])
def test_what_counts_from_the_beginning_of_a_workout_goes_on_in_a_stream(derived, exact):
    channels = ({"name": "speed", "unit": "km/h"}, {"name": "altitude", "unit": "m"})
    spec = SequenceSpec(fs=0.2, length=20, channels=channels, derived=derived)
    nothing = say("step", Value(name="rate"), 1.0, np.zeros((0, 2), np.int64), np.zeros((0, 1), np.float32))

    class Looks:
        """A predictor that keeps what its model would read."""

        preprocessor = make_preprocessor(spec, {"scaler": {"mean": [0] * 4, "std": [1] * 4}})
        decision, seen = Value(name="rate"), ()

        def block(self, records, leads):
            self.seen = (*self.seen, self.preprocessor.prepare(records, choose=leads).arrays["signal"])
            return nothing, None

    record = synthetic(spec, 45.0)
    stream = PredictionStream(looks := Looks(), fs=1.0)
    assert stream.exact == exact
    streamed(stream, record.signal, most=50)
    whole = Looks.preprocessor.prepare([record]).arrays["signal"]
    assert len(looks.seen) > 3
    np.testing.assert_array_equal(looks.seen[-1], whole)
    if exact:
        np.testing.assert_array_equal(looks.seen[2][:60], whole[:60])


@pytest.mark.parametrize("config", EXACT)
def test_a_long_recording_is_answered_in_blocks_as_at_once(config, models, monkeypatch):
    predictor = Predictor(models(config), threads=1)
    record = synthetic(spec_of(config), 300.0, seed=4)
    at_once, _ = predictor.block([record])
    monkeypatch.setattr(blocks, "LONG_S", 160.0)
    monkeypatch.setattr("biotl.deploy.predictor.LONG_S", 160.0)
    found = predictor.predict(record)
    np.testing.assert_array_equal(found.span, at_once.span)
    assert found.leads == at_once.leads
    if found.labels:
        np.testing.assert_allclose(found.probability, at_once.probability, atol=1e-5)
    else:
        np.testing.assert_allclose(found.value, at_once.value, rtol=1e-5, atol=1e-4)


def test_a_stream_refuses_what_it_cannot_match_before_anything_is_heard(models):
    predictor = Predictor(models("spiking_without_beats"), threads=1)
    with pytest.raises(RecordError, match="channels: got PLETH, wanted one of ECG"):
        predictor.stream(fs=250.0, channels=["PLETH"], units="mV")
    with pytest.raises(RecordError, match="unit of II: got mmHg, wanted one that is mV"):
        predictor.stream(fs=250.0, channels=["II"], units="mmHg")
    stream = predictor.stream(fs=250.0)
    with pytest.raises(SignalError, match=r"x: got shape \(2, 5\), wanted \(1, samples\), one row each for ECG"):
        stream.push(np.zeros((2, 5)))
    with pytest.raises(SignalError, match="wanted 10 s, a window"):
        stream.push(np.zeros(500)), stream.finish()


def test_events_are_runs_of_one_answer_and_a_pause_or_an_abstention_ends_them(models):
    found = Predictor(models("ecgbert_mitbih"), threads=1).predict(ecg(9, 0, duration_s=60.0))
    value, why = np.array(found.value), list(found.abstained)
    value[:], value[3:6], value[8] = 0, 2, -1
    why[8] = "MLII: missing"
    span = found.span + np.where(np.arange(len(value)) >= 12, 4 * 360, 0)[:, None]
    made = dataclasses.replace(found, value=value, abstained=tuple(why), span=span)
    told = [(event.label, event.units, event.abstained) for event in made.events()]
    n = len(found)
    assert told == [("N", 3, ""), ("V", 3, ""), ("N", 2, ""), ("", 1, "MLII: missing"), ("N", 3, ""), ("N", n - 12, "")]
    merged, pieces = Events(), []
    for start in range(0, n, 5):
        pieces += merged.push(made.part((np.arange(n) >= start) & (np.arange(n) < start + 5)))
        merged = Events(json.loads(json.dumps(merged.state)))
    assert [*pieces, *merged.finish()] == made.events()


MEMORY = """
import json, sys
import numpy as np
from biotl.deploy.predictor import Predictor
from biotl.records import ecg
def high():  # of this program alone; getrusage counts what the process was before, a large pytest
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('VmHWM'))
stream = Predictor(sys.argv[1], threads=1).stream(fs=250.0)
part = ecg(1, 0, duration_s=100.0, fs=250.0).signal[:1]
n = 0
for i in range(int(float(sys.argv[2]) * 36)):
    n += len(stream.push(part))
    if i == 3:
        warm = high()
n += len(stream.finish())
peak = high()
print(json.dumps({"n": n, "grown_kib": peak - warm, "latency": stream.busy_s / stream.heard_s}))
"""


@pytest.mark.parametrize("hours", [0.25, pytest.param(24, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_memory_does_not_grow_while_a_model_listens(hours, models):
    words = [sys.executable, "-c", MEMORY, str(models("spiking_without_beats")), str(hours)]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    assert found["n"] == hours * 360
    assert found["grown_kib"] < 8_000, found
