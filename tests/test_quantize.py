"""Smaller weights: what is quantised and what is left, and when a file is refused."""

from dataclasses import replace

import numpy as np
import pytest

from biotl.deploy import seal
from biotl.deploy.quantize import to_float16, to_int8
from biotl.deploy.quantized import Quantized
from biotl.errors import ConfigError, RecordError, TrainingError
from biotl.recipes import quantize

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
RNG = np.random.default_rng(0)


def network(layers=4):
    """Convolutions in a row, as a sealed file."""
    nodes, weights, below = [], [], "signal"
    for k in range(layers):
        shape = (8, 1 if k == 0 else 8, 5)
        weights.append(onnx.numpy_helper.from_array(RNG.normal(0, 0.3, shape).astype(np.float32), f"w{k}"))
        nodes.append(onnx.helper.make_node("Conv", [below, f"w{k}"], [f"c{k}"], pads=[2, 2]))
        nodes.append(onnx.helper.make_node("Relu", [f"c{k}"], [f"r{k}"]))
        below = f"r{k}"
    nodes[-1].output[0] = "logits"
    ends = [onnx.helper.make_tensor_value_info(name, 1, ["batch", None, 64]) for name in ("signal", "logits")]
    ends[0].type.tensor_type.shape.dim[1].dim_value = 1
    graph = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:], weights)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    model.metadata_props.add(key="io.biotl.bundle", value="{}")
    return seal.seal(model.SerializeToString())


def inputs(n=4):
    rng = np.random.default_rng(1)
    return [{"signal": rng.normal(size=(16, 1, 64)).astype(np.float32)} for _ in range(n)]


def answer(data, fed):
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, fed)[0]


def test_int8_leaves_the_first_and_the_last_layer_and_scales_each_channel(tmp_path):
    before = network()
    after = to_int8(before, inputs())
    model = onnx.load_model_from_string(after)
    held = {item.name: item for item in model.graph.initializer}
    read = {node.output[0]: node for node in model.graph.node}
    floats = []
    for node in model.graph.node:
        if node.op_type == "Conv":
            source = read.get(node.input[1])
            floats.append(source is None)
            if source is not None:
                assert source.op_type == "DequantizeLinear"
                assert held[source.input[0]].data_type == onnx.TensorProto.INT8
                assert list(held[source.input[1]].dims) == [8]
    assert floats == [True, False, False, True]
    (fed,) = inputs(1)
    wanted = answer(before, fed)
    assert np.abs(answer(after, fed) - wanted).max() < 0.05 * wanted.max()
    stored = {item.key: item.value for item in model.metadata_props}
    assert (stored["io.biotl.bundle"], stored["io.biotl.weights"]) == ("{}", "int8")
    assert seal.check(after, tmp_path) == stored["io.biotl.sha256"]
    assert to_int8(before, inputs()) == after


def test_what_a_decision_makes_of_the_output_is_no_layer():
    from biotl.deploy.decision import Classes
    from biotl.deploy.graph import with_decision

    proto = onnx.load_model_from_string(network())
    proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 8
    decided = with_decision(proto, Classes(labels=tuple(f"class {k}" for k in range(64)))).SerializeToString()
    model = onnx.load_model_from_string(to_int8(decided, inputs()))
    read = {node.output[0]: node for node in model.graph.node}
    floats = [node.input[1] not in read for node in model.graph.node if node.op_type in {"Conv", "MatMul"}]
    assert floats == [True, False, False, True, True]


def test_what_has_no_inner_layer_is_refused():
    with pytest.raises(ConfigError, match="int8: got 2 layers of Conv, Gemm, MatMul, wanted one between"):
        to_int8(network(layers=2), inputs())


def test_float16_halves_the_weights_and_computes_as_before(tmp_path):
    before = network()
    after = to_float16(before)
    assert len(after) < 0.75 * len(before)
    (fed,) = inputs(1)
    wanted = answer(before, fed)
    assert 0 < np.abs(answer(after, fed) - wanted).max() < 2e-3 * wanted.max()
    seal.check(after, tmp_path)
    large = onnx.load_model_from_string(before)
    large.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(np.full((8, 8, 5), 7e4, np.float32), "w1"))
    with pytest.raises(ConfigError, match="float16: got a weight of 7e"):
        to_float16(large.SerializeToString())


GOOD = Quantized("int8", 1000, 0.995, "macro_f1", 80.0, 79.5, 100, 40, 0.7)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, ""),
        ({"agreement": 0.98}, "98.0% of the answers stay, wanted 99%"),
        ({"after": 78.9}, "macro_f1 goes from 80.00 to 78.90, wanted within 1 point"),
        ({"metric": "mae", "before": 5.0, "after": 5.04}, ""),
        ({"metric": "mae", "before": 5.0, "after": 5.1}, "mae goes from 5.00 to 5.10"),
        ({"after": float("nan")}, "macro_f1 goes from 80.00 to nan"),
        ({"speed": 1.02}, "it takes 1.02 of the time"),
        ({"speed": 1.02, "weights": "float16"}, ""),
        ({"bytes_after": 100}, "it has 100 bytes of 100"),
    ],
)
def test_it_is_refused_where_it_is_not_worth_having(change, says):
    why = replace(GOOD, **change).refusal()
    assert (says in why) if says else not why


def test_a_refused_file_is_not_written_and_the_figures_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(quantize, "measured", lambda *_: (replace(GOOD, agreement=0.5), b"model"))
    with pytest.raises(TrainingError, match=r"int8: 50\.0% of the answers stay, .*macro_f1 80\.00 to 79\.50"):
        quantize.quantize_run(tmp_path, tmp_path / "q.onnx", "int8")
    assert not (tmp_path / "q.onnx").exists()
    monkeypatch.setattr(quantize, "measured", lambda *_: (GOOD, b"model"))
    assert quantize.quantize_run(tmp_path, tmp_path / "q.onnx", "int8") == GOOD
    assert (tmp_path / "q.onnx").read_bytes() == b"model"


def test_a_folder_that_holds_no_run_is_refused(tmp_path):
    with pytest.raises(RecordError, match="a finished run with a model"):
        quantize.quantize_run(tmp_path, tmp_path / "q.onnx", "int8")


@pytest.mark.slow
def test_a_finished_run_is_quantised_and_its_graph_takes_raw_samples(tmp_path, monkeypatch):
    from biotl.cli import main
    from biotl.deploy.predictor import Predictor
    from biotl.recipes import demo, registry

    load = registry.load

    def short(name, overrides=()):
        config = load(name, overrides)
        return config.model_copy(update={"stages": (config.stages[0].model_copy(update={"epochs": 2}),)})

    monkeypatch.setattr(registry, "load", short)
    demo.run(tmp_path / "demo", name="window_class", say=lambda _: None)
    monkeypatch.setattr(registry, "load", load)
    run = tmp_path / "demo" / "run"
    assert main(["quantize", str(run), str(tmp_path / "half.onnx"), "--weights", "float16"]) == 0
    assert Predictor(tmp_path / "half.onnx").bundle == Predictor(run / "model.onnx").bundle
    assert main(["export", str(run), str(tmp_path / "raw.onnx"), "--preprocess", "graph"]) == 0
    found, _ = quantize.measured(run, "int8")
    assert found.units == 60
    assert found.bytes_after < found.bytes_before
