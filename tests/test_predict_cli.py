"""`biotl predict` and `biotl stream`: tables, files that other tools open, pictures, a pipe, a file that grows."""

import csv
import io
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from biotl.cli import main
from biotl.cli.predict import _marks
from biotl.deploy.feed import Text
from biotl.deploy.predictor import Predictor
from biotl.errors import ConfigError, RecordError
from biotl.records import Record, ecg, read
from biotl.records.write import write_wfdb


@pytest.fixture(scope="module")
def folder(tmp_path_factory, models):
    """A model of beats and one of windows, and a recording that has a gap and a flat stretch."""
    made = tmp_path_factory.mktemp("cli")
    record = ecg(3, 1, duration_s=100.0, fs=250.0)
    x = record.signal[:1].copy()
    x[0, 5000:7500] = np.nan
    x[0, 12_500:17_500] = 0.1
    write_wfdb(Record("r1", x, 250.0, ("II",), ("mV",), "p"), made)
    for config in ("ecgbert_mitbih", "spiking_without_beats"):
        (made / f"{config}.onnx").write_bytes(models(config).read_bytes())
    return made


def said(capsys, *words, code=0):
    assert main([str(word) for word in words]) == code
    return capsys.readouterr().out


def test_answers_come_as_csv_as_a_table_and_as_runs(folder, capsys):
    beats, windows = folder / "ecgbert_mitbih.onnx", folder / "spiking_without_beats.onnx"
    rows = list(csv.DictReader(io.StringIO(said(capsys, "predict", windows, folder / "r1"))))
    assert [float(row["time_s"]) for row in rows] == [0, 10, *range(30, 100, 10)]
    assert {row["abstained"] for row in rows if 50 <= float(row["time_s"]) < 70} == {"II: flat"}
    answered = [row for row in rows if row["label"]]
    assert all(float(row["p_normal"]) + float(row["p_abnormal"]) == pytest.approx(1, abs=1e-3) for row in answered)
    table = said(capsys, "predict", windows, folder / "r1", "--table").splitlines()
    assert len(table) == len(rows) + 1
    assert len({line.index("II") for line in table[1:]}) == 1
    runs = list(csv.DictReader(io.StringIO(said(capsys, "predict", beats, folder / "r1", "--events"))))
    found = Predictor(beats).predict(read(folder / "r1"))
    assert sum(int(row["units"]) for row in runs) == len(found)
    assert all(a["label"] != b["label"] or float(b["start_s"]) - float(a["stop_s"]) > 3
               for a, b in itertools.pairwise(runs))  # fmt: skip
    tree = json.loads(said(capsys, "predict", windows, folder / "r1", "--json"))["records"][0]
    assert (tree["labels"], tree["thresholds"]) == (["normal", "abnormal"], [0.5, 0.5])
    assert [event["units"] for event in tree["events"]][:1] == [2]


def test_files_of_answers_are_read_by_other_tools(folder, tmp_path, capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    wfdb = pytest.importorskip("wfdb")
    model = folder / "ecgbert_mitbih.onnx"
    printed = list(csv.DictReader(io.StringIO(said(capsys, "predict", model, folder / "r1"))))
    words = ["predict", model, folder / "r1", "--annotations", tmp_path, "--output"]
    assert said(capsys, *words, tmp_path / "o.csv") == ""
    assert said(capsys, *words, tmp_path / "o.parquet") == ""
    with (tmp_path / "o.csv").open() as file:
        assert list(csv.DictReader(file)) == printed
    table = parquet.read_table(tmp_path / "o.parquet")
    assert table.column_names == list(printed[0])
    assert table["sample"].to_pylist() == [int(row["sample"]) for row in printed]
    assert {str(table.schema.field(name).type) for name in ("time_s", "probability", "quality")} == {"double"}
    marks = wfdb.rdann(str(tmp_path / "r1"), "biotl")
    assert marks.fs == 250
    assert marks.sample.tolist() == table["sample"].to_pylist()
    assert marks.symbol == [row["label"] or "Q" for row in printed]


def test_a_file_that_cannot_be_written_is_refused_before_any_work(folder, tmp_path, capsys, monkeypatch):
    model = folder / "ecgbert_mitbih.onnx"
    assert main(["predict", str(model), str(folder / "r1"), "--output", str(tmp_path / "o.xls")]) == 2
    assert "o.xls, wanted a name that ends in .csv or .parquet" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr(Predictor, "predict", lambda *_: pytest.fail("work was done"))
    assert main(["predict", str(model), str(folder / "r1"), "--output", str(tmp_path / "o.parquet")]) == 5
    assert capsys.readouterr().err == "biotl: pyarrow is not installed: pip install 'biotl[parquet]'\n"
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["predict", str(model), str(folder / "r1"), "--plot", str(tmp_path)]) == 5
    assert "matplotlib is not installed: pip install 'biotl[train]'" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["predict", str(model), str(folder / "r1")]) == 0  # nobody who asks for neither needs them


