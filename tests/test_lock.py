"""Two runs in one folder: the second is refused while the first is alive, and not a moment longer."""

import os
import subprocess
import sys

import pytest

from biotl.errors import ConfigError
from biotl.training.lock import lock, locked
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


def test_one_process_may_hold_it_twice_and_lets_go_at_the_end(tmp_path):
    with locked(tmp_path), locked(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())
    held = lock(tmp_path)
    held.release()
    assert lock(tmp_path)._handle is not None
