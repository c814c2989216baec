"""The commands around a recipe, from raw files on: on synthetic recordings that bear the names of MIT-BIH."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest

from biotl.cli import main
from biotl.datasets.de_chazal import DS1, DS2
from biotl.datasets.splits import Split
from biotl.records import ecg
from biotl.training.lock import locked
from toys import write_recipe


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A configuration file, and 44 short recordings under the names of DS1 and DS2; 100 is damaged, 103 missing."""
    folder = tmp_path_factory.mktemp("recipe")
    write_recipe(folder, names={*DS1, *DS2} - {"103"})
    (folder / "mitdb" / "100.dat").write_bytes(b"")
    return folder / "config.yaml"


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    """The folder of a finished run."""
    run = tmp_path_factory.mktemp("runs") / "run"
    assert main(["finetune", str(config), "--run", str(run), "--set", "seed=3"]) == 4
    return run


def test_finetune_goes_from_raw_files_to_a_report_and_lists_what_it_refused(finished):
    names = {path.name for path in finished.iterdir()}
    assert names >= {"model.onnx", "report.html", "model_card.md", "results.json", "predictions.csv", "metrics.jsonl"}
    assert names >= {"split.json", "store", "checkpoints", "env.json", "config.resolved.yaml"}
    assert "seed: 3" in (finished / "config.resolved.yaml").read_text()
    results = json.loads((finished / "results.json").read_text())
    assert list(results["models"]) == ["ecgbert", "majority", "RR rule", "gradient boosting"]
    assert len(results["refused"]) == 1
    assert "100" in results["refused"][0]
    assert results["split"]["claim"] == "subjects never seen"
    assert results["looks"] == 1
    page = (finished / "report.html").read_text()
    assert "de Chazal" in page
    assert "Not here: 103" in page