@pytest.mark.parametrize("config", ["ecgbert_mitbih", "spiking_without_beats"])
def test_a_picture_shows_the_signal_and_where_the_model_abstains(config, folder, tmp_path, capsys):
    image = pytest.importorskip("matplotlib.image")
    said(capsys, "predict", folder / f"{config}.onnx", folder / "r1", "--plot", tmp_path)
    pixels = image.imread(tmp_path / "r1.png")[..., :3]
    height, width = pixels.shape[:2]
    assert width > 1000
    assert height > 500
    ink = (pixels.max(axis=2) < 0.35).any(axis=1)
    assert ink.mean() > 0.2
    grey = (np.abs(pixels - np.array([0xE6, 0xEA, 0xED]) / 255).max(axis=2) < 0.02).mean()
    assert (grey > 0.1) == (config == "spiking_without_beats")  # a flat stretch holds windows, and no beats


def text_of(record):
    return "II\n" + "\n".join("" if np.isnan(v) else f"{v:.6g}" for v in record.signal[0])


def test_a_pipe_gives_the_answers_of_the_file_as_they_become_sure(folder, capsys):
    model, record = folder / "spiking_without_beats.onnx", ecg(3, 2, duration_s=60.0, fs=250.0)
    np.savez(folder / "whole.npz", signal=record.signal[:1], fs=250.0, channels=["II"], units=["mV"])
    whole = list(csv.DictReader(io.StringIO(said(capsys, "predict", model, folder / "whole.npz"))))
    words = [sys.executable, "-m", "biotl", "stream", str(model), "--fs", "250", "--units", "mV"]
    for more, data in (([], text_of(record).encode()), (["--raw", "--channels", "II"], record.signal[0].tobytes())):
        run = subprocess.run([*words, *more], input=data, capture_output=True, check=True)
        found = list(csv.DictReader(io.StringIO(run.stdout.decode())))
        assert [(row["sample"], row["label"]) for row in found] == [(row["sample"], row["label"]) for row in whole]
        assert b"heard 60.0 s; answers at most" in run.stderr
        assert b"ms of work a second of signal" in run.stderr


