"""A file with its preprocessing inside: what it answers, what it says of itself, and when it is not written."""

import hashlib
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from biotl.datasets.spec_kinds import SequenceSpec, WindowSpec
from biotl.deploy import deviation
from biotl.deploy.bundle import Bundle
from biotl.deploy.decision import Value
from biotl.deploy.predictor import Predictor
from biotl.errors import ConfigError, TrainingError
from biotl.records import Record, ecg, read
from conftest import data_folder
from raw_models import LABELS, both

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")

FILTERS = [{"name": "bandpass", "options": {"low": 0.5, "high": 40.0}}, {"name": "notch", "options": {"freq": 50.0}}]
ECG = WindowSpec(
    fs=125, length_s=5, gaps="mask",
    channels=({"name": "ECG", "unit": "mV", "normalizer": "window", "filters": FILTERS},),
)  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return both(tmp_path_factory.mktemp("raw"), ECG, [[ecg(0, 1, duration_s=60.0)]])


def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_the_file_gives_raw_probability_and_answer_of_raw_samples(files):
    run = session(files.raw)
    assert [(item.name, item.shape) for item in run.get_inputs()] == [("ECG", ["batch", "samples"])]
    assert [(item.name, item.shape) for item in run.get_outputs()] == [
        ("logits", ["batch", "windows", 2]),
        ("probability", ["batch", "windows", 2]),
        ("answer", ["batch", "windows"]),
    ]
    record = ecg(0, 7, duration_s=43.0)
    said = Predictor(files.spec).predict(record)
    logits, probability, answer = run.run(None, {"ECG": record.signal[:1]})
    assert logits.shape == (1, 8, 2)
    np.testing.assert_allclose(probability[0], said.probability, atol=1e-5)
    assert answer[0].tolist() == LABELS.read(logits[0]).value.tolist()
    known = np.array([not why for why in said.abstained])
    assert known.sum() >= 7
    assert answer[0][known].tolist() == said.value[known].tolist()


def test_on_a_real_ecg_and_a_real_ppg_both_files_give_the_same_answers(tmp_path):
    for folder, name, channel in (("mitdb", "119", "ECG"), ("ecgppg", "bidmc_01.npz", "PPG")):
        record = read(data_folder(folder) / name)
        filters = [{"name": "bandpass", "options": {"low": 0.4, "high": 7.0, "kind": "cheby2"}}]
        channels = ({"name": channel, "normalizer": "window", "filters": filters},)
        both(tmp_path, WindowSpec(fs=125, length_s=10, channels=channels), [[record]])
        stored = session(tmp_path / "raw.onnx").get_modelmeta().custom_metadata_map
        found = json.loads(stored["io.biotl.deviation"])
        assert found["units"] > 40
        assert found["answers"] == 0
        assert found["input"] < 2e-5
        assert found["output"] < 1e-5


def test_the_file_says_what_it_takes_and_what_it_gives(files):
    stored = session(files.raw).get_modelmeta().custom_metadata_map
    assert json.loads(stored["io.biotl.inputs"]) == [{"name": "ECG", "unit": "mV", "fs": 360.0, "optional": False}]
    assert json.loads(stored["io.biotl.labels"]) == ["quiet", "loud"]
    assert json.loads(stored["io.biotl.thresholds"]) == [0.55, 0.45]
    assert json.loads(stored["io.biotl.calibration"]) == 1.3
    assert (stored["io.biotl.preprocess"], stored["io.biotl.unit"]) == ("graph", "window")
    assert stored["io.biotl.licence"] == "Apache-2.0"
    assert "not a medical device" in stored["io.biotl.note"]
    assert 1 < json.loads(stored["io.biotl.reach_s"]) < 60
    bundle = Bundle.from_json(stored["io.biotl.bundle"])
    assert json.loads(stored["io.biotl.spec"]) == bundle.spec
    assert stored["io.biotl.digest"] == bundle.digest()
    assert len(stored["io.biotl.sha256"]) == 64
    assert session(files.spec).get_modelmeta().custom_metadata_map["io.biotl.preprocess"] == "spec"


def test_a_gap_is_not_answered_and_reaches_no_further_than_is_said(files):
    run = session(files.raw)
    reach = json.loads(run.get_modelmeta().custom_metadata_map["io.biotl.reach_s"])
    x = ecg(0, 3, duration_s=200.0).signal[:1].copy()
    whole = run.run(None, {"ECG": x})[0]
    x[:, 36000:36005] = np.nan
    logits, probability, answer = run.run(None, {"ECG": x})
    lost = np.isnan(logits[0, :, 0])
    assert lost[20]
    assert (answer[0] == -1).tolist() == lost.tolist() == np.isnan(probability[0, :, 0]).tolist()
    start = 5.0 * np.arange(40)
    far = (start > 100.02 + 2 * reach + 5) | (start + 5 < 100 - 2 * reach - 5)
    assert not lost[far].any()
    assert np.abs(whole - logits)[0][~lost].max() < 1e-5


