"""Training on a GPU: mixed precision, compilation, processes of their own; skipped by name where there is none."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from biotl.training.trainer import Trainer
from toys import FULL, HEAD, config, losses, points_task, stop_at

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
pytestmark = needs_gpu


@pytest.mark.parametrize("amp", ["off", "bf16", "fp16"])
def test_every_precision_trains_and_leaves_weights_of_single_precision(tmp_path, amp):
    stages = [HEAD | {"epochs": 3}, FULL | {"epochs": 6}]
    result = Trainer(config(tmp_path, *stages, device="cuda", amp=amp), points_task()).fit()
    assert next(result.model.parameters()).is_cuda
    assert {p.dtype for p in result.model.parameters()} == {torch.float32}
    assert losses(result)[-1] < losses(result)[0]
    assert np.isfinite(losses(result)).all()


def test_a_run_in_half_precision_goes_on_where_it_was_stopped(tmp_path):
    def run(folder, **options):
        settings = config(folder, FULL | {"epochs": 4}, device="cuda", amp="fp16")
        return Trainer(settings, points_task(), **options)

    whole = run(tmp_path / "whole").fit()
    stopped = run(tmp_path / "stopped", hook=stop_at("update", lambda trainer: trainer.progress.step == 5))
    with pytest.raises(Exception, match="stopped by SIGTERM"):
        stopped.fit()
    resumed = run(tmp_path / "stopped", resume=True).fit()
    for name, tensor in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], tensor)


def test_a_compiled_model_trains_as_the_plain_one(tmp_path, capsys):
    plain, fast = (
        Trainer(
            config(tmp_path / name, FULL | {"epochs": 2}, device="cuda", compile=name == "fast"), points_task()
        ).fit()
        for name in ("plain", "fast")
    )
    assert "torch.compile failed" not in capsys.readouterr().err
    assert losses(fast) == pytest.approx(losses(plain), rel=1e-2)


def test_workers_pin_their_batches(tmp_path):
    result = Trainer(config(tmp_path, FULL | {"epochs": 1}, device="cuda", workers=2), points_task()).fit()
    assert result.best["full"]


SHARED = """
import sys
from biotl.training.trainer import Trainer
from toys import FULL, config, points_task
if __name__ == "__main__":
    trainer = Trainer(config(sys.argv[1], FULL | {"epochs": 2}, device="cuda"), points_task())
    assert trainer.world.size == int(sys.argv[2])
    trainer.fit()
"""


def test_processes_on_gpus_of_their_own_end_with_one_run(tmp_path):
    count = min(2, torch.cuda.device_count())
    if count < 2:
        pytest.skip("fewer than two CUDA devices")
    script = tmp_path / "run.py"
    script.write_text(SHARED)
    words = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={count}", str(script)]
    environment = {"PYTHONPATH": str(Path(__file__).parent), "PATH": ""}
    subprocess.run([*words, str(tmp_path / "run"), str(count)], check=True, timeout=300, env=environment)
    assert (tmp_path / "run" / "checkpoints" / "best-full.safetensors").is_file()


def test_a_model_on_a_gpu_is_exported_from_it(tmp_path):
    from biotl.deploy.bundle import About, Bundle, Model
    from biotl.deploy.decision import Classes
    from biotl.deploy.export import export
    from biotl.models.registry import build

    model = build("patch_encoder_small", outputs=2, layers=1).cuda()
    bundle = Bundle(spec={}, decision=Classes(labels=("a", "b")), about=About(model=Model(name="patch_encoder_small")))
    signal = np.random.default_rng(0).normal(size=(3, 2, 1250)).astype(np.float32)
    inputs = {"signal": signal, "measured": np.ones(signal.shape, bool)}
    assert export(model, tmp_path / "m.onnx", bundle=bundle, example=inputs) <= 1e-5
    assert next(model.parameters()).is_cuda
