"""The exported file alone turns a raw recording into answers: the same as torch gives, without torch."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from biotl.deploy.answer import answer
from biotl.deploy.prediction import Prediction
from biotl.deploy.predictor import Predictor
from biotl.deploy.recordings import predict_files, recordings
from biotl.errors import ConfigError, RecordError, SignalError
from biotl.records import Record, ecg, read
from biotl.records.write import write_wfdb
from conftest import data_folder


@pytest.fixture(scope="module")
def predictor(exported):
    return Predictor(exported.path, threads=1)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Three raw recordings on disk: paths without extension."""
    folder = tmp_path_factory.mktemp("raw")
    return [write_wfdb(ecg(9, subject, duration_s=60.0), folder) for subject in range(3)]


def by_torch(exported, record):
    """Answer a recording by torch itself, through the same placing code."""
    import torch

    model = exported.model.eval()

    def forward(inputs):
        with torch.inference_mode():
            return model(*(torch.from_numpy(inputs[name]) for name in model.inputs))["logits"].numpy()

    prepared = exported.preprocessor.prepare([record])
    return answer(exported.preprocessor, exported.bundle.decision, prepared, forward)


def test_onnxruntime_gives_the_answers_of_torch(exported, predictor, raw):
    for path in raw:
        record = read(path)
        found, wanted = predictor.predict(record), by_torch(exported, record)
        assert len(found) > 40
        np.testing.assert_array_equal(found.span, wanted.span)
        np.testing.assert_array_equal(found.value, wanted.value)
        np.testing.assert_allclose(found.probability, wanted.probability, atol=1e-5)
        np.testing.assert_allclose(found.probability.sum(axis=1), 1.0, atol=1e-6)
        assert len(np.unique(found.value)) > 1
        assert not any(found.abstained)


BLOCKED = ("torch", "scipy", "wfdb", "sklearn", "matplotlib", "onnx", "onnxscript", "safetensors", "pywt")
WITHOUT = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED}:
            raise ImportError(f"{{name}} is blocked")
