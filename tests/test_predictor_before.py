"""The exported file alone turns a raw recording into beats: the same as torch gives, without torch."""

import csv
import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from biotl.cli import main
from biotl.datasets.sentences import prepare, window_arrays, windows
from biotl.deploy.predictor_before import Predictor, decide, predict_files, probabilities
from biotl.errors import RecordError
from biotl.records import Record, ecg, read
from biotl.records.write import write_wfdb


@pytest.fixture(scope="module")
def predictor(exported_before):
    return Predictor(exported_before.path, threads=1)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Three raw recordings on disk: paths without extension."""
    folder = tmp_path_factory.mktemp("raw")
    return [write_wfdb(ecg(9, subject, duration_s=60.0), folder) for subject in range(3)]


def torch_labels(exported_before, record):
    """Label every beat of a recording by torch itself, window by window."""
    import torch

    sentence = prepare(record, exported_before.spec, exported_before.vocabulary)
    label = np.zeros(len(sentence.rpeaks), np.int64)
    for window in windows(sentence, exported_before.spec):
        cut = window_arrays(sentence, window, exported_before.spec)
        inputs = [torch.from_numpy(cut[name][None]) for name in exported_before.model.inputs]
        with torch.inference_mode():
            logits = exported_before.model.eval()(*inputs)["logits"][0].numpy()
        scored = cut["beat"] >= 0
        label[cut["beat"][scored]] = logits[scored].argmax(axis=1)
    return label


def test_onnxruntime_gives_the_labels_of_torch(exported_before, predictor, recordings):
    for path in recordings:
        record = read(path)
        found = predictor.predict(record)
        assert len(found) > 40
        np.testing.assert_array_equal(found.label, torch_labels(exported_before, record))
        np.testing.assert_allclose(found.probability.sum(axis=1), 1.0, atol=1e-6)
        assert len(np.unique(found.label)) > 1


BLOCKED = ("torch", "scipy", "wfdb", "sklearn", "matplotlib", "onnx", "onnxscript", "safetensors", "pywt")
WITHOUT = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED}:
            raise ImportError(f"{{name}} is blocked")
sys.meta_path.insert(0, Blocker())
from biotl.cli import main
code = main(sys.argv[1:])
assert not set({BLOCKED}) & set(sys.modules)
sys.exit(code)
"""


def test_biotl_predict_needs_neither_torch_nor_scipy_nor_wfdb(exported_before, recordings):
    command = [sys.executable, "-c", WITHOUT, "predict", str(exported_before.path), *map(str, recordings), "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    assert found["refused"] == []
    for path, got in zip(recordings, found["records"], strict=True):
        names = [exported_before.labels[i] for i in torch_labels(exported_before, read(path))]
        assert [beat["label"] for beat in got["beats"]] == names


@pytest.mark.slow
def test_a_fresh_environment_with_the_wheel_and_onnxruntime_gives_the_same_labels(
    exported_before, recordings, tmp_path
):
    root = Path(__file__).parents[1]
    pip = [sys.executable, "-m", "pip", "--quiet"]
    # apart from the environment of this run, whose PYTHONPATH (xdist sets one) would lend its packages to the new one
    apart = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, root], check=True, env=apart)
    venv.create(tmp_path / "venv", with_pip=True)
    wheel = next(tmp_path.glob("biotl-*.whl"))
    bin_ = tmp_path / "venv" / "bin"
    subprocess.run([bin_ / "pip", "install", "--quiet", f"{wheel}[onnx]"], check=True, env=apart)
    missing = subprocess.run([bin_ / "python", "-c", "import torch"], capture_output=True, check=False, env=apart)
    assert missing.returncode == 1
    command = [bin_ / "biotl", "predict", exported_before.path, *recordings, "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": str(bin_)}, cwd=tmp_path)
    for path, got in zip(recordings, json.loads(run.stdout)["records"], strict=True):
        names = [exported_before.labels[i] for i in torch_labels(exported_before, read(path))]
        assert [beat["label"] for beat in got["beats"]] == names


