"""Resuming: whatever ends a run, and wherever, the final weights are the same bits as of the run that nothing ended."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from biotl.training.checkpoint import load
from biotl.training.progress import StoppedError
from biotl.training.trainer import Trainer
from killable import finish, kill_often, newest, start, two_stages, until
from toys import FULL, HEAD, Jittered, Net, config, points_task, seeded, stop_at


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    assert finish(start(folder)) == 0
    return final(folder), (folder / "metrics.jsonl").read_text()


def final(folder):
    """Return all final weights: the best of both stages, and where the last stage ended."""
    checkpoints = folder / "checkpoints"
    files = [
        checkpoints / "best-head.safetensors",
        checkpoints / "best-full.safetensors",
        max(checkpoints.glob("last-*")),
    ]
    return [load(path).tensors for path in files]


def same(a, b):
    return all(
        x.keys() == y.keys() and all(torch.equal(x[name], y[name]) for name in x) for x, y in zip(a, b, strict=True)
    )


def loadable(folder):
    for path in folder.glob("checkpoints/*.safetensors"):
        load(path)


@pytest.mark.parametrize(("kills", "workers"), [(6, 0), (2, 2), pytest.param(200, 0, marks=pytest.mark.slow)])
def test_kill_9_at_any_moment_leaves_whole_checkpoints_and_changes_no_bit(tmp_path, uninterrupted, kills, workers):
    folders, deaths = kill_often(tmp_path, kills, seed=kills, check=loadable, workers=workers)
    assert deaths >= kills
    different = [folder for folder in folders if not same(final(folder), uninterrupted[0])]
    assert different == []
    print(f"{deaths} kills over {len(folders)} runs: every checkpoint loadable, 0 runs differ in a bit")


def test_a_run_stopped_after_every_update_ends_in_the_same_bits_and_the_same_log(tmp_path, uninterrupted):
    torch.set_num_threads(1)
    codes = []
    while codes[-1:] != [0]:
        settings = config(tmp_path / "run", *two_stages())
        trainer = Trainer(settings, points_task(), resume=bool(codes), hook=stop_at("update"))
        try:
            trainer.fit()
            codes.append(0)
        except StoppedError as error:
            codes.append(error.exit_code)
    assert codes == [143] * 21 + [0]
    assert same(final(tmp_path / "run"), uninterrupted[0])
    shorn = [[row.split('"samples_per_s"')[0] for row in text.splitlines()] for text in (
        uninterrupted[1], (tmp_path / "run" / "metrics.jsonl").read_text()
    )]  # fmt: skip
    assert shorn[0] == shorn[1]


def test_a_group_that_had_its_gradient_is_not_asked_for_it_again(tmp_path):
    class LayerDrop(Net):
        def forward(self, x):
            x = self.stem(x)
            return {"logits": self.head(self.blocks[0](x) if torch.rand(()) < 0.5 or not self.training else x)}

    def run(folder, *, stopped=False, resume=False):
        stage = HEAD | {"trains": ["stem", "blocks[0]", "head"], "epochs": 3}
        settings, hook = config(folder, stage, seed=1, workers=0), stop_at("update" if stopped else "never")
        trainer = Trainer(settings, points_task(seeded(LayerDrop)), resume=resume, hook=hook)
        return trainer.fit().model.state_dict()

    for update in range(9):
        with pytest.raises(StoppedError):
            run(tmp_path / "stopped", stopped=True, resume=update > 0)
    ended, whole = run(tmp_path / "stopped", resume=True), run(tmp_path / "whole")
    assert all(torch.equal(ended[name], whole[name]) for name in whole)


ORPHANS = """
import multiprocessing, sys
from biotl.training.trainer import Trainer
from toys import HEAD, config, points_task, stop_at
if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[2])
    stage = HEAD | {"batch_size": 1, "epochs": 100_000}
    Trainer(config(sys.argv[1], stage, workers=2, threads=1, save_every_s=0.0), points_task()).fit()
