"""Export writes a file only after onnxruntime has shown that it computes what torch does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from biotl.deploy import seal
from biotl.deploy.bundle import Bundle
from biotl.deploy.decision import Classes
from biotl.deploy.export import export, export_checkpoint
from biotl.deploy.predictor import Predictor
from biotl.errors import ConfigError, RecordError, TrainingError
from biotl.training.checkpoint import Checkpoint, save

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")


def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_torch_and_onnxruntime_agree_at_sizes_the_export_never_saw(exported):
    run = session(exported.path)
    rng = np.random.default_rng(0)
    whole = exported.example["tokens"].shape[1]
    for size, length in ((1, 3), (2, 77), (3, whole), (17, whole + 40)):
        inputs = {
            "tokens": rng.integers(0, 75, (size, length)),
            "wave": rng.integers(0, 5, (size, length)),
            "patches": rng.normal(size=(size, length, 2, 32)).astype(np.float32),
            "features": rng.normal(size=(size, length, exported.example["features"].shape[2])).astype(np.float32),
            "mask": np.arange(length) < rng.integers(2, length + 1, (size, 1)),
        }
        with torch.inference_mode():
            wanted = exported.model.eval()(*(torch.from_numpy(inputs[n]) for n in exported.model.inputs))["logits"]
        got = run.run(["logits"], {n: inputs[n] for n in exported.model.inputs})[0]
        assert got.shape == (size, length, 5)
        # the tolerance that the export itself holds
        np.testing.assert_allclose(got, wanted.numpy(), atol=1e-5, rtol=1e-5)


def test_free_dimensions_have_the_names_that_the_model_gives_them(exported):
    run = session(exported.path)
    shapes = {item.name: item.shape for item in (*run.get_inputs(), *run.get_outputs())}
    assert shapes["tokens"] == ["batch", "tokens"]
    assert shapes["patches"] == ["batch", "tokens", 2, 32]
    assert shapes["logits"] == ["batch", "tokens", 5]


def test_the_file_holds_the_bundle_and_nothing_of_this_machine(exported):
    stored = session(exported.path).get_modelmeta().custom_metadata_map
    assert Bundle.from_json(stored["io.biotl.bundle"]) == exported.bundle
    assert exported.bundle.state["vocabulary"]
    data = exported.path.read_bytes()
    for word in (str(Path(__file__).parents[1]), "site-packages", ".py", "s000"):
        assert word.encode() not in data
    assert 0 <= exported.difference <= 1e-5


AGAIN = """
import sys
from pathlib import Path
import numpy as np
from biotl.deploy.bundle import Bundle
from biotl.deploy.export import export_checkpoint
with np.load(sys.argv[2]) as file:
    example = dict(file)
