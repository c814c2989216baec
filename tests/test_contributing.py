"""The examples of CONTRIBUTING.md run as they stand; each way of adding something takes under 60 lines to say."""

import csv
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from biotl.cli import main
from biotl.config import parse
from biotl.errors import RecordError
from biotl.models import registry as models
from biotl.recipes import registry
from biotl.records import ecg, kinds, read
from biotl.records.write import write_wfdb

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
WAYS = dict(re.findall(r"^## (A \w+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def code(way, language="python"):
    (block,) = re.findall(rf"```{language}\n(.*?)```", WAYS[way], re.DOTALL)
    return block


def module(name, way):
    made = types.ModuleType(name)
    exec(compile(code(way), name, "exec"), made.__dict__)
    return made


@pytest.mark.parametrize("way", ["A recipe", "A reader", "A filter", "A model"])
def test_each_way_is_told_in_under_sixty_lines(way):
    assert len(WAYS[way].splitlines()) < 60


def test_the_recipe_goes_from_files_to_a_model(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "noise", module("noise", "A recipe"))
    monkeypatch.setitem(registry.RECIPES, "noise", "noise")
    (tmp_path / "noise.yaml").write_text(code("A recipe", "yaml"))
    rows = []
    for k in range(12):
        record = ecg(0, k, duration_s=20.0, fs=125.0, noise=20.0 if k % 2 else 0.0)
        write_wfdb(record, tmp_path)
        rows.append({"id": record.name, "file": record.name, "subject": f"p{k}", "noise": "much" if k % 2 else "none"})
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    words = [str(tmp_path / "noise.yaml"), "--run", str(tmp_path / "run"), "--set"]
    assert main(["finetune", *words, f"data.manifest={tmp_path / 'manifest.csv'}"]) == 0
    assert "macro-F1" in capsys.readouterr().out
    assert "How well is noise found" in (tmp_path / "run" / "report.html").read_text()
    assert (tmp_path / "run" / "model.onnx").is_file()


def test_the_configuration_of_the_recipe_is_headed_by_its_command():
    text = code("A recipe", "yaml")
    assert "biotl finetune noise" in text.split("recipe:")[0]
    assert parse(text)["recipe"] == "noise"


def test_the_reader_reads_and_refuses(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "biotl.records.two", module("biotl.records.two", "A reader"))
    monkeypatch.setattr(kinds, "_MAGIC", (*kinds._MAGIC, (0, b"TWO ", "two")))
    (tmp_path / "a.two").write_text("TWO 250\n0.5\n-1\n")
    record = read(tmp_path / "a.two")
    assert (record.fs, record.channels, record.units) == (250.0, ("ECG",), ("mV",))
    np.testing.assert_array_equal(record.signal, [[0.5, -1.0]])
    (tmp_path / "b.two").write_text("TWO 250\nnothing\n")
    with pytest.raises(RecordError, match=r"b\.two"):
        read(tmp_path / "b.two")


def test_the_filters_are_data_and_keep_float32():
    module("filters", "A filter")


def test_the_model_trains_exports_and_answers(monkeypatch):
    import torch

    monkeypatch.setitem(models.MODELS, "average", module("average", "A model").Average)
    model = models.build("average", channels=("ECG", "PPG"), outputs=3)
    out = model(torch.ones(2, 2, 5))
    assert out["logits"].shape == (2, 3)
    assert set(model.groups()) == {"head"}
    assert set(model.axes) == {*model.inputs, model.output}
