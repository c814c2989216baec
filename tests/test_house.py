"""The house of DESIGN: data moves one way, and torch stays above models/."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import biotl

PACKAGE = Path(biotl.__file__).parent
ABOVE_MODELS = ["errors", "config", "parallel", "signal", "records", "datasets", "scoring"]
ORDER = [*ABOVE_MODELS, "models", "training", "deploy", "report", "recipes", "cli"]
DEPLOYED = ["decision", "bundle", "prediction", "predictor", "describe", "evaluate"]
TORCH_FREE = [*ABOVE_MODELS, "report", *(f"deploy/{name}" for name in DEPLOYED)]


def imported(path: Path) -> set[str]:
    """Every absolute module name that a file imports, at any depth of the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def files(place: str) -> list[Path]:
    path = PACKAGE / place
    return sorted(path.rglob("*.py")) if path.is_dir() else [p for p in [path.with_suffix(".py")] if p.is_file()]


@pytest.mark.parametrize("package", ORDER[1:])
def test_a_package_imports_only_from_those_above_it(package):
    allowed = {*ORDER[: ORDER.index(package) + 1], "_core", "__version__"}
    for path in files(package):
        used = {name.split(".")[1] for name in imported(path) if name.startswith("biotl.")}
        assert used <= allowed, f"{path.name} reaches down to {used - allowed}"


@pytest.mark.parametrize("place", TORCH_FREE)
def test_nothing_above_models_imports_torch(place):
    for path in files(place):
        assert not {n for n in imported(path) if n.split(".")[0] == "torch"}, path


def test_only_signal_and_records_touch_the_compiled_core():
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name not in {"signal", "records"}:
            assert not {n for n in imported(path) if n.startswith("biotl._core")}, path


@pytest.mark.parametrize("module", ["biotl.signal", "biotl.records", "biotl.cli"])
def test_a_light_import_loads_no_heavy_library(module):
    heavy = ["torch", "scipy", "wfdb", "onnxruntime", "matplotlib", "sklearn", "pandas"]
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


ECGBERT_ONLY = {
    "models/ecgbert.py",
    "models/registry.py",
    "recipes/ecgbert.py",
    "recipes/registry.py",
    "recipes/convert.py",
}
"""Where ECGBERT may be named, beside `models/foreign*`, its command `convert`, and the files of sentences."""


def test_nothing_but_its_own_files_imports_or_branches_on_ecgbert():
    own = re.compile(r"models/foreign.*|cli/convert\.py|datasets/(sentences|vocabulary)\.py")
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if name in ECGBERT_ONLY or own.fullmatch(name):
            continue
        tree = ast.parse(path.read_text())
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        said = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
        ]
        named = [name for name in imported(path) if "ecgbert" in name.lower()]
        assert not named, f"{path} imports {named}"
        assert not [text for text in said if text.lower() == "ecgbert"], f"{path} branches on ECGBERT"


def test_a_recipe_file_is_short():
    sizes = {path.name: len(path.read_text().splitlines()) for path in (PACKAGE / "recipes").glob("*.py")}
    assert not {name: n for name, n in sizes.items() if n > 160}