sys.meta_path.insert(0, Blocker())
from biotl.deploy.describe import describe
from biotl.deploy.evaluate import evaluate_entries
from biotl.deploy.predictor import Predictor
from biotl.records import read
from pathlib import Path
describe(Path(sys.argv[1]))
print(Predictor(sys.argv[1]).predict(read(sys.argv[2])).value.tolist())
"""


def test_prediction_needs_neither_torch_nor_scipy_nor_onnx(exported, predictor, raw):
    words = [sys.executable, "-c", WITHOUT, exported.path, raw[0]]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.stdout.strip() == str(predictor.predict(read(raw[0])).value.tolist()), run.stderr


def test_a_beat_lies_where_its_r_peak_is_at_the_rate_of_the_recording(predictor):
    truth = ecg(9, 0, duration_s=60.0, fs=500.0)
    found = predictor.predict(truth)
    assert found.fs == 500.0
    beats = truth.annotations["atr"].sample
    nearest = np.abs(found.sample[:, None] - beats).min(axis=1)
    # two samples of the spec's 360 Hz at 500 Hz
    assert np.median(nearest) <= 3
    np.testing.assert_allclose(found.time_s, found.sample / 500.0)


def test_an_array_is_taken_with_its_rate_and_refused_the_wrong_way_round(predictor):
    record = ecg(9, 1, duration_s=60.0)
    found = predictor.predict(record.signal[0], fs=record.fs)
    np.testing.assert_array_equal(found.value, predictor.predict(record).value)
    with pytest.raises(ConfigError, match="fs: got nothing"):
        predictor.predict(record.signal[0])
    with pytest.raises(
        ConfigError, match=r"got shape \(21600, 1\), wanted \(1, samples\), one row a channel; pass x\.T"
    ):
        predictor.predict(record.signal[:1].T, fs=360.0)


# Which lead, and what it holds


@pytest.mark.parametrize("name", ["ECG1", "D2", "MLI", "ecg ii", "v1"])
def test_leads_are_found_by_the_names_that_recorders_give_and_the_one_used_is_named(predictor, name):
    record = ecg(9, 1, duration_s=30.0)
    found = predictor.predict(dataclasses.replace(record, channels=("RESP", name), signal=record.signal[::-1]))
    assert found.leads == {"ECG": name}
    assert {row["lead"] for row in found.rows()} == {name}


def test_the_lead_that_is_asked_for_is_read_and_one_that_is_not_there_is_named(predictor):
    record = ecg(9, 1, duration_s=30.0)
    names = dataclasses.replace(record, channels=("II", "XYZ"), signal=record.signal[[0, 0]], units=("mV", "uV"))
    assert predictor.predict(names, lead="XYZ").leads == {"ECG": "XYZ"}
    with pytest.raises(RecordError, match=r"channels: got II, XYZ, wanted one of V9"):
        predictor.predict(names, lead="V9")


@pytest.mark.parametrize("bad", [0.0, np.nan])
def test_a_flat_or_missing_lead_beside_a_good_one_is_passed_over(predictor, bad):
    record = ecg(9, 1, duration_s=30.0)
    worse = np.stack([np.full_like(record.signal[0], bad), record.signal[0]])
    found = predictor.predict(dataclasses.replace(record, channels=("MLII", "V1"), signal=worse))
    assert found.leads == {"ECG": "V1"}
    assert len(found) > 20
    with pytest.raises(RecordError, match="MLII"):
        predictor.predict(dataclasses.replace(record, channels=("MLII",), units=("mV",), signal=worse[:1]))


def test_a_gap_is_bridged_and_nothing_is_answered_in_it(predictor):
    record = ecg(9, 2, duration_s=60.0)
    gap = record.signal.copy()
    gap[0, 7200:9000] = np.nan
    gap[0, 100] = np.nan
    found, whole = predictor.predict(dataclasses.replace(record, signal=gap)), predictor.predict(record)
    inside = (found.sample >= 7200) & (found.sample < 9000)
    assert not np.any(inside & (found.value >= 0))
    outside = (whole.sample < 6000) | (whole.sample > 10_000)
    assert np.isin(whole.sample[outside], found.sample).mean() > 0.95
    assert "MLII: 1801 of 21600 samples are missing" in found.notes


# What is no signal of the kind


def test_a_pulse_wave_under_the_name_of_an_ecg_is_not_answered(predictor):
    folder = data_folder("bidmc")
    told = []
    for path in sorted(folder.glob("bidmc_*.npz")):
        with np.load(path) as file:
            names, fs = [str(name) for name in file["channels"]], float(file["fs"])
            x = file["x"][names.index("PLETH")][: int(60 * fs)] * np.float32(file["scale"])
            y = file["x"][names.index("II")][: int(60 * fs)] * np.float32(file["scale"])
        pulse = predictor.predict(Record("p", np.float32(x)[None], fs, ("II",), ("mV",), "p"))
        assert all("no ECG" in why for why in pulse.abstained), path
        told.append(np.mean([not why for why in predictor.predict(np.float32(y), fs=fs).abstained] or [1.0]))
    assert min(told) > 0.9, told  # of their true ECG


def test_a_rate_that_no_ecg_can_be_read_at_is_named(predictor):
    record = ecg(9, 0, duration_s=60.0)
    found = predictor.predict(dataclasses.replace(record, signal=record.signal[:, ::10].copy(), fs=36.0))
    assert all(why == "MLII: 36 Hz, wanted at least 50 Hz" for why in found.abstained)


def test_a_unit_that_cannot_be_is_refused_by_lead(predictor):
    record = ecg(9, 0, duration_s=30.0)
    huge = dataclasses.replace(record, signal=record.signal * np.float32(1e20), units=("V", "V"))
    with pytest.raises(RecordError, match=r"unit of MLII: got values up to .*e\+\d+ mV, wanted at most 1000 mV"):
        predictor.predict(huge)


@pytest.mark.parametrize("value", [1e30, -1e30, 1e6])
def test_one_sample_that_no_sensor_gives_spoils_no_more_than_its_beat(predictor, value):
    record = ecg(9, 0, duration_s=60.0)
    spiked = record.signal.copy()
    spiked[0, 5000] = value
    found, whole = predictor.predict(dataclasses.replace(record, signal=spiked)), predictor.predict(record)
    away = np.abs(whole.sample - 5000) > 360
    kept = np.isin(whole.sample[away], found.sample)
    assert kept.mean() > 0.99
    assert any("1 samples that no sensor gives are taken as missing" in note for note in found.notes)


def test_noise_is_not_answered_and_the_reason_is_said(predictor):
    record = ecg(9, 0, duration_s=60.0)
    noisy = record.signal.copy()
    noisy[0, 10_800:] = np.random.default_rng(0).normal(0, 1, 10_800)
    found = predictor.predict(dataclasses.replace(record, signal=noisy))
    second = found.sample >= 10_800
    assert all(why.startswith("MLII: ") for why, late in zip(found.abstained, second, strict=True) if late)
    assert not any(why for why, late in zip(found.abstained, second, strict=True) if not late)
    assert {row["label"] for row, late in zip(found.rows(), second, strict=True) if late} == {""}
    assert found.counts()["abstained"] == second.sum()
    assert float(found.quality[second].max()) < 0.1 < float(found.quality[~second].min())


# Files


def test_refused_recordings_come_with_their_reason_and_the_others_go_on(predictor, raw, tmp_path):
    other = ecg(9, 5, duration_s=20.0)
    stranger = write_wfdb(Record("pleth", other.signal, 360.0, ("PLETH", "RESP"), ("mV", "mV"), "p"), tmp_path)
    np.savez(tmp_path / "short.npz", signal=np.zeros((1, 10), np.float32) + np.arange(10), fs=360.0, channels=["MLII"],
             units=["mV"])  # fmt: skip
    paths = [raw[2], stranger, tmp_path / "none", tmp_path / "short.npz", raw[0]]
    found = list(predict_files(predictor, paths))
    assert [path for path, _ in found] == paths
    kinds = [type(outcome) for _, outcome in found]
    assert kinds == [Prediction, RecordError, RecordError, kinds[3], Prediction]
    assert issubclass(kinds[3], RecordError | SignalError)
    assert str(found[3][1]).startswith(str(tmp_path / "short.npz"))


def test_a_folder_stands_for_its_recordings_and_each_is_answered_once_however_it_is_spelled(raw):
    folder = raw[0].parent
    spelled = [
        folder,
        raw[0].with_suffix(".hea"),
        raw[0].with_suffix(".dat"),
        raw[0],
        folder / ".." / folder.name / "s000",
    ]
    assert [path.name for path in recordings(spelled)] == ["s000", "s001", "s002"]
    (folder / "empty").mkdir(exist_ok=True)
    with pytest.raises(RecordError, match="folder: got no recording"):
        recordings([folder / "empty"])


def test_two_recordings_of_one_name_stay_two(predictor, tmp_path):
    paths = [
        write_wfdb(dataclasses.replace(ecg(9, k, duration_s=20.0), name="ecg"), tmp_path / f"p{k}") for k in (0, 1)
    ]
    found = [made for _, made in predict_files(predictor, paths)]
    assert [made.record for made in found] == ["ecg", "ecg"]
    assert len({made.path for made in found}) == 2
    assert len({row["path"] for made in found for row in made.rows()}) == 2


INTERRUPTED = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from biotl.deploy.predictor import Predictor
from biotl.deploy.recordings import predict_files
predictor = Predictor(sys.argv[1], threads=1)
print("go", flush=True)
for path, made in predict_files(predictor, sys.argv[2:]):
    print(path)
"""