AGAIN = """
import sys
import warnings
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_graph_export import ECG
from raw_models import both
from biotl.records import ecg
both(Path(sys.argv[2]), ECG, [[ecg(0, 1, duration_s=60.0)]])
"""


def test_the_bytes_are_the_same_in_a_process_of_another_hash_seed(files, tmp_path):
    wanted = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (files.spec, files.raw)]
    words = [sys.executable, "-c", AGAIN, str(Path(__file__).parent), str(tmp_path)]
    subprocess.run(words, check=True, capture_output=True, env=os.environ | {"PYTHONHASHSEED": "1"})
    found = [hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("spec.onnx", "raw.onnx")]
    assert found == wanted


def test_no_trace_of_the_machine_is_left_and_the_graph_has_no_loop(files):
    import onnx

    proto = onnx.load(files.raw)
    assert not any(node.doc_string or node.metadata_props for node in proto.graph.node)
    assert not {node.op_type for node in proto.graph.node} & {"DFT", "STFT", "Scan", "Loop", "If"}
    assert b"site-packages" not in files.raw.read_bytes()


def test_steps_of_a_sequence_are_answered_with_their_interval(tmp_path):
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(size=(2, 2400)), axis=1).astype(np.float32) / 5 + 30
    record = Record("run", walk, 1.0, ("speed", "altitude"), ("km/h", "m"), "run")
    channels = (
        {"name": "speed", "unit": "km/h", "normalizer": "training"},
        {"name": "altitude", "unit": "m", "normalizer": "training", "optional": True},
    )
    spec = SequenceSpec(fs=0.2, length=200, channels=channels)
    decision = Value(name="heart rate", unit="bpm", low=-5, high=7)
    both(tmp_path, spec, [[record]], decision=decision)
    run = session(tmp_path / "raw.onnx")
    assert [item.name for item in run.get_outputs()] == ["prediction", "low", "high"]
    value, low, high = run.run(None, {"speed": walk[:1], "altitude": walk[1:]})
    said = Predictor(tmp_path / "spec.onnx").predict(record)
    assert value.shape == (1, 480)
    np.testing.assert_allclose(value[0], said.value, atol=1e-4)
    np.testing.assert_allclose([low[0] - value[0], high[0] - value[0]], [[-5] * 480, [7] * 480], atol=1e-4)
    without = run.run(None, {"speed": walk[:1], "altitude": np.full_like(walk[1:], np.nan)})[0]
    alone = Record("run", walk[:1], 1.0, ("speed",), ("km/h",), "run")
    np.testing.assert_allclose(without[0], Predictor(tmp_path / "spec.onnx").predict(alone).value, atol=1e-4)


def test_a_file_is_not_written_where_the_graph_would_do_something_else(tmp_path, monkeypatch):
    record = ecg(0, 1, duration_s=30.0)
    with pytest.raises(ConfigError, match="wanted a smaller ratio"):
        both(tmp_path, ECG, [[Record("odd", record.signal, 359.77, record.channels, record.units, "odd")]])
    monkeypatch.setattr(deviation, "MOST_INPUT", 1e-9)
    with pytest.raises(TrainingError, match=r"graph and spec differ by .* in what the network reads") as caught:
        both(tmp_path, ECG, [[record]])
    assert len(str(caught.value)) < 300
    assert not (tmp_path / "raw.onnx").exists()


def test_beats_stay_with_their_preprocessing_in_one_line(exported, tmp_path):
    from biotl.deploy.export import export

    with pytest.raises(ConfigError, match="sentences, which need R peaks: the file holds network and decision"):
        export(exported.model, tmp_path / "m.onnx", bundle=exported.bundle, example=exported.example,
               raw=[[ecg(1, 0, duration_s=30.0)]])  # fmt: skip
    run = session(exported.path)
    assert [item.name for item in run.get_outputs()] == ["logits", "probability", "answer"]


@pytest.mark.parametrize("fs", [360.0, 250.0])
def test_biotl_asks_a_file_that_takes_raw_samples_as_any_other(files, fs):
    record = ecg(0, 7, duration_s=43.0, fs=fs)
    record.signal[:, 3000:3050] = np.nan
    said, told = (Predictor(path).predict(record) for path in (files.spec, files.raw))
    assert told.value.tolist() == said.value.tolist()
    assert told.abstained == said.abstained
    assert np.array_equal(told.span, said.span)
    # a window with a gap is masked there by the one and bridged by the other; at another rate it is resampled twice
    whole = np.array([not (a < 3050 and b > 3000) for a, b in said.span])
    np.testing.assert_allclose(told.probability[whole], said.probability[whole], atol=1e-5 if fs == 360 else 0.02)


def test_a_stream_of_a_file_that_takes_raw_samples_says_the_same(files):
    record = ecg(0, 7, duration_s=120.0)
    stream = Predictor(files.raw).stream(fs=record.fs, channels=record.channels, units=record.units)
    parts = [stream.push(x) for x in np.array_split(record.signal, 23, axis=1)] + [stream.finish()]
    said = Predictor(files.spec).predict(record)
    assert np.concatenate([part.value for part in parts]).tolist() == said.value.tolist()


