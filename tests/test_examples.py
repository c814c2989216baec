"""The scripts of examples/ run as they stand: own recordings from files to predict and evaluate."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.sh"))


def commands(script):
    """The biotl commands of a script, each on one line."""
    return re.findall(r"^biotl .+$", script.read_text().replace("\\\n", " "), re.MULTILINE)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_takes_at_most_five_commands(script):
    assert 1 <= len(commands(script)) <= 5
    assert {"finetune", "predict", "evaluate"} <= {line.split()[1] for line in commands(script)}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_goes_from_files_to_predictions_and_figures(script, tmp_path):
    (tmp_path / "biotl").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m biotl "$@"\n')
    (tmp_path / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    for name in ("biotl", "python"):
        (tmp_path / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    run = subprocess.run(
        ["sh", str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500
    )
    assert run.returncode == 0, run.stderr
    folder = tmp_path / script.stem
    results = json.loads((folder / "run" / "results.json").read_text())
    assert results["schema"] == "biotl.results/1"
    assert results["split"]["claim"] == "subjects never seen"
    answers = next(folder.glob("*s.csv" if script.stem != "own_beats" else "beats.csv"))
    assert len(answers.read_text().splitlines()) > 3
    assert (folder / "run" / "report.html").is_file()