export_checkpoint(Path(sys.argv[1]), Path(sys.argv[3]), example=example)
"""


@pytest.fixture
def checkpoint(exported, tmp_path):
    """The same model as a checkpoint whose head some stage trained."""
    tensors = {f"model.{name}": tensor for name, tensor in exported.model.state_dict().items()}
    about = exported.bundle.model_dump(mode="json")
    path = tmp_path / "best-all.safetensors"

    def write(trained):
        save(path, Checkpoint(tensors, {"about": about, "lineage": [{"stage": "all"}], "trained": trained}))
        return path

    return write


def test_the_same_checkpoint_gives_the_same_bytes_in_another_process(exported, checkpoint, tmp_path):
    path = checkpoint(["head.net.0.weight"])
    np.savez(tmp_path / "example.npz", **exported.example)
    export_checkpoint(path, tmp_path / "here.onnx", example=exported.example)
    words = [sys.executable, "-c", AGAIN, str(path), str(tmp_path / "example.npz"), str(tmp_path / "there.onnx")]
    seed = {"PYTHONHASHSEED": "7"}
    subprocess.run(words, check=True, capture_output=True, env=os.environ | seed)
    assert (tmp_path / "here.onnx").read_bytes() == (tmp_path / "there.onnx").read_bytes()
    about = Predictor(tmp_path / "here.onnx").bundle.about
    assert about.lineage == ({"stage": "all"},)
    assert about.parameters == sum(p.numel() for p in exported.model.parameters())


def test_a_head_that_no_stage_trained_is_refused_and_its_encoder_gives_embeddings(exported, checkpoint, tmp_path):
    path = checkpoint(["token_embedding.weight", "mlm.net.weight"])
    with pytest.raises(ConfigError, match=r"no stage trained head\.net\.0\.bias.*which logits depends on"):
        export_checkpoint(path, tmp_path / "m.onnx", example=exported.example)
    assert not (tmp_path / "m.onnx").exists()
    export_checkpoint(path, tmp_path / "e.onnx", example=exported.example, embeddings=True)
    predictor = Predictor(tmp_path / "e.onnx")
    assert (predictor.decision.kind, predictor.decision.dim) == ("vector", 16)


def test_what_was_chosen_on_validation_replaces_what_the_checkpoint_began_with(exported, checkpoint, tmp_path):
    decision = Classes(labels=("N", "S", "V", "F", "Q"), thresholds=(0.6, 0.1, 0.1, 0.1, 0.1))
    chosen = exported.bundle.model_copy(update={"decision": decision})
    path = checkpoint(["head.net.0.weight"])
    export_checkpoint(path, tmp_path / "m.onnx", example=exported.example, bundle=chosen)
    assert Predictor(tmp_path / "m.onnx").decision == decision


def edited(data, path, change):
    """Write a model with its bundle changed, sealed again or not."""
    import onnx

    model = onnx.load_model_from_string(data)
    for item in model.metadata_props:
        if item.key == "io.biotl.bundle":
            item.value = change(item.value)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_bit_of_a_weight_labels_and_thresholds_that_were_changed_are_refused(exported, tmp_path):
    data = bytearray(exported.path.read_bytes())
    import onnx

    weights = max((item.raw_data for item in onnx.load(exported.path).graph.initializer), key=len)
    at = data.index(weights)
    for name, where in {"weight": at + 5, "bundle": data.index(b'"labels"') + 11, "digest": len(data) - 3}.items():
        changed = data.copy()
        changed[where] ^= 1
        (tmp_path / f"{name}.onnx").write_bytes(changed)
        with pytest.raises(RecordError, match=r"sha256: got .*wanted .*; the file was changed or damaged"):
            Predictor(tmp_path / f"{name}.onnx")
    swapped = edited(bytes(data), tmp_path / "swapped.onnx", lambda text: text.replace('["N","S"', '["S","N"'))
    with pytest.raises(RecordError, match="sha256: got"):
        Predictor(swapped)


def test_a_seal_covers_every_byte():
    data = seal.seal(b"anything")
    assert seal.check(data, Path("m")) == seal.check(data, Path("m"))
    for k in range(len(data)):
        with pytest.raises(RecordError):
            seal.check(data[:k] + bytes([data[k] ^ 4]) + data[k + 1 :], Path("m"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"decision": {"kind": "classes", "labels": ["a"]}}, "bundle.decision.labels: got ['a'], wanted at least 2"),
        ({"decision": {"kind": "value", "name": "x", "low": 2, "high": 1}}, "low, high: got 2.0 and 1.0"),
        ({"spec": 3}, "bundle.spec: got 3"),
        ({"format": "biotl.bundle/9"}, "wanted biotl.bundle/1, written by this version"),
        ({"hint": 1}, "bundle.hint: got 1, wanted no such key"),
        ({"spec": {"kind": "words"}}, "spec.kind: got 'words'"),
    ],
)
def test_a_sealed_file_of_another_hand_is_refused_by_field(exported, change, says, tmp_path):
    path = edited(exported.path.read_bytes(), tmp_path / "m.onnx", lambda text: json.dumps(json.loads(text) | change))
    path.write_bytes(seal.seal(path.read_bytes()))
    with pytest.raises((RecordError, ConfigError)) as caught:
        Predictor(path)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_model_that_does_not_name_its_axes_is_refused(exported, tmp_path):
    class Bare(torch.nn.Module):
        inputs, output = ("x",), "logits"

        def __init__(self):
            super().__init__()
            self.fc = torch.nn.Linear(2, 2)

    with pytest.raises(ConfigError, match=r"Bare\.axes: got None for 'x', wanted \{0: 'batch', \.\.\.\}"):
        export(Bare(), tmp_path / "m.onnx", bundle=exported.bundle, example={"x": np.zeros((1, 2), np.float32)})


def test_a_decision_of_another_width_is_refused(exported, tmp_path):
    bundle = exported.bundle.model_copy(update={"decision": Classes(labels=("a", "b", "c"))})
    with pytest.raises(ConfigError, match=r"decision: got outputs of 5, wanted \(3,\)"):
        export(exported.model, tmp_path / "m.onnx", bundle=bundle, example=exported.example)


def test_a_graph_that_differs_is_not_written(exported, tmp_path, monkeypatch):
    class Drifting:
        def __init__(self, *_, **__):
            pass

        def run(self, _, feed):
            return [np.zeros((*feed["tokens"].shape, 5), np.float32)]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Drifting)
    with pytest.raises(TrainingError, match=r"torch and onnxruntime differ by .* at batch 1, tokens \d+"):
        export(exported.model, tmp_path / "m.onnx", bundle=exported.bundle, example=exported.example)
    assert list(tmp_path.iterdir()) == []
