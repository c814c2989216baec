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

from biotl.cli import main
from biotl.datasets.de_chazal import DS1, DS2
from biotl.training.checkpoint import load
from biotl.training.distributed import World
from killable import finish, newest, start, until
from toys import HEAD, write_recipe

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


def normed_task():
    """Batch norm over features, and over features and time."""
    from biotl.training.data import Task, View
    from toys import Net, Points, seeded

    model = seeded(Net, dropout=0.0)
    model.blocks[1][1] = torch.nn.Sequential(
        torch.nn.Unflatten(1, (4, 2)), torch.nn.BatchNorm1d(4, momentum=None, affine=False), torch.nn.Flatten()
    )
    return Task(model, {"main": View(Points(53), Points(24, seed=1))})


@pytest.mark.parametrize("accumulate", [1, 2])
def test_batch_norm_takes_its_statistics_over_the_samples_of_all_processes(tmp_path, accumulate):
    # not Adam: a bias below batch norm has a gradient of rounding errors, which Adam makes steps of full size of
    stage = HEAD | {"trains": "all", "epochs": 4, "accumulate": accumulate, "lr": 0.1, "optimizer": {"name": "sgd"}}
    for name, size in (("one", 1), ("two", 2)):
        codes = group(tmp_path / name, size, stages=[stage], task=normed_task, log_every=1)
        assert codes == [0] * size, (tmp_path / f"{name}.log").read_text()
    curve, expected = ([row["loss"] for row in rows(tmp_path / name, "update")] for name in ("two", "one"))
    np.testing.assert_allclose(curve, expected, atol=1e-5, rtol=0)
    two, one = (
        load(tmp_path / name / "checkpoints" / "best-head.safetensors").part("model") for name in ("two", "one")
    )
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-5, rtol=1e-4)


def test_the_first_process_alone_writes(tmp_path):
    assert group(tmp_path / "run", 2, stages=[HEAD]) == [0, 0]
    assert len(rows(tmp_path / "run", "epoch")) == 2
    assert not list((tmp_path / "run" / "checkpoints").glob(".*"))


def test_a_last_batch_that_leaves_a_process_nothing_for_batch_norm_is_refused(tmp_path):
    assert group(tmp_path / "run", 2, stages=[HEAD | {"trains": "all", "batch_size": 47}]) == [2, 2]
    log = (tmp_path / "run.log").read_text()
    assert "batch_size: got 47, which leaves 1 of 48 samples for 2 processes of 1 parts in the last batch" in log


def test_a_killed_process_ends_the_run_cleanly_and_it_resumes_to_the_same_bits(tmp_path, alone):
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
    assert group(tmp_path / "whole", 2, **options) == [0, 0]
    resumed, whole = (load(f / "checkpoints" / "best-s.safetensors").tensors for f in (folder, tmp_path / "whole"))
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())


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


def torchrun(folder, command, *options):
    """Start a command of two processes, as a user would."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "GLOO_SOCKET_IFNAME": "lo"}
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "--", "biotl"]
    with Path(f"{folder}.log").open("a") as log:
        return subprocess.Popen(
            [*words, command, str(folder.parent / "config.yaml"), "--run", str(folder), *options],
            env=environment,
            stdout=log,
            stderr=log,
        )


@pytest.mark.slow
def test_torchrun_finetunes_as_one_process_does_and_the_first_process_alone_writes(tmp_path):
    write_recipe(tmp_path, names={*DS1, *DS2}, dropout=0.0)
    run = torchrun(tmp_path / "two", "finetune")
    assert run.wait(300) == 0, (tmp_path / "two.log").read_text()
    assert main(["finetune", str(tmp_path / "config.yaml"), "--run", str(tmp_path / "one")]) == 0
    two, one = ([row["loss"] for row in rows(tmp_path / run, "update")] for run in ("two", "one"))
    assert len(one) == 6  # three updates of each stage
    np.testing.assert_allclose(two, one, atol=1e-5, rtol=0)
    names = [{path.name for path in (tmp_path / run).rglob("*")} for run in ("two", "one")]
    assert names[0] == names[1]
    assert (tmp_path / "two.log").read_text().count("model.onnx") == 1


@pytest.mark.slow
def test_a_killed_process_of_torchrun_ends_the_run_and_resume_goes_on(tmp_path):
    write_recipe(tmp_path, names={*DS1, *DS2}, dropout=0.0)
    options = ["--set", "stages[0].epochs=5", "--set", "engine.save_every_s=0"]
    folder = tmp_path / "run"
    agent = torchrun(folder, "pretrain", *options)
    until(lambda: newest(folder) or agent.poll() is not None, 120)
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    of_rank_1 = [pid for pid in children if b"\0RANK=1\0" in Path(f"/proc/{pid}/environ").read_bytes()]
    os.kill(int(of_rank_1[0]), signal.SIGKILL)
    killed = time.monotonic()
    assert agent.wait(60) == 1
    assert time.monotonic() - killed < 20
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    assert "lost another process of the run; go on with --resume" in Path(f"{folder}.log").read_text()
    load(newest(folder))
    assert torchrun(folder, "pretrain", *options, "--resume").wait(120) == 0
    assert torchrun(tmp_path / "whole", "pretrain", *options).wait(120) == 0
    for name in ("best-pretrain", "best-all"):
        resumed, whole = (load(f / "checkpoints" / f"{name}.safetensors").tensors for f in (folder, tmp_path / "whole"))
        assert all(torch.equal(resumed[key], tensor) for key, tensor in whole.items())