@pytest.mark.parametrize("many", [1, 3])
def test_ctrl_c_ends_a_long_prediction_within_a_second(exported, tmp_path, many):
    record = ecg(9, 0, duration_s=300.0)
    day = np.tile(record.signal[:1], (1, 200))
    paths = []
    for k in range(many):
        np.savez(tmp_path / f"{k}.npz", signal=day, fs=360.0, channels=["MLII"], units=["mV"])
        paths.append(str(tmp_path / f"{k}.npz"))
    words = [sys.executable, "-c", INTERRUPTED, str(exported.path), *paths]
    for wait in (0.5, 2.0, 5.0):
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "go\n"
            time.sleep(wait)
            assert process.poll() is None, process.communicate()
            began = time.monotonic()
            os.kill(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=60)
        took = time.monotonic() - began
        assert out == ""
        assert "KeyboardInterrupt" in err
        assert took < 1.5, f"{took:.2f} s after {wait} s"


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" * 200])
def test_what_is_no_model_is_refused_in_one_line(content, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"model\.onnx: sha256: got none at its end"):
        Predictor(path)
    with pytest.raises(RecordError, match=r"other\.onnx: file"):
        Predictor(tmp_path / "other.onnx")


def test_an_interrupted_import_is_no_missing_library(monkeypatch, exported):
    import builtins

    real = builtins.__import__

    def broken(name, *args):
        if name == "onnxruntime":
            raise ImportError("broken off")
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(ImportError, match=r"^broken off$"):
        Predictor(exported.path)


def test_marks_and_json_say_what_was_answered(predictor):
    found = predictor.predict(ecg(9, 0, duration_s=30.0))
    marks = found.annotations()
    assert tuple(marks.symbol) == found.names
    assert marks.aux[0].startswith(found.names[0])
    tree = found.to_json()
    assert (tree["unit"], len(tree["beats"]), tree["leads"]) == ("beat", len(found), {"ECG": "MLII"})
    assert list(tree["beats"][0]) == [
        "record", "path", "lead", "sample", "time_s", "label", "probability", "p_N", "p_S", "p_V", "p_F", "p_Q",
        "quality", "abstained",
    ]  # fmt: skip
    assert len(repr(found)) < 120


def test_a_folder_of_folders_and_of_any_format_is_looked_through(tmp_path):
    for name in ("ana/holter.edf", "ben/deep/holter.csv", "cleo/holter.h5"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"0")
    found = [str(path.relative_to(tmp_path)) for path in recordings([tmp_path])]
    assert found == ["ana/holter.edf", "ben/deep/holter.csv", "cleo/holter.h5"]
