"""Shared fixtures: where the real recordings lie."""

import os
from pathlib import Path

import pytest

# two workers share two cores: a pool of threads in each would fight over them
os.environ.setdefault("OMP_NUM_THREADS", "1")

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
