"""What the guide to recordings shows is taken by the code."""

import re
from pathlib import Path

from ruamel.yaml import YAML

from biotl.datasets.manifest import read_manifest
from biotl.datasets.spec_kinds import parse_spec

TEXT = (Path(__file__).parents[1] / "docs" / "data.md").read_text()


def block(language):
    return re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)[1]


def test_the_manifest_of_the_guide_is_read(tmp_path):
    (tmp_path / "m.csv").write_text(block("csv"))
    one, two = read_manifest(tmp_path / "m.csv")
    assert (one.subject, len(one.files), two.labels[0].values["quality"]) == ("ana", 2, "poor")


def test_the_spec_of_the_guide_is_taken():
    spec = parse_spec(YAML(typ="safe").load(block("yaml"))["spec"])
    assert spec.names == ("PPG", "ACC_X")


def test_the_guide_names_every_adapter():
    from biotl.datasets.adapters import ADAPTERS

    assert not [name for name in ADAPTERS if f"`{name}`" not in TEXT]
