"""Shared fixtures: where the real recordings lie."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))


def data_folder(name: str) -> Path:
    """Return a folder of real recordings, or skip the test by that folder's name."""
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"no {name} under {DATA}: set BIOTL_DATA")
    return folder


@pytest.fixture(scope="session")
def mitdb() -> Path:
    """Return the folder of the MIT-BIH Arrhythmia Database."""
    return data_folder("mitdb")