def test_what_is_exported_again_is_the_file_of_the_run(finished, tmp_path, capsys):
    assert main(["export", str(finished), str(tmp_path / "again.onnx"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["difference"] <= 1e-5
    # network, preprocessing, decision, figures, lineage and version: to the byte
    assert (tmp_path / "again.onnx").read_bytes() == (finished / "model.onnx").read_bytes()


def test_an_encoder_is_exported_of_a_finished_run_too(finished, tmp_path, capsys):
    assert main(["export", str(finished), str(tmp_path / "encoder.onnx"), "--embeddings"]) == 0
    from biotl.deploy.predictor import Predictor

    made = Predictor(tmp_path / "encoder.onnx").predict(ecg(5, 0, duration_s=30.0))
    assert made.value.shape == (len(made), 16)


def test_a_stage_that_did_not_train_the_output_is_not_exported(finished, tmp_path, capsys):
    assert main(["export", str(finished), str(tmp_path / "m.onnx"), "--stage", "pretrain"]) == 2
    assert "which logits depends on" in capsys.readouterr().err
    assert not (tmp_path / "m.onnx").exists()
    assert main(["export", str(finished), str(tmp_path / "e.onnx"), "--stage", "pretrain", "--embeddings"]) == 0
    assert main(["export", str(finished), str(tmp_path / "m.onnx"), "--stage", "nothing"]) == 3


def test_evaluate_gives_the_figures_of_the_run(finished, config, capsys):
    recordings = [str(config.parent / "mitdb" / name) for name in DS2 if name not in {"100", "103"}]
    assert main(["evaluate", str(finished / "model.onnx"), *recordings, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    results = json.loads((finished / "results.json").read_text())
    assert found["models"]["ecgbert"]["macro_f1"] == pytest.approx(results["models"]["ecgbert"]["macro_f1"])
    assert found["confusion"]["ecgbert"] == results["confusion"]["ecgbert"]
    assert main(["evaluate", str(finished / "model.onnx"), recordings[0]]) == 0
    assert "macro-F1" in capsys.readouterr().out


def test_evaluate_sets_a_finished_run_against_another(finished, tmp_path, capsys):
    assert (finished / "ec57.csv").read_text().splitlines()[-2].startswith("Gross,")
    assert "TRIPOD+AI" in (finished / "report.html").read_text()
    assert main(["evaluate", str(finished), "--against", str(finished), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["differences"]["macro_f1"] == {"value": 0, "low": 0, "high": 0}
    assert "not shown to differ from" in (finished / "against_run.html").read_text()
    assert main(["evaluate", str(finished), "--against", str(tmp_path)]) == 3
    assert "results: got none" in capsys.readouterr().err


def test_evaluate_counts_a_recording_once_however_it_is_spelled_and_takes_a_folder(finished, config, capsys):
    one = config.parent / "mitdb" / "200"
    assert main(["evaluate", str(finished / "model.onnx"), str(one), "--json"]) == 0
    once = json.loads(capsys.readouterr().out)
    words = [str(one), f"{one}.hea", f"{one}.dat", f"{one}.atr"]
    assert main(["evaluate", str(finished / "model.onnx"), *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["confusion"] == once["confusion"]
    assert main(["evaluate", str(finished / "model.onnx"), str(one.parent), "--json"]) == 4  # 100 is damaged
    whole = json.loads(capsys.readouterr().out)
    assert np.sum(whole["confusion"]["ecgbert"]) > np.sum(once["confusion"]["ecgbert"])
    assert any("trained on" in line for line in whole["notes"])


def test_predict_takes_a_folder_a_lead_a_unit_and_says_what_it_read(finished, tmp_path, capsys):
    from biotl.records.write import write_wfdb

    write_wfdb(ecg(5, 1, duration_s=20.0), tmp_path / "raw")
    model = str(finished / "model.onnx")
    assert main(["predict", model, str(tmp_path / "raw"), "--lead", "V1"]) == 0
    said = capsys.readouterr()
    assert "V1 of" in said.err
    assert said.out.splitlines()[0].startswith("record,path,lead,sample,time_s,label,probability")
    assert main(["predict", model, str(tmp_path / "raw" / "s001"), "--lead", "nothing"]) == 3
    assert "nothing" in capsys.readouterr().err
    x = ecg(5, 1, duration_s=20.0).signal[0]
    np.save(tmp_path / "lead.npy", x)
    np.savez(tmp_path / "lead.npz", ECG=x)
    assert main(["predict", model, str(tmp_path / "lead.npz"), "--fs", "360", "--units", "mV", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["records"][0]["beats"]


def test_inspect_says_of_a_run_folder_what_it_is(finished, config, tmp_path, capsys):
    results = json.loads((finished / "results.json").read_text())
    assert main(["inspect", str(finished), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["recipe"], found["seed"], found["state"]) == ("run", "ecgbert", 3, "finished")
    assert found["recordings"] == {
        name: len(of) for name, of in Split.from_json((finished / "split.json").read_text()).parts.items()
    }
    assert list(found["macro-F1 %"]) == list(results["models"])
    assert found["macro-F1 %"]["ecgbert"].startswith(f"{results['models']['ecgbert']['macro_f1']:.1f} (")
    assert found["files"]["model.onnx"] == (finished / "model.onnx").stat().st_size
    with locked(finished):
        code = f"from biotl.cli import main; raise SystemExit(main(['inspect', {str(finished)!r}]))"
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"state: process {os.getpid()} runs in this folder" in other.stdout
    begun = tmp_path / "run"
    begun.mkdir()
    (begun / "split.json").write_bytes((finished / "split.json").read_bytes())
    assert main(["inspect", str(begun)]) == 0
    assert "state: not trained yet" in capsys.readouterr().out
    (begun / "checkpoints").mkdir()
    (begun / "checkpoints" / "last-00000001.safetensors").touch()
    (begun / "metrics.jsonl").write_text('{"kind": "update", "stage": "pretrain", "epoch": 0}\n')
    assert main(["inspect", str(begun)]) == 0
    assert "state: 'interrupted in stage pretrain, epoch 1: go on with --resume'" in capsys.readouterr().out
    (begun / "results.json").write_text("{}")
    assert main(["inspect", str(begun)]) == 3
    assert "results.json: figures: got something else, wanted what a run writes" in capsys.readouterr().err


def test_a_run_is_not_overwritten(finished, config, capsys):
    assert main(["finetune", str(config), "--run", str(finished)]) == 2
    assert "--resume" in capsys.readouterr().err.splitlines()[-1]


def test_a_second_run_in_one_folder_is_refused_while_the_first_one_runs(config, tmp_path, capsys):
    run = tmp_path / "run"
    words = ["pretrain", str(config), "--run", str(run)]
    process = subprocess.Popen([sys.executable, "-m", "biotl", *words], stderr=subprocess.PIPE, text=True)
    try:
        while not (run / "split.json").is_file():
            time.sleep(0.02)
        assert main(words) == 2
        assert f"process {process.pid} runs in this folder" in capsys.readouterr().err
    finally:
        process.terminate()
        process.communicate(timeout=120)


def test_finetune_reads_and_hashes_each_raw_file_once(config, tmp_path, monkeypatch):
    import biotl.datasets.manifest as manifest

    prepare = sys.modules["biotl.datasets.prepare"]

    reads, hashes = Counter(), Counter()
    read, origin = manifest._read, prepare.origin

    def counted_read(path, *rest):
        reads[path.name] += 1
        return read(path, *rest)

    def counted_origin(entry, annotators):
        hashes[entry.id] += 1
        return origin(entry, annotators)

    monkeypatch.setattr(manifest, "_read", counted_read)
    monkeypatch.setattr(prepare, "origin", counted_origin)
    assert main(["finetune", str(config), "--run", str(tmp_path / "run")]) == 4
    assert set(hashes.values()) == {1}
    # and once more the six at most whose raw lead the report draws, see biotl.report.strips.RULE
    assert sum(reads.values()) - len(reads) <= 6
    assert set(reads.values()) <= {1, 2}


def test_pretrain_ends_with_a_probe_and_an_encoder_that_predicts_embeddings(config, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(["pretrain", str(config), "--run", str(run), "--json"]) == 0
    captured = capsys.readouterr()
    assert re.search(r"refused: .*100", captured.err)
    found = json.loads(captured.out)
    assert [row["stage"] for row in found["stages"]] == ["pretrain", "all"]
    names = [row["model"] for row in found["scores"]]
    assert names == ["pretrained", "random initialisation", "simple features", "majority"]
    assert (run / "report.html").is_file()
    assert json.loads((run / "results.json").read_text())["looks"] == 0
    assert main(["inspect", found["stages"][0]["checkpoint"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "checkpoint"
    assert main(["predict", str(run / "encoder.onnx"), str(config.parent / "mitdb" / "200")]) == 0
    head = capsys.readouterr().out.splitlines()[0]
    assert "e0,e1," in head


def test_prep_prepares_fits_and_goes_on_in_shares(config, tmp_path, capsys):
    run = ["--run", str(tmp_path / "run")]
    for i in (1, 2):
        assert main(["prep", str(config), *run, "--shard", f"{i}/2"]) in {0, 3, 4}
    capsys.readouterr()
    assert main(["prep", str(config), *run, "--json"]) == 4
    found = json.loads(capsys.readouterr().out)
    assert len(found["recordings"]) == 41
    assert len(found["refused"]) == 1
    assert found["fitted"]["recordings"] == 18
    assert main(["prep", str(config), *run, "--shard", "3/2"]) == 2
    assert "--shard" in capsys.readouterr().err


def test_prep_without_recordings_is_one_line(config, tmp_path, capsys):
    assert main(["prep", str(config), "--run", str(tmp_path / "run"), "--set", "data.root=nowhere"]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_split_shows_and_writes_a_split_that_shares_nobody(config, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(["split", str(config), "--run", str(run), "--json"]) == 0
    sides = json.loads(capsys.readouterr().out)["parts"]
    assert [part[0] for part in sides["validation"]] == ["114", "118", "207"]
    assert not {part[0] for part in sides["train"]} & {part[0] for part in sides["test"]}
    assert json.loads((run / "split.json").read_text())["parts"] == sides


def test_split_of_a_folder_that_holds_none_of_the_published_records_is_refused(config, tmp_path, capsys):
    from biotl.records.write import write_wfdb

    write_wfdb(ecg(0, 0, duration_s=10.0), tmp_path / "own")
    words = ["split", str(config), "--run", str(tmp_path / "run"), "--set", f"data.root={tmp_path / 'own'}"]
    assert main(words) == 2
    assert "none of its records is here" in capsys.readouterr().err


def test_doctor_checks_recordings_split_and_stages(config, tmp_path, capsys):
    words = ["doctor", str(config), "--run", str(tmp_path / "run"), "--json"]
    main(words)
    found = json.loads(capsys.readouterr().out)
    assert any("100" in finding["message"] for finding in found)
    assert main([*words, "--set", "stages[0].lr=0"]) == 1
    assert any(finding["check"] == "learning rate" for finding in json.loads(capsys.readouterr().out))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--set", "stages[0].lrr=1"], "lr"),
        (["--set", "stages[0].lr"], "key=value"),
        (["--set", "data.split.validation=[]", "--set", "nothing=1"], "nothing"),
        (["--set", "recipe=[ecgbert]"], "no recipe is called ['ecgbert']"),
        (["--set", "data.split.by=de_chasal"], "de_chasal"),
    ],
)
def test_a_configuration_that_cannot_be_is_one_short_line(config, words, says, capsys):
    assert main(["split", str(config), *words]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert len(err) < 420
    assert says in err


def test_many_complaints_are_one_line_of_three_hundred_characters_and_their_number(config, capsys):
    words = [word for k in range(60) for word in ("--set", f"unknown_key_number_{k}=1")]
    assert main(["split", str(config), *words]) == 2
    err = capsys.readouterr().err
    assert len(err) < 420
    assert re.search(r"and \d+ more", err)


@pytest.mark.parametrize("results", [None, "[]", '{"thresholds'])
def test_an_unfinished_or_damaged_run_is_not_exported(results, tmp_path, capsys):
    if results is not None:
        (tmp_path / "bundle.json").write_text(results)
    assert main(["export", str(tmp_path), str(tmp_path / "m.onnx")]) == 3
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "bundle" in err


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_a_checkpoint_and_goes_on_with_resume(number, code, config, tmp_path, capsys):
    run = tmp_path / "run"
    words = ["pretrain", str(config), "--run", str(run), "--set", "stages[0].epochs=6"]
    process = subprocess.Popen([sys.executable, "-m", "biotl", *words], stderr=subprocess.PIPE, text=True)
    while not list(run.glob("checkpoints/last-*.safetensors")):
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == code
    assert "Traceback" not in errors
    assert "--resume" in errors.splitlines()[-1]
    capsys.readouterr()
    assert main([*words, "--resume", "--json"]) == 0
    assert [row["stage"] for row in json.loads(capsys.readouterr().out)["stages"]] == ["pretrain", "all"]


@pytest.mark.parametrize(
    ("setting", "code", "says"),
    [("data.root=nowhere", 3, "biotl fetch mitdb"), ("data.split.validation=[]", 2, "no validation recording")],
)
def test_a_part_without_recordings_is_refused_with_what_to_do(config, setting, code, says, tmp_path, capsys):
    assert main(["finetune", str(config), "--run", str(tmp_path / "run"), "--set", setting]) == code
    assert says in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("command", "lacks"), [("finetune", "test"), ("finetune", "validation"), ("pretrain", "validation")]
)
def test_a_split_without_a_part_is_refused_before_a_recording_is_read(command, lacks, tmp_path, capsys):
    parts = [part for part in ("train", "validation", "test") if part != lacks]
    rows = "".join(f"r{k},{k}.csv,p{k},{part},a\n" for k, part in enumerate(parts))  # none of these files is there
    (tmp_path / "m.csv").write_text(f"id,file,subject,split,c\n{rows}")
    words = ["window_class", "--set", f"data.manifest={tmp_path / 'm.csv'}", "--set", "data.column=c"]
    assert main([command, *words, "--run", str(tmp_path / "run")]) == 2
    assert f"no {lacks} recording is left: the split (by the column" in capsys.readouterr().err
    assert not (tmp_path / "run" / "store").exists()


def test_labels_of_stretches_shorter_than_a_window_are_refused_before_training(tmp_path, capsys):
    time_s = np.arange(3000) / 100
    for k in range(6):
        np.savetxt(tmp_path / f"{k}.csv", np.c_[time_s, ecg(0, k, duration_s=30.0, fs=100.0).signal[0]], delimiter=",",
                   header="time (s),ECG (mV)", comments="")  # fmt: skip
    part = ["train", "train", "validation", "validation", "test", "test"]
    rows = [f"r{k},{k}.csv,p{k},{part[k]},{s},{s + 1},{'ab'[s % 2]}" for k in range(6) for s in range(30)]
    (tmp_path / "m.csv").write_text("\n".join(["id,file,subject,split,start_s,stop_s,c", *rows]))
    words = ["window_class", "--set", f"data.manifest={tmp_path / 'm.csv'}", "--set", "data.column=c"]
    for command in ("finetune", "doctor"):
        assert main([command, *words, "--run", str(tmp_path / command)]) == (2 if command == "finetune" else 1)
        said = capsys.readouterr()
        assert "no window of the train recordings has a reference: what is stated" in said.err + said.out