def test_a_growing_file_is_followed_and_a_stream_goes_on_from_its_state(folder, tmp_path, capsys):
    model, record = folder / "spiking_without_beats.onnx", ecg(3, 2, duration_s=60.0, fs=250.0)
    lines = text_of(record).split("\n")
    (tmp_path / "a.csv").write_text("\n".join(lines[:9000]) + "\n")
    (tmp_path / "b.csv").write_text("\n".join(lines[9000:]))
    words = ["stream", model, "--fs", "250", "--units", "mV", "--json", "--events", "--state", tmp_path / "s.npz"]
    parts = said(capsys, *words, tmp_path / "a.csv"), said(capsys, *words, tmp_path / "b.csv", "--last")
    events = [json.loads(line) for part in parts for line in part.splitlines()]
    assert sum(event["units"] for event in events) == 6
    assert events[-1]["stop_s"] == 60.0
    grows = tmp_path / "grows.csv"
    grows.write_text("\n".join(lines[:5000]) + "\n")

    def grow():
        time.sleep(1.0)
        with grows.open("a") as file:
            file.write("\n".join(lines[5000:]) + "\n")

    thread = threading.Thread(target=grow)
    command = [sys.executable, "-m", "biotl", *map(str, words[:6]), "--follow", str(grows)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        thread.start()
        first = [process.stdout.readline() for _ in range(3)]  # a header, and two windows that are sure
        process.terminate()
        _, err = process.communicate(timeout=60)
    thread.join()
    assert process.returncode == 143, err
    assert [line.split(",")[3] for line in first[1:]] == ["0", "2500"]
    assert "heard" in err


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("II\n0.1\n0.2,0.3\n", 3, "row 3: got 0.2,0.3, wanted 1 numbers; one row a sample"),
        ("II\n0.1\nabc\n", 3, "row 3: got abc, wanted 1 numbers"),
        ("PLETH\n0.1\n0.2\n", 3, "channels: got PLETH, wanted one of ECG"),
    ],
)
def test_rows_that_are_no_samples_are_refused_by_their_number(text, code, line, folder, tmp_path, capsys):
    (tmp_path / "x.csv").write_text(text)
    model = str(folder / "spiking_without_beats.onnx")
    assert main(["stream", model, str(tmp_path / "x.csv"), "--fs", "250", "--units", "mV"]) == code
    assert line in capsys.readouterr().err
    assert main(["stream", model, str(tmp_path / "x.csv")]) == 2
    assert "--fs: got nothing, wanted the rate of the signal in Hz" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("times", "lost", "says"),
    [
        (lambda k: f"{k / 250:.3f}", 50, ""),
        (lambda k: f"23:59:{50 + k / 250:.3f}" if k < 2500 else f"00:00:{k / 250 - 10:06.3f}", 50, ""),  # midnight
        (lambda k: f"2024-05-01T10:00:{k / 250:06.3f}", 50, ""),
        (lambda k: f"{k // 10 * 10 / 250:.3f}", 50, ""),  # a sensor that sends ten at a time
        (lambda k: f"{k / 250.5:.5f}", 50, ""),  # and whose clock is another
        (lambda k: f"{k / 500:.3f}", 0, "rows a second, wanted 250; give --fs as the times are"),
        (lambda k: f"{k / 100:.3f}", 0, "rows missing before"),
        (lambda k: f"{k / 300:.5f}", 0, "300 rows a second, wanted 250"),
        (lambda k: f"{k % 900 / 250:.3f}", 0, "sample 901: got -3.596 s after the row before, wanted times that go on"),
    ],
)  # fmt: skip
def test_times_beside_the_samples_show_gaps_and_a_rate_that_is_wrong(times, lost, says):
    keep = [k for k in range(5000) if not 1000 <= k < 1000 + lost]
    rows = Text("stdin", 250.0)
    text = "time,II (mV)\n" + "".join(f"{times(k)},{k}\n" for k in keep)
    if says:
        with pytest.raises(RecordError, match=says):
            rows.push(text.encode())
        return
    found = rows.push(text.encode())[0]
    assert (rows.channels, rows.units) == (("II",), ("mV",))
    assert abs(len(found) - 5000) <= 10
    gap = np.flatnonzero(np.isnan(found))
    assert abs(len(gap) - lost) <= 10
    assert np.array_equal(found[np.isfinite(found)], keep)


def test_answers_of_another_day_are_not_left_where_there_are_none(folder, tmp_path, capsys):
    model, flat = folder / "ecgbert_mitbih.onnx", tmp_path / "flat.csv"
    said(capsys, "predict", model, folder / "r1", "--output", tmp_path / "o.csv")
    whole = (tmp_path / "o.csv").read_text()
    (tmp_path / "noheart.biotl").write_bytes(b"of another day")
    np.savez(tmp_path / "noheart.npz", signal=np.linspace(0, 1, 5000)[None], fs=250.0, channels=["II"])
    words = "predict", model, tmp_path / "noheart.npz", "--units", "mV"
    more = "--annotations", tmp_path
    said(capsys, *words, *more, "--output", tmp_path / "o.csv")
    assert (tmp_path / "o.csv").read_text() == whole.splitlines()[0] + "\n"
    assert not (tmp_path / "noheart.biotl").exists()
    assert said(capsys, *words) == whole.splitlines()[0] + "\n"
    assert said(capsys, *words, "--events").startswith("record,path,lead,start_s,stop_s,units,label")
    flat.write_text("II (mV)\n")
    said(capsys, "predict", model, flat, "--output", tmp_path / "o.csv", code=3)
    assert not (tmp_path / "o.csv").exists()


