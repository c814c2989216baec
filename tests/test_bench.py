"""`biotl bench`: what it measures of a model file, and what it says where there is no checkout."""

import json
import sys

import pytest

import biotl
from biotl.cli import main
from biotl.deploy import bench


def test_a_model_file_is_measured_beside_torch(models, monkeypatch, capsys):
    path = str(models("heart_rate_lstm"))
    monkeypatch.setattr(bench, "MINUTES", 1.0)
    monkeypatch.setattr(bench, "LEAST_S", 0.01)
    monkeypatch.setattr(bench, "BATCHES", (1, 3))
    monkeypatch.setattr("torch.compile", lambda *_, **__: lambda *_: 1 / 0)  # no compiler: it is left out
    assert main(["bench", path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(row["batch"], row["threads"]) for row in found["latency"]] == [(1, 1), (3, 1), (1, 2), (3, 2)]
    assert all(row["onnxruntime"] > 0 and row["torch eager"] > 0 for row in found["latency"])
    assert {row["torch.compile"] for row in found["latency"]} == {None}
    cold = found["cold"]
    assert cold["cold_start_s"] == pytest.approx(cold["import_s"] + cold["load_s"] + cold["first_answer_s"], abs=0.01)
    assert 20 < cold["peak_mb"] < 400
    assert found["real_time"] > 1
    text = bench.markdown(found)
    assert "| 3 | 2 |" in text
    assert "heart_rate_lstm" in text.splitlines()[0]


def test_the_tables_need_a_checkout(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(biotl, "__file__", str(tmp_path / "lib" / "biotl" / "__init__.py"))
    assert main(["bench"]) == 2
    assert "wanted a checkout of its repository" in capsys.readouterr().err
    script = tmp_path / "benches" / "table.py"
    script.parent.mkdir()
    script.write_text("print('a table')")
    monkeypatch.setattr(sys.modules["biotl.cli.bench"], "SCRIPTS", ("table.py", "none.py"))
    assert main(["bench"]) == 0
    assert "benches/none.py ended with 2" in capsys.readouterr().err