"""


def alive(session):
    """Return the commands of the processes of a session that have not ended."""
    commands = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it may end as it is looked at
            state, _, _, of = stat.read_text().rpartition(")")[2].split()[:4]
            if int(of) == session and state != "Z":
                commands.append((stat.parent / "cmdline").read_text().replace("\0", " "))
    return commands


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are counted in /proc")
@pytest.mark.parametrize("method", ["fork", "forkserver", pytest.param("spawn", marks=pytest.mark.slow)])
def test_kill_9_leaves_no_loader_process_behind(tmp_path, method):
    (tmp_path / "main.py").write_text(ORPHANS)
    command = [sys.executable, str(tmp_path / "main.py"), str(tmp_path / "run"), method]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stderr=log, start_new_session=True)
    until(lambda: newest(tmp_path / "run") or process.poll() is not None, 120)  # a worker has served a batch
    before = alive(process.pid)
    process.kill()
    process.wait()
    assert len(before) >= 3, (before, (tmp_path / "log").read_text())  # the trainer and two workers
    until(lambda: not alive(process.pid), 60)  # one that is being started has to import torch first
    assert alive(process.pid) == []


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_signal_leaves_a_clean_checkpoint_within_5_seconds(tmp_path, signum, code, workers):
    folder = tmp_path / "run"
    process = start(folder, stages=[HEAD | {"epochs": 100_000}], workers=workers)
    until(lambda: newest(folder))
    time.sleep(random.Random(code + workers).uniform(0.02, 0.2))
    sent = time.monotonic()
    os.kill(process.pid, signum)
    assert finish(process) == code
    assert time.monotonic() - sent < 5
    loadable(folder)
    assert "after a clean checkpoint; go on with --resume" in (tmp_path / "run.log").read_text()


def test_a_signal_is_heard_while_the_data_are_looked_at_and_after_the_last_validation(tmp_path):
    class Signalling(Jittered):
        asked = 0

        def __getitem__(self, index):
            self.asked += 1
            trainer.stop()
            return super().__getitem__(index) | {"x": np.arange(16, dtype=np.float32) + index}

    data = Signalling()
    trainer = Trainer(config(tmp_path / "a", HEAD), points_task(seeded(Net, 16), train=data))
    with pytest.raises(StoppedError):
        trainer.fit()
    assert data.asked == 1
    hook = stop_at("keep", lambda trainer: trainer.progress.epoch == 2)
    trainer = Trainer(config(tmp_path / "b", HEAD), points_task(), hook=hook)
    with pytest.raises(StoppedError):
        trainer.fit()
    Trainer(config(tmp_path / "b", HEAD), points_task(), resume=True).fit()


def test_a_signal_during_validation_resumes_before_that_validation(tmp_path, uninterrupted):
    torch.set_num_threads(1)
    hook = stop_at("validate", lambda trainer: (trainer.progress.stage, trainer.progress.epoch) == (1, 2))
    trainer = Trainer(config(tmp_path / "run", *two_stages()), points_task(), hook=hook)
    with pytest.raises(StoppedError):
        trainer.fit()
    assert (trainer.progress.epoch, trainer.progress.update) == (2, trainer.per_epoch)
    Trainer(config(tmp_path / "run", *two_stages()), points_task(), resume=True).fit()
    assert same(final(tmp_path / "run"), uninterrupted[0])


def test_a_run_goes_on_with_another_number_of_workers(tmp_path, uninterrupted):
    torch.set_num_threads(1)
    trainer = Trainer(config(tmp_path / "run", *two_stages(), workers=2), points_task(), hook=stop_at("keep"))
    with pytest.raises(StoppedError):
        trainer.fit()
    Trainer(config(tmp_path / "run", *two_stages()), points_task(), resume=True).fit()
    assert same(final(tmp_path / "run")[1:], uninterrupted[0][1:])


def test_a_truncated_checkpoint_is_passed_over_with_a_warning(tmp_path, uninterrupted):
    torch.set_num_threads(1)
    folder = tmp_path / "run"
    hook = stop_at("update", lambda trainer: trainer.progress.step == 14)
    trainer = Trainer(config(folder, *two_stages(), save_every_s=0.0), points_task(), hook=hook)
    with pytest.raises(StoppedError):
        trainer.fit()
    newest = max(folder.glob("checkpoints/last-*"))
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.warns(RuntimeWarning, match=r"last-\d+\.safetensors: contents: .* trying the checkpoint before it"):
        trainer = Trainer(config(folder, *two_stages()), points_task(), resume=True)
    trainer.fit()
    assert same(final(folder), uninterrupted[0])


def test_resuming_what_is_done_gives_the_result_again(tmp_path):
    first = Trainer(config(tmp_path), points_task()).fit()
    weights = {name: tensor.clone() for name, tensor in first.model.state_dict().items()}
    again = Trainer(config(tmp_path), points_task(), resume=True).fit()
    assert same([weights], [again.model.state_dict()])
    assert str(again.best) == str(first.best)  # as text, for NaN is not NaN


def test_resuming_nothing_begins(tmp_path):
    assert Trainer(config(tmp_path, FULL | {"epochs": 1}), points_task(), resume=True).fit().best