def test_answers_of_a_signal_that_may_be_anything_are_counted(folder, tmp_path, capsys):
    noise = np.random.default_rng(0).normal(0, 0.3, (1, 15_000)).astype(np.float32)
    np.savez(tmp_path / "noise.npz", signal=noise, fs=250.0, channels=["II"], units=["mV"])
    model = folder / "spiking_without_beats.onnx"
    assert main(["predict", str(model), str(tmp_path / "noise.npz")]) == 0
    assert "; 6 answers of a signal so poor (quality below 0.1) that it may be anything" in capsys.readouterr().err
    assert main(["predict", str(model), str(folder / "r1")]) == 0
    assert "so poor" not in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_refused_before_any_work(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Predictor, "predict", lambda *_: pytest.fail("work was done"))
    (tmp_path / "file").write_text("")
    words = ["predict", str(folder / "ecgbert_mitbih.onnx"), str(folder / "r1")]
    for option, place in (("--output", "file/o.csv"), ("--annotations", "file"), ("--plot", "file/deep/er")):
        assert main([*words, option, str(tmp_path / place)]) == 2
        assert f"{option}: {tmp_path / 'file'} is a file, no folder" in capsys.readouterr().err
    (tmp_path / "o.csv").mkdir()
    assert main([*words, "--output", str(tmp_path / "o.csv")]) == 2
    assert "o.csv is a folder, wanted the name of a file" in capsys.readouterr().err
    monkeypatch.setattr("os.access", lambda path, _: Path(path) != tmp_path)
    assert main([*words, "--plot", str(tmp_path / "new")]) == 2
    assert f"--plot: {tmp_path} is closed to writing" in capsys.readouterr().err
    assert main([*words, "--json", "--output", str(tmp_path / "a.csv")]) == 2
    assert "got --json and --output, wanted one of them" in capsys.readouterr().err


def test_recordings_of_one_name_get_a_file_each(folder, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    record = read(folder / "r1")
    for who in ("Ana Ü", "ben"):
        (tmp_path / who).mkdir()
        rows = "\n".join(f"{k / 250},{v:.4f}" for k, v in enumerate(record.signal[0, :5000]))
        (tmp_path / who / "holter.csv").write_text(f"time (s),II (mV)\n{rows}\n")
    model = folder / "spiking_without_beats.onnx"
    out = tmp_path / "out"
    said(capsys, "predict", model, tmp_path, "--plot", out / "p", "--annotations", out / "a")
    assert sorted(path.name for path in (out / "p").iterdir()) == ["Ana Ü_holter.png", "ben_holter.png"]
    assert sorted(path.name for path in (out / "a").iterdir()) == ["Ana Ü_holter.biotl", "ben_holter.biotl"]


def test_a_recording_that_may_not_be_read_is_refused_by_itself(folder, tmp_path, capsys, monkeypatch):
    closed, real = tmp_path / "closed.csv", os.access
    closed.write_text("t_s,ECG\n0,1\n0.01,2\n")
    monkeypatch.setattr(
        os, "access", lambda path, *rest, **more: real(path, *rest, **more) and str(path) != str(closed)
    )
    rows = said(capsys, "predict", folder / "spiking_without_beats.onnx", closed, folder / "r1", code=4)
    assert "r1" in rows


def test_the_standard_input_is_what_stream_reads(folder, capsys, monkeypatch):
    model = folder / "spiking_without_beats.onnx"
    monkeypatch.setattr(Predictor, "predict", lambda *_: pytest.fail("work was done"))
    assert main(["predict", str(model), "-"]) == 2
    assert "of the standard input `biotl stream` reads" in capsys.readouterr().err


def test_a_class_that_wfdb_cannot_spell_is_refused_at_once():
    with pytest.raises(ConfigError, match="got the class \N{ARABIC LETTER MEEM}, wanted characters of Latin-1"):
        _marks(Path("out"), SimpleNamespace(labels=("normal", "\N{ARABIC LETTER MEEM}")))
