"""Export writes a file only after onnxruntime has shown that it computes what torch does."""
# ruff: noqa: E501

import json

import numpy as np
import pytest

from biotl.deploy.export_before import export
from biotl.errors import ConfigError, TrainingError

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")


def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_torch_and_onnxruntime_agree_at_sizes_the_export_never_saw(exported_before):
    run = session(exported_before.path)
    rng = np.random.default_rng(0)
    whole = exported_before.example["tokens"].shape[1]
    for size, length in ((1, 3), (2, 77), (5, whole), (17, whole + 40)):
        inputs = {
            "tokens": rng.integers(0, 75, (size, length)),
            "wave": rng.integers(0, 5, (size, length)),
            "patches": rng.normal(size=(size, length, 2, 32)).astype(np.float32),
            "features": rng.normal(size=(size, length, exported_before.example["features"].shape[2])).astype(
                np.float32
            ),
            "mask": np.arange(length) < rng.integers(2, length + 1, (size, 1)),
        }
        with torch.inference_mode():
            wanted = exported_before.model.eval()(*(torch.from_numpy(inputs[n]) for n in exported_before.model.inputs))[
                "logits"
            ]
        got = run.run(["logits"], {n: inputs[n] for n in exported_before.model.inputs})[0]
        assert got.shape == (size, length, len(exported_before.labels))
        # the tolerance that the export itself holds
        np.testing.assert_allclose(got, wanted.numpy(), atol=1e-5, rtol=1e-5)


def test_the_metadata_says_all_that_prediction_needs(exported_before):
    stored = session(exported_before.path).get_modelmeta().custom_metadata_map
    assert json.loads(stored["biotl.spec"]) == exported_before.spec.model_dump(mode="json")
    assert stored["biotl.vocabulary"] == exported_before.vocabulary.to_json()
    assert json.loads(stored["biotl.labels"]) == list(exported_before.labels)
    assert len(json.loads(stored["biotl.thresholds"])) == len(exported_before.labels)
    assert json.loads(stored["biotl.model"]) == {"name": "ecgbert"}


def test_the_difference_is_reported_and_small(exported_before):
    assert 0 <= exported_before.difference <= 1e-5


def test_the_masked_token_head_stays_behind(exported_before):
    assert [item.name for item in session(exported_before.path).get_outputs()] == ["logits"]


def test_a_spec_of_another_vocabulary_is_refused(exported_before, tmp_path):
    spec = exported_before.spec.model_copy(update={"vocabulary": "0" * 64})
    with pytest.raises(ConfigError, match=r"spec\.vocabulary: got 000000000000"):
        export(exported_before.model, tmp_path / "m.onnx", spec=spec, vocabulary=exported_before.vocabulary, labels="NSVFQ",
               example=exported_before.example)  # fmt: skip


@pytest.mark.parametrize("thresholds", [[0.5, 0.5], [0.0, 1, 1, 1, 1]])
def test_thresholds_that_do_not_fit_the_labels_are_refused(exported_before, thresholds, tmp_path):
    with pytest.raises(ConfigError, match="5 positive numbers"):
        export(exported_before.model, tmp_path / "m.onnx", spec=exported_before.spec, vocabulary=exported_before.vocabulary, labels="NSVFQ",
               example=exported_before.example, thresholds=thresholds)  # fmt: skip


def test_a_graph_that_differs_is_not_written(exported_before, tmp_path, monkeypatch):
    class Drifting:
        def __init__(self, *_, **__):
            pass

        def run(self, _, feed):
            return [np.zeros((*feed["tokens"].shape, 5), np.float32)]

    monkeypatch.setattr("biotl.deploy.export_before._to_onnx", lambda *_: b"")
    monkeypatch.setattr(onnxruntime, "InferenceSession", Drifting)
    with pytest.raises(TrainingError, match=r"torch and onnxruntime differ by .* at batch 1"):
        export(exported_before.model, tmp_path / "m.onnx", spec=exported_before.spec, vocabulary=exported_before.vocabulary, labels="NSVFQ",
               example=exported_before.example)  # fmt: skip
    assert list(tmp_path.iterdir()) == []
