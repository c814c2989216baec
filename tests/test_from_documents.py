"""Every line of docs/from-the-documents.md holds: its commands run, its options load, its files are there.

A section of the guide is a document. Its commands run in the order of the rows, in a folder that ``PREPARE`` fills for
that document; its options are loaded into the configuration that its first line names.
"""

import re
import shlex
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from biotl.cli import app, main
from biotl.recipes import registry
from test_demo import few

TEXT = (Path(__file__).parents[1] / "docs" / "from-the-documents.md").read_text()
SECTIONS = dict(zip(*[iter(re.split(r"^## (.*)\n", TEXT, flags=re.MULTILINE)[1:])] * 2, strict=True))


def vitaldb(folder):
    (folder / "data" / "vitaldb").mkdir(parents=True)
    for case in range(1, 9):
        (folder / "data" / "vitaldb" / f"{case:04}.vital").touch()


PREPARE = {"vitaldb_ssl_pretraining.md": vitaldb}
"""What a document's commands find in the folder that they run in: functions of it, by the document's name."""


def spans(section, start):
    """The pieces of code on the right of a section's rows that begin so, in order."""
    rows = re.findall(r"^\|(?! the document|---)(.*)\|$", SECTIONS[section], re.MULTILINE)
    right = [re.split(r"(?<!\\)\|", row)[-1].replace("\\|", "|") for row in rows]
    return [code for cell in right for code in re.findall(r"`([^`]+)`", cell) if code.startswith(start)]


@pytest.mark.slow
@pytest.mark.parametrize("section", [name for name in SECTIONS if spans(name, "biotl ")])
def test_every_command_runs_and_leaves_the_files_that_are_named(section, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few(monkeypatch)
    PREPARE.get(section, lambda _: None)(tmp_path)
    for command in spans(section, "biotl "):
        assert main(shlex.split(command)[1:]) == 0, command
    runs = [path.parent for path in tmp_path.rglob("config.resolved.yaml")]
    missing = [name for name in spans(section, "RUN/") if not any([*run.glob(name[4:])] for run in runs)]
    assert not missing


@pytest.mark.parametrize("section", list(SECTIONS))
def test_every_option_loads(section, monkeypatch):
    monkeypatch.setenv("BIOTL_DATA", "data")
    config = re.search(r"^Recipe `(\w+)`", SECTIONS[section], re.MULTILINE)[1]
    registry.load(config, ["data.manifest=m.csv"])
    for text in spans(section, "--"):
        words = shlex.split(text)
        registry.load(config, [value for word, value in pairwise(words) if word == "--set"])
        assert {word for word in words if word.startswith("--")} <= known(), text


@cache
def known():
    """The options of all commands, as their help writes them."""
    said = (
        CliRunner().invoke(app, [command.callback.__name__, "--help"]).output for command in app.registered_commands
    )
    return {option for text in said for option in re.findall(r"--[a-z][a-z-]*", text)}