def test_the_causal_twin_knows_nothing_of_what_is_to_come_and_states_its_phase(tmp_path):
    record = ecg(0, 1, duration_s=60.0)
    twin = both(tmp_path, ECG, [[record]], causal=True).raw
    run = session(twin)
    stored = run.get_modelmeta().custom_metadata_map
    assert stored["io.biotl.preprocess"] == "causal"
    x = ecg(0, 7, duration_s=60.0).signal[:1]
    later = x.copy()
    later[:, 10900:] = 0.7  # beyond the sixth window, and the ten samples that resampling looks ahead
    whole, cut = (run.run(None, {"ECG": of})[0][0, :6] for of in (x, later))
    np.testing.assert_allclose(whole, cut, atol=1e-6)
    (tmp_path / "zero").mkdir()
    spec = session(both(tmp_path / "zero", ECG, [[record]]).raw)
    assert np.abs(spec.run(None, {"ECG": x})[0][0, 5] - spec.run(None, {"ECG": later})[0][0, 5]).max() > 1e-3
    found = json.loads(stored["io.biotl.deviation"])
    assert found["input"] > 0.01
    said = Predictor(twin).predict(ecg(0, 7, duration_s=60.0))
    assert f"{found['answers']} of {found['units']} answers" in said.notes[0]


def test_the_phase_is_that_of_a_wave_that_goes_through(tmp_path):
    import scipy.signal

    from biotl.deploy.graph import phase
    from biotl.deploy.graph_windows import design

    t = np.arange(125 * 60) / 125
    for row in phase(ECG)["ECG"]:
        packet = np.exp(-(((t - 30) / 3) ** 2)) * np.sin(2 * np.pi * row["hz"] * t)
        out = packet
        for step in ECG.channels[0].filters:
            out = scipy.signal.sosfilt(design(step, 125), out)
        height = [np.abs(scipy.signal.hilbert(of)) for of in (packet, out)]
        delay = np.sum(t * height[1] ** 2) / np.sum(height[1] ** 2) - 30
        assert abs(1000 * delay - row["delay_ms"]) < 3
        assert abs(20 * np.log10(height[1].max() / height[0].max()) - row["gain_db"]) < 0.1


def test_what_needs_the_whole_recording_has_no_causal_twin(tmp_path):
    whole = ECG.model_copy(update={"channels": (ECG.channels[0].model_copy(update={"normalizer": "recording"}),)})
    with pytest.raises(ConfigError, match="got normalizer recording, which needs all of it"):
        both(tmp_path, whole, [[ecg(0, 1, duration_s=30.0)]], causal=True)


def test_where_any_channel_will_do_one_there_has_to_be(tmp_path):
    channels = tuple({"name": name, "normalizer": "window", "optional": True} for name in ("ECG", "PPG"))
    spec = WindowSpec(fs=125, length_s=5, gaps="mask", channels=channels)
    two = ecg(0, 1, duration_s=30.0, fs=125.0)
    two = Record("two", np.repeat(two.signal[:1], 2, axis=0), 125.0, ("ECG", "PPG"), ("mV", "mV"), "two")
    run = session(both(tmp_path, spec, [[two]]).raw)
    none = np.full_like(two.signal[:1], np.nan)
    logits, _, answer = run.run(None, {"ECG": two.signal[:1], "PPG": none})
    assert np.isfinite(logits).all()
    assert (answer >= 0).all()
    logits, probability, answer = run.run(None, {"ECG": none, "PPG": none})
    assert np.isnan(logits).all()
    assert np.isnan(probability).all()
    assert (answer == -1).all()


def test_real_workouts_at_one_rate_are_compared_and_the_others_left(tmp_path):
    paths = sorted((data_folder("workouts") / "csv").glob("*.csv"))[:8]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of times that jitter
        records = [[read(path)] for path in paths]
    channels = (
        {"name": "speed", "unit": "km/h", "normalizer": "training"},
        {"name": "altitude", "unit": "m", "normalizer": "training", "optional": True},
    )
    spec = SequenceSpec(fs=0.2, length=200, channels=channels)
    records = [of for of in records if of[0].fs == 1.0] + [of for of in records if of[0].fs != 1.0]
    made = both(tmp_path, spec, records, decision=Value(name="heart rate", unit="bpm"))
    found = json.loads(session(made.raw).get_modelmeta().custom_metadata_map["io.biotl.deviation"])
    assert found["units"] > 500
    assert found["unanswered"] == 0
    assert found["input"] < 1e-5
    assert found["output"] < 1e-5
    for (record,) in records:
        said, told = (Predictor(path).predict(record) for path in (made.spec, made.raw))
        assert len(said) == len(told)
        if record.fs == 1.0:  # pauses are bridged, and masked further than 15 s from a sample, as the spec has it
            np.testing.assert_allclose(told.value, said.value, atol=1e-4)
