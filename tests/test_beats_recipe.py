"""Trees go the way of every other model: one configuration, one driver, one file that reads raw recordings."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest

from biotl.datasets.changes import UNCHANGED
from biotl.deploy.predictor import Predictor
from biotl.recipes import demo, registry, synthetic
from biotl.recipes.export import export_run
from biotl.recipes.stress import stress
from biotl.records import read
from biotl.records.write import write_wfdb
from biotl.scoring import stored


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trees")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "SUBJECTS", {"train": 6, "validation": 2, "test": 3})
        load = registry.load
        patch.setattr(
            registry, "load", lambda name, overrides=(): load(name, overrides).model_copy(update={"seeds": 1})
        )
        done = demo.run(folder, name="beats_mitbih", say=lambda _: None)
    return folder, done


def test_onnxruntime_repeats_the_answers_of_torch_on_the_raw_file(small):
    _, done = small
    assert done.agrees
    graph = onnx.load(done.published.model).graph
    trees, *rest = [node.domain for node in graph.node]  # then probability and answer
    assert trees == "ai.onnx.ml"
    assert {*rest} == {""}


def test_the_figures_stand_beside_the_baselines(small):
    folder, _ = small
    results = json.loads((folder / "run" / "results.json").read_text())
    assert list(results["models"]) == ["boosted_trees", "majority", "RR rule", "gradient boosting"]
    assert results["models"]["boosted_trees"]["macro_f1"] > results["models"]["majority"]["macro_f1"]


def test_the_file_answers_one_lead_two_leads_and_any_order(small):
    folder, done = small
    predictor = Predictor(done.published.model)
    record = read(folder / "recordings" / done.published.answered[0].id)
    both = predictor.predict(record)
    turned = replace(record, signal=record.signal[::-1].copy(), channels=record.channels[::-1])
    np.testing.assert_array_equal(predictor.predict(turned).probability, both.probability)
    assert both.leads == {"ECG": "MLII", "ECG_2": "V1"}
    alone = replace(record, signal=record.signal[:1], channels=record.channels[:1], units=record.units[:1])
    one = predictor.predict(alone)
    assert one.leads == {"ECG": "MLII"}
    assert len(one) == pytest.approx(len(both), rel=0.05)


def test_a_bad_second_lead_withholds_nothing(small):
    folder, done = small
    record = read(folder / "recordings" / done.published.answered[0].id)
    torn = record.signal.copy()
    torn[1] = np.nan
    found = Predictor(done.published.model).predict(replace(record, signal=torn))
    assert found.leads == {"ECG": "MLII"}
    assert not any(found.abstained)


def test_a_finished_run_is_exported_again_bit_for_bit(small, tmp_path):
    folder, done = small
    path = tmp_path / "again.onnx"
    export_run(folder / "run", path)
    assert path.read_bytes() == done.published.model.read_bytes()


def test_validation_recordings_say_when_to_abstain(small):
    folder, _ = small
    run = folder / "run"
    judged = json.loads((run / "split.json").read_text())["parts"]["validation"]
    assert [of.id for of in stored.read(run / stored.VALIDATION)] == [name for name, *_ in judged]
    assert "If it may abstain" in (run / "report.html").read_text()


def test_a_stress_test_goes_into_the_report_of_the_run(small, tmp_path):
    folder, _ = small
    rng = np.random.default_rng(0)
    like = read(folder / "recordings" / json.loads((folder / "run" / "split.json").read_text())["parts"]["test"][0][0])
    for name in ("bw", "em", "ma"):
        noise = rng.normal(size=(2, 7200)).astype(np.float32)
        write_wfdb(replace(like, name=name, signal=noise, annotations={}), tmp_path)
    found = stress(folder / "run", tmp_path, minutes=2)
    muscle = found.curves["muscle"]
    assert list(muscle) == [UNCHANGED, "24 dB", "12 dB", "6 dB", "0 dB"]
    assert muscle[UNCHANGED]["answered"].value == 100
    assert muscle["0 dB"]["macro-F1"].value < muscle[UNCHANGED]["macro-F1"].value
    halved = found.curves["gain"]
    assert halved["halved"]["macro-F1"].value == pytest.approx(halved[UNCHANGED]["macro-F1"].value, abs=1)
    assert found.curves["leads"]["swapped"] == found.curves["leads"][UNCHANGED]
    page = (folder / "run" / "report.html").read_text()
    assert "As recordings get worse" in page
    assert "electrode motion" in page
