"""The demo walks the whole path and leaves what it says."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from biotl.cli import main
from biotl.errors import ConfigError
from biotl.recipes import demo


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A demo of few subjects and epochs: every step is taken, nothing is learnt well."""
    folder = tmp_path_factory.mktemp("demo") / "run"
    lines = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "SUBJECTS", {"train": 5, "validation": 3, "test": 3})
        patch.setattr(demo, "MINUTES", 1.0)
        patch.setattr(demo, "STAGES", [{**stage, "epochs": 1} for stage in demo.STAGES])
        done = demo.run(folder, say=lines.append)
    return folder, done, lines


def test_the_run_folder_holds_everything(small):
    folder, _, _ = small
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "checkpoints", "config.resolved.yaml", "env.json", "metrics.jsonl", "model.onnx", "model_card.md",
        "predictions.csv", "raw", "report.html", "results.json",
    }  # fmt: skip


def test_onnxruntime_repeats_the_labels_of_torch_on_the_raw_file(small):
    _, done, _ = small
    assert done.agrees
    assert done.published.difference <= 1e-5
    np.testing.assert_array_equal(done.prediction.label, done.outcome.predictions["ecgbert"][0])


def test_every_step_is_said(small):
    _, _, lines = small
    assert [line[:3] for line in lines if line[0] != " "] == [f"{k}/6" for k in range(1, 7)]
    assert any("R peaks against the truth: 99" in line or "100" in line for line in lines)


def test_the_report_shows_the_figures_of_the_run(small):
    folder, done, _ = small
    page = (folder / "report.html").read_text()
    macro = 100 * done.outcome.scores["ecgbert"].macro_f1
    assert f"{macro:.1f} %" in page
    for name in ("majority", "RR rule", "gradient boosting", "Synthetic ECG is easier"):
        assert name in page
    results = json.loads((folder / "results.json").read_text())
    assert results["models"]["ecgbert"]["macro_f1"] == pytest.approx(macro)


def test_nobody_is_on_two_sides(small):
    folder, done, _ = small
    tested = {recording.subject for recording in done.outcome.test}
    assert len(tested) == 3
    assert not tested & set(done.outcome.learnt.vocabulary.records)
    card = (folder / "model_card.md").read_text()
    assert "nobody is on two sides" in card


def test_the_model_file_predicts_from_the_command_line(small, capsys):
    folder, done, _ = small
    assert main(["predict", str(folder / "model.onnx"), str(folder / "raw" / done.prediction.record)]) == 0
    labels = [line.split(",")[3] for line in capsys.readouterr().out.splitlines()[1:]]
    assert labels == list(done.prediction.names)


def test_a_folder_that_holds_a_run_is_not_overwritten(small):
    folder, _, _ = small
    before = (folder / "results.json").read_bytes()
    with pytest.raises(ConfigError, match="holds a run"):
        demo.run(folder, say=lambda _: None)
    assert (folder / "results.json").read_bytes() == before


@pytest.mark.slow
def test_the_whole_demo_takes_minutes_and_beats_majority_and_the_rr_rule(tmp_path):
    began = time.monotonic()
    command = [sys.executable, "-m", "biotl", "demo", str(tmp_path / "run"), "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    macro = {row["model"]: row["macro-F1 %"] for row in found["scores"]}
    assert macro["ecgbert"] > macro["rr_rule"] > macro["majority"]
    assert found["agrees"]
    assert time.monotonic() - began < 180