def test_a_beat_lies_where_its_r_peak_is_at_the_rate_of_the_recording(predictor):
    truth = ecg(9, 0, duration_s=60.0, fs=500.0)
    found = predictor.predict(truth)
    assert found.fs == 500.0
    beats = truth.annotations["atr"].sample
    nearest = np.abs(found.sample[:, None] - beats).min(axis=1)
    # two samples of the spec's 360 Hz at 500 Hz
    assert np.median(nearest) <= 3
    np.testing.assert_allclose(found.time_s, found.sample / 500.0)


def test_unit_and_place_of_the_lead_do_not_matter(predictor):
    record = ecg(9, 1, duration_s=60.0)
    other = Record("a", record.signal[::-1] * 1000, record.fs, ("V1", "MLII"), ("uV", "uV"), "a")
    np.testing.assert_array_equal(predictor.predict(other).label, predictor.predict(record).label)


@pytest.mark.parametrize(
    ("channels", "units", "field"),
    [(("PLETH", "RESP"), ("mV", "mV"), "channels"), (("MLII", "V1"), ("g", "g"), "units")],
)
def test_a_recording_that_does_not_fit_the_spec_is_refused_by_field(predictor, channels, units, field):
    record = ecg(9, 1, duration_s=20.0)
    with pytest.raises(RecordError, match=field):
        predictor.predict(Record("a", record.signal, record.fs, channels, units, "a"))


def test_refused_recordings_are_listed_and_the_others_go_on(exported_before, recordings, tmp_path, capsys):
    other = ecg(9, 5, duration_s=20.0)
    stranger = write_wfdb(Record("pleth", other.signal, 360.0, ("PLETH", "RESP"), ("mV", "mV"), "p"), tmp_path)
    words = [
        "predict",
        str(exported_before.path),
        str(recordings[0]),
        str(stranger),
        str(tmp_path / "none"),
        str(recordings[1]),
    ]
    assert main([*words, "--json"]) == 4
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert [r["record"] for r in found["records"]] == ["s000", "s001"]
    assert [r["recording"] for r in found["refused"]] == [str(stranger), str(tmp_path / "none")]
    assert captured.err.count("refused: ") == 2
    assert main(["predict", str(exported_before.path), str(stranger)]) == 3


def test_the_output_is_one_csv_line_a_beat(exported_before, recordings, capsys):
    assert main(["predict", str(exported_before.path), str(recordings[0])]) == 0
    captured = capsys.readouterr()
    head, *lines = captured.out.splitlines()
    assert head == "record,sample,time_s,label,probability"
    assert captured.err.startswith(f"s000: {len(lines)} beats")
    record, sample, time_s, label, probability = lines[0].split(",")
    assert record == "s000"
    assert float(time_s) == pytest.approx(int(sample) / 360, abs=1e-4)
    assert label in exported_before.labels
    assert 1 / len(exported_before.labels) <= float(probability) <= 1


def test_annotations_are_written_as_a_wfdb_file(exported_before, recordings, predictor, tmp_path, capsys):
    assert main(["predict", str(exported_before.path), str(recordings[0]), "--annotations", str(tmp_path)]) == 0
    from biotl.records.wfdb import read_annotations

    marks = read_annotations(tmp_path / "s000", "biotl", fs=360.0)
    found = predictor.predict(read(recordings[0]))
    np.testing.assert_array_equal(marks.sample, found.sample)
    assert tuple(marks.symbol) == found.names
    assert marks.aux[0].startswith(found.names[0])


def test_annotations_that_cannot_be_written_are_listed_and_the_others_go_on(
    exported_before, recordings, tmp_path, capsys
):
    def npz(name, signal):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.savez(tmp_path / name, signal=signal, fs=360.0, channels=["MLII", "V1"], units=["mV", "mV"])
        return str(tmp_path / name)

    signal = ecg(9, 5, duration_s=20.0).signal
    paths = [npz("flat.npz", np.zeros_like(signal)), npz("a b,c.npz", signal), npz("x/d.npz", signal)]
    paths += [npz("y/d.npz", signal), str(recordings[0])]
    out = tmp_path / "out"
    assert main(["predict", str(exported_before.path), *paths, "--annotations", str(out)]) == 4
    captured = capsys.readouterr()
    assert sorted(path.name for path in out.iterdir()) == ["d.biotl", "s000.biotl"]
    refused = [line for line in captured.err.splitlines() if line.startswith("refused: ")]
    assert [("a b,c" in line, str(paths[3]) in line) for line in refused] == [(True, False), (False, True)]
    rows = list(csv.reader(captured.out.splitlines()))
    assert {len(row) for row in rows} == {5}
    assert [row[0] for row in rows].count("a b,c") == [row[0] for row in rows].count("d") / 2 > 0


