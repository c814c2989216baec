"""Several processes: the loss curve of one, no sample twice, one writer, and a clean end where a process is lost."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from biotl.training.checkpoint import load
from biotl.training.distributed import World
from killable import finish, start, until
from toys import HEAD

MASKED = {"name": "s", "loss": "masked_mse", "metrics": "regression", "lr": 1e-2, "epochs": 3, "batch_size": 7}


def workouts_task():
    """24 sequences of different length: the last of four batches of 7 has 3, and parts have unlike numbers of steps."""
    from biotl.training.data import Task, View
    from toys import SequenceRegression, Workouts, seeded

    return Task(seeded(SequenceRegression), {"main": View(Workouts(24), Workouts(8, seed=1))})


def group(folder, size, *, wait=True, **options):
    """Start the processes of a run as torchrun would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # gloo would look up the host's name, which need not be known to any server
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo", "WORLD_SIZE": str(size)}
    ranks = [common | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(size)]
    processes = [start(folder, rank, **options) for rank in ranks]
    return [finish(process) for process in processes] if wait else processes


def rows(folder, kind):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row for row in lines if row["kind"] == kind]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone") / "run"
    assert group(folder, 1, stages=[MASKED], task=workouts_task, log_every=1) == [0]
    return folder


@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_processes_give_the_loss_curve_of_one(tmp_path, alone, accumulate):
    folder = tmp_path / "run"
    assert group(folder, 2, stages=[MASKED | {"accumulate": accumulate}], task=workouts_task, log_every=1) == [0, 0]
    curve, expected = ([row["loss"] for row in rows(f, "update")] for f in (folder, alone))
    assert len(curve) == 12
    np.testing.assert_allclose(curve, expected, atol=1e-5, rtol=0)  # the bar of the issue
    np.testing.assert_allclose(
        [r["mae"] for r in rows(folder, "epoch")], [r["mae"] for r in rows(alone, "epoch")], atol=1e-5
    )


def test_more_processes_than_samples_in_the_last_batch_are_no_fault(tmp_path, alone):
    folder = tmp_path / "run"
    assert group(folder, 4, stages=[MASKED | {"epochs": 1}], task=workouts_task, log_every=1) == [0] * 4
    curve = [row["loss"] for row in rows(folder, "update")]
    np.testing.assert_allclose(curve, [row["loss"] for row in rows(alone, "update")][:4], atol=1e-5, rtol=0)


def test_statistics_of_batch_norm_are_averaged_and_the_first_process_alone_writes(tmp_path):
    assert group(tmp_path / "run", 2, stages=[HEAD | {"trains": "all"}]) == [0, 0]
    assert len(rows(tmp_path / "run", "epoch")) == 2
    assert not list((tmp_path / "run" / "checkpoints").glob(".*"))
    tensors = load(tmp_path / "run" / "checkpoints" / "best-head.safetensors").part("model")
    assert all(torch.isfinite(tensor.float()).all() for tensor in tensors.values())
    assert tensors["blocks.0.1.running_var"].min() > 0


def test_a_killed_process_ends_the_run_cleanly_and_it_resumes_to_the_same_curve(tmp_path, alone):
    folder = tmp_path / "run"
    options = {"stages": [MASKED], "task": workouts_task, "log_every": 1, "save_every_s": 0.0}
    processes = group(folder, 2, wait=False, **options)
    until(lambda: list(folder.glob("checkpoints/last-*")))
    os.kill(processes[1].pid, signal.SIGKILL)
    assert finish(processes[1]) == -signal.SIGKILL
    assert finish(processes[0]) in {0, 1}  # 0 where it had done its last update
    if finish(processes[0]) == 1:
        assert "lost another process of the run; go on with --resume" in (tmp_path / "run.log").read_text()
    assert group(folder, 2, **options) == [0, 0]
    curve, expected = ([row["loss"] for row in rows(f, "update")] for f in (folder, alone))
    np.testing.assert_allclose(curve, expected, atol=1e-5, rtol=0)


def test_a_signal_to_one_process_stops_all_of_them_at_the_same_update(tmp_path):
    folder = tmp_path / "run"
    processes = group(folder, 2, wait=False, stages=[MASKED | {"epochs": 10_000}], task=workouts_task, save_every_s=0.0)
    until(lambda: list(folder.glob("checkpoints/last-*")))
    sent = time.monotonic()
    os.kill(processes[1].pid, signal.SIGTERM)
    assert [finish(process) for process in processes] == [143, 143]
    assert time.monotonic() - sent < 5
    load(max(folder.glob("checkpoints/last-*")))


def test_alone_nothing_is_summed():
    world = World()
    assert world.main
    assert world.sum_numbers([1.0], torch.device("cpu")) == [1.0]
    assert world.share({"a": 1}) == {"a": 1}
    parameter = torch.nn.Parameter(torch.ones(2))
    world.sum_gradients([parameter])
    assert parameter.grad is None


@pytest.mark.slow
def test_torchrun_itself(tmp_path):
    code = "import os, sys, killable; killable.run(sys.argv[1], {}, {})"
    (tmp_path / "main.py").write_text(code)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", str(tmp_path / "main.py")]
    subprocess.run([*command, str(tmp_path / "run")], env=environment, check=True, timeout=300)
    assert {path.name for path in Path(tmp_path / "run" / "checkpoints").glob("best-*")} == {
        "best-full.safetensors",
        "best-head.safetensors",
    }
