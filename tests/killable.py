"""Runs that are killed: processes forked from one that has torch loaded, so that a restart costs milliseconds."""

import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["killable", "toys", "torch._dynamo", "biotl.training.trainer", "matplotlib.axes"])


def run(folder, environment, options):
    """Train the toy task in a process of its own; exits as the command line would."""
    import torch

    from biotl.errors import BiotlError
    from biotl.training.trainer import Trainer
    from toys import config, points_task

    sys.stderr = (Path(folder).parent / f"{Path(folder).name}.log").open("a")
    os.environ.update(environment)
    torch.set_num_threads(1)
    stages = options.pop("stages", None) or two_stages()
    task = options.pop("task", points_task)
    resume = options.pop("resume", True)
    try:
        Trainer(config(folder, *stages, **options), task(), resume=resume).fit()
    except BiotlError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        os._exit(error.exit_code)


def two_stages():
    from toys import FULL, HEAD

    # everything that has state: momentum, an average of weights, a schedule, accumulated parts, dropout and batch norm
    cosine = {"name": "cosine", "warmup_epochs": 1}
    return [HEAD | {"epochs": 3}, FULL | {"epochs": 4, "schedule": cosine, "ema": 0.9, "accumulate": 2}]


def start(folder, environment=None, **options):
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))  # the server preloads from nowhere else
    process = CONTEXT.Process(target=run, args=(str(folder), environment or {}, options))
    process.start()
    return process


def finish(process, timeout=60):
    process.join(timeout)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError
    return process.exitcode


def kill_often(folder, kills, *, check, seed=0, **options):
    """Run from the start again and again, killed over and over, until so many kills are done; return the folders."""
    rng = random.Random(seed)
    folders, deaths = [], 0
    while deaths < kills:
        folders.append(folder / f"run{len(folders)}")
        code = None
        while code != 0:
            before = newest(folders[-1])
            process = start(folders[-1], save_every_s=0.0, **options)
            if deaths < kills:
                # one in three dies as it starts; the others at any moment after a step forward, or there were no end
                if rng.random() > 1 / 3:
                    while newest(folders[-1]) == before and process.exitcode is None:
                        time.sleep(0.002)
                time.sleep(rng.uniform(0.0, 0.15))
                if process.exitcode is None:
                    os.kill(process.pid, signal.SIGKILL)
            code = finish(process)
            if code not in {0, -signal.SIGKILL}:
                raise AssertionError((folders[-1].parent / f"{folders[-1].name}.log").read_text())
            deaths += code != 0
            check(folders[-1])
    return folders, deaths


def newest(folder):
    return max(folder.glob("checkpoints/last-*.safetensors"), default=None)


def until(ready, seconds=30):
    """Wait until something is so, or time is up."""
    deadline = time.monotonic() + seconds
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.01)
