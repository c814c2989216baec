"""Two runs in one folder: the second is refused while the first is alive, and not a moment longer."""

import os
import subprocess
import sys

import pytest

from biotl.cli import main
from biotl.errors import ConfigError
from biotl.training.lock import holder, lock, locked
from biotl.training.trainer import Trainer
from toys import HEAD, config, points_task

HOLD = """
import sys
from pathlib import Path
from biotl.training.lock import lock
held = lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_is_kept_out_until_the_first_is_gone(tmp_path):
    pytest.importorskip("fcntl")
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=rf"process {other.pid} runs in this folder"):
            Trainer(config(tmp_path, HEAD), points_task())
        other.kill()  # however it ends
    Trainer(config(tmp_path, HEAD), points_task()).fit()


@pytest.mark.parametrize("command", ["split", "prep", "doctor"])
def test_what_writes_into_the_folder_of_a_run_under_way_is_refused(command, tmp_path, capsys):
    pytest.importorskip("fcntl")
    (tmp_path / "a.csv").write_text("t_s,ECG\n" + "".join(f"{k / 100},{k % 7}\n" for k in range(3000)))
    parts = "".join(f"{part},a.csv,{part},{part},{part}\n" for part in ("train", "validation", "test"))
    (tmp_path / "m.csv").write_text(f"id,file,subject,split,c\n{parts}")
    run, own = tmp_path / "run", ["--set", f"data.manifest={tmp_path / 'm.csv'}", "--set", "data.column=c"]
    words = [sys.executable, "-c", HOLD, str(run)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        assert main([command, "window_class", "--run", str(run), *own]) in {1, 2}  # the doctor tells of it
        said = capsys.readouterr()
        assert f"process {other.pid} runs in this folder; wait for it" in said.out + said.err
        assert [path.name for path in run.iterdir()] == [".lock"]
        other.kill()
    assert main([command, "window_class", "--run", str(run), *own]) == (1 if command == "doctor" else 0)  # twins


def test_parts_are_prepared_side_by_side_and_not_beside_a_run(tmp_path):
    pytest.importorskip("fcntl")
    words = [sys.executable, "-c", HOLD.replace("(sys.argv[1])", "(sys.argv[1]), shared=True"), str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with locked(tmp_path, shared=True):
            pass
        with pytest.raises(ConfigError, match="runs in this folder"), locked(tmp_path):
            pass
        other.kill()


def test_who_holds_a_folder_is_told_without_a_trace(tmp_path):
    pytest.importorskip("fcntl")
    assert holder(tmp_path) == ""
    assert [*tmp_path.iterdir()] == []
    with locked(tmp_path):
        assert holder(tmp_path) == f"process {os.getpid()}"
        assert (tmp_path / ".lock").read_text() == str(os.getpid())
    assert holder(tmp_path) == ""


def test_one_process_may_hold_it_twice_and_lets_go_at_the_end(tmp_path):
    with locked(tmp_path), locked(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())
    held = lock(tmp_path)
    held.release()
    assert lock(tmp_path)._handle is not None
