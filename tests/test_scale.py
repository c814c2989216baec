"""As many recordings as BUT PPG 2 has, on a machine that allows 256 open files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_3888_recordings_are_prepared_reopened_and_trained_on_with_256_open_files_and_flat_memory(tmp_path):
    run = [sys.executable, str(Path(__file__).with_name("many.py")), str(tmp_path), "3888"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [*sys.path, str(Path(__file__).parent)]))}
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False, timeout=560)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["recordings"] == sum(found["samples"].values()) == 3888
    assert found["refused"] == 0
    assert found["open_files"] < 128
    assert found["macro_f1"] > 0.95
    # the store holds 31 MB: what grows with the number of recordings is their names
    assert max(found["preparing"]) - found["preparing"][0] < 16
    assert max(found["training"][1:]) - found["training"][0] < 32
