"""The page on deployment names what there is."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "deployment.md").read_text()


def test_every_file_that_the_page_names_exists():
    named = re.findall(r"`((?:examples|benches|tests)/[\w./]+)`|python (benches/\w+\.py)|(tests/\w+\.py)", TEXT)
    paths = {path for found in named for path in found if path}
    assert len(paths) >= 5
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_every_key_that_the_page_names_is_written():
    from biotl.deploy.bundle import About, Bundle, Model
    from biotl.deploy.decision import Classes, Value
    from biotl.deploy.metadata import entries
    from biotl.deploy.prevalence import Prevalence

    rows = re.findall(r"^\| (`io\.biotl\..*?) \|", TEXT, re.MULTILINE)
    named = {key.removeprefix("io.biotl.").lstrip(".") for row in rows for key in re.findall(r"`([\w.]+)`", row)}
    written = {"bundle", "deviation", "reach_s", "phase", "weights", "sha256"}
    common = Classes(labels=("a", "b"), prevalence=Prevalence(of="b", usual="a"))
    for decision in (common, Value(name="rate", unit="bpm")):
        bundle = Bundle(spec={}, decision=decision, about=About(model=Model(name="m")))
        written |= {key[9:] for key in entries(bundle, preprocess="spec", unit="window", inputs=[])}
    assert named | {"bundle"} == written


def test_the_script_is_as_long_as_the_page_says():
    lines = len((ROOT / "examples" / "foreign" / "ask.py").read_text().splitlines())
    assert f"{lines} lines" in TEXT
