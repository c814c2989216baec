"""The package as it is delivered: wheel, stubs, docstrings, README and recipes agree with the code."""

import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import biotl
import biotl._core
import biotl.signal

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
MODULES = [module.name for module in pkgutil.walk_packages(biotl.__path__, "biotl.") if "__main__" not in module.name]


def shell_lines(text: str) -> list[str]:
    """The lines of the README's indented or fenced shell blocks that call `biotl`."""
    return re.findall(r"^\s*(biotl .+?)\s*(?:#.*)?$", text, re.MULTILINE)


def test_the_extension_is_an_abi3_one():
    assert ".abi3." in Path(biotl._core.__file__).name


def test_the_readme_holds_the_two_commands():
    assert "\npip install '.[train]' && biotl demo\n" in README
    assert "\npip install '.[test]' && pytest\n" in README


@pytest.mark.parametrize("command", sorted({line.split()[1] for line in shell_lines(README)} - {"--help"}))
def test_every_command_of_the_readme_exists(command):
    run = subprocess.run([sys.executable, "-m", "biotl", command, "--help"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_give_what_they_say(name, request):
    module = importlib.import_module(name)
    known = {"np": importlib.import_module("numpy"), "getfixture": request.getfixturevalue}
    result = doctest.testmod(module, extraglobs=known)
    assert result.failed == 0


@pytest.mark.parametrize("name", sorted(biotl.signal.__all__))
def test_every_signal_function_shows_a_runnable_example(name):
    item = getattr(biotl.signal, name)
    if inspect.isfunction(item):
        assert ">>>" in (item.__doc__ or "")


def test_the_stub_matches_the_binary():
    run = subprocess.run([sys.executable, "-m", "mypy.stubtest", "biotl._core"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