def test_a_refused_signal_is_named_by_its_file(predictor, tmp_path):
    np.savez(tmp_path / "gap.npz", signal=np.full(3600, np.nan), fs=360.0, channels=["MLII"], units=["mV"])
    ((_, error),) = predict_files(predictor, [tmp_path / "gap.npz"])
    assert str(error).startswith(f"{tmp_path / 'gap.npz'}: x: sample 0 is NaN")


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("spec", "{{", "metadata biotl.spec: got '{{', wanted JSON"),
        ("spec", '{"fss": 3}', "metadata biotl.spec.fss"),
        ("spec", "{}", "vocabulary digest"),
        ("spec fs", 250.0, "spec digest"),
        ("vocabulary", "[]", "biotl.vocabulary"),
        ("labels", "null", "metadata biotl.labels: got nothing"),
        ("labels", '["N", "S"]', "number of labels: got 2, wanted 5"),
        ("labels", '["N", "S", "V", "F", "F"]', "number of labels: got 4, wanted 5"),
        ("thresholds", "[0.5, 0.5]", "number of thresholds: got 2, wanted 5"),
        ("thresholds", "[1, 0, 1, 1, 1]", "metadata biotl.thresholds.1: got 0"),
        ("thresholds", "[1, NaN, 1, 1, 1]", "metadata biotl.thresholds.1: got nan"),
        ("model", None, "metadata biotl.model: got nothing, wanted JSON"),
        ("logits", "other", "number of labels: got 5, wanted None"),
        ("tokens", "words", "graph inputs"),
    ],
)
def test_a_model_that_was_edited_is_refused_by_field(exported_before, key, value, says, tmp_path):
    import onnx

    model = onnx.load(exported_before.path)
    stored = {item.key: item.value for item in model.metadata_props}
    if key == "spec fs":
        stored["biotl.spec"] = json.dumps(json.loads(stored["biotl.spec"]) | {"fs": value})
    elif key in ("logits", "tokens"):
        for names in [*(node.input for node in model.graph.node), *(node.output for node in model.graph.node)]:
            names[:] = [value if name == key else name for name in names]
        for item in (*model.graph.input, *model.graph.output):
            item.name = value if item.name == key else item.name
    else:
        stored[f"biotl.{key}"] = value
    onnx.helper.set_model_props(model, {name: text for name, text in stored.items() if text is not None})
    onnx.save(model, tmp_path / "edited.onnx")
    with pytest.raises(RecordError, match=re.escape(says)):
        Predictor(tmp_path / "edited.onnx")


def test_results_come_in_the_order_of_the_paths(predictor, recordings):
    paths = [recordings[2], recordings[0], recordings[1]]
    assert [found.record for _, found in predict_files(predictor, paths)] == ["s002", "s000", "s001"]


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07"])
def test_what_is_no_model_is_refused_in_one_line(content, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"model\.onnx"):
        Predictor(path)


def test_a_recording_without_a_beat_gives_no_rows(predictor):
    flat = Record("flat", np.zeros((1, 3600), np.float32), 360.0, ("MLII",), ("mV",), "flat")
    found = predictor.predict(flat)
    assert len(found) == 0
    assert found.rows() == []


def test_one_logit_is_two_classes_and_the_threshold_decides():
    probability = probabilities(np.array([[0.0], [2.0], [-2.0]], np.float32))
    np.testing.assert_allclose(probability[:, 1], [0.5, 0.880797, 0.119203], atol=1e-6)
    assert decide(probability, np.array([0.9, 0.1], np.float32)).tolist() == [1, 1, 1]
    assert decide(probability, np.array([0.4, 0.6], np.float32)).tolist() == [0, 1, 0]


def test_inspect_shows_the_model(exported_before, capsys):
    assert main(["inspect", str(exported_before.path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "model"
    assert found["labels"] == list(exported_before.labels)
    assert found["about"] == {"name": "ecgbert"}
    assert found["vocabulary"]["sha256"] == found["spec"]["vocabulary"] == exported_before.vocabulary.digest()
