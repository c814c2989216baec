"""Shared fixtures: where the real recordings lie."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# two workers share two cores: a pool of threads in each would fight over them
os.environ.setdefault("OMP_NUM_THREADS", "1")

# a shared machine may stop a test for longer than any deadline
settings.register_profile("biotl", deadline=None)
settings.load_profile("biotl")

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


@dataclass(frozen=True)
class Exported:
    """A small untrained ECGBERT, exported, with everything that went into the file."""

    path: Path
    model: Any
    preprocessor: Any
    bundle: Any
    example: dict[str, Any]
    difference: float


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Return an exported model whose weights are random, so that every label occurs."""
    import torch

    from biotl.datasets.kinds import make_preprocessor
    from biotl.datasets.spec_kinds import SentenceSpec
    from biotl.deploy.answer import batches
    from biotl.deploy.bundle import About, Bundle, Data, Model
    from biotl.deploy.decision import Classes
    from biotl.deploy.export import export
    from biotl.models.registry import build
    from biotl.records import ecg

    plain = make_preprocessor(SentenceSpec())
    prepared = [plain.prepare([ecg(1, subject, duration_s=90.0)]) for subject in range(2)]
    preprocessor = plain.fit(prepared, names=["s000", "s001"], seed=0)
    example = next(batches(preprocessor, prepared[0], 3))
    options = {"classes": 5, "dim": 16, "layers": 1, "heads": 2, "hidden": 16}
    torch.manual_seed(0)
    model = build("ecgbert", **options)
    bundle = Bundle(
        spec=preprocessor.spec.model_dump(mode="json"),
        state=preprocessor.state,
        decision=Classes(labels=("N", "S", "V", "F", "Q")),
        about=About(recipe="toy", model=Model(name="ecgbert", options=options), data=Data.of(prepared)),
    )
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    return Exported(path, model, preprocessor, bundle, example, export(model, path, bundle=bundle, example=example))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what gives the small exported model of a configuration, each written once."""
    folder, made = tmp_path_factory.mktemp("models"), import_module("recipe_models")
    return lambda config: made.model_of(config, folder)
