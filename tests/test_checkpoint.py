"""Checkpoints: whole or not at all, and the one before stays whole whatever happens to the next."""

import errno
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from biotl.errors import ConfigError, RecordError, TrainingError
from biotl.records.atomic import write_bytes
from biotl.training.checkpoint import Checkpoint, Store, digest, load, save
from biotl.training.data import Task, View
from biotl.training.trainer import Trainer
from toys import HEAD, Net, Points, config, points_task, seeded

TENSORS = {
    "model.a": torch.arange(6.0).reshape(2, 3),
    "model.half": torch.ones(3, dtype=torch.bfloat16),
    "model.count": torch.tensor(7),
    "best.a": torch.full((2, 3), -0.0),
    "best.empty": torch.zeros(0, 4),
}
STATE = {"config": {"seed": 1}, "history": [{"loss": 0.1 + 0.2}], "score": float("-inf")}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "one.safetensors"
    save(path, Checkpoint(TENSORS, STATE))
    return path


def test_a_checkpoint_comes_back_bit_by_bit(path):
    found = load(path)
    assert found.state == STATE
    assert digest(found.tensors) == digest(TENSORS)
    assert set(found.part("best")) == {"a", "empty"}


def test_any_reader_of_safetensors_opens_it(path):
    with safe_open(path, framework="np") as file:
        assert set(file.keys()) == set(TENSORS)
        assert json.loads(file.metadata()["state"])["config"] == {"seed": 1}


def test_the_digest_sees_names_types_shapes_and_every_bit():
    base = {"a": torch.zeros(4)}
    others = [
        {"b": torch.zeros(4)},
        {"a": torch.zeros(4, dtype=torch.int32)},
        {"a": torch.zeros(2, 2)},
        {"a": -torch.zeros(4)},
    ]
    assert len({digest(tensors) for tensors in [base, *others]}) == 5


@pytest.mark.parametrize("cut", [1, 8, 100, "header", "empty"])
def test_a_truncated_checkpoint_is_detected(path, cut):
    data = path.read_bytes()
    path.write_bytes(b"" if cut == "empty" else data[:20] if cut == "header" else data[:-cut])
    with pytest.raises(RecordError, match=r"one\.safetensors: contents: got .*, wanted a whole checkpoint"):
        load(path)


def test_a_flipped_bit_is_detected_in_tensors_and_in_state(path):
    data = path.read_bytes()
    for place in (len(data) - 1, data.index(b"seed")):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(RecordError, match=r"sha256|contents"):
            load(path)


def test_a_damaged_name_in_the_header_is_detected(path):
    data = path.read_bytes()
    for name in (b'"state"', b'"sha256"', b'"format"'):
        path.write_bytes(data.replace(name, name.upper()))
        with pytest.raises(RecordError, match=r"sha256|format"):
            load(path)


def test_tied_weights_are_trained_kept_and_resumed(tmp_path):
    class Tied(Net):
        def __init__(self):
            super().__init__(n_features=8, n_classes=8)
            self.head.weight = self.stem.weight

    def trainer(**how):
        view = View(Points(48, 8, 8), Points(24, 8, 8, seed=1))
        return Trainer(config(tmp_path / "run", HEAD), Task(seeded(Tied), {"main": view}), **how)

    trained = trainer().fit().model
    assert not torch.equal(trained.stem.weight, seeded(Tied).stem.weight)
    assert torch.equal(trainer(resume=True).fit().model.head.weight, trained.stem.weight)


def test_a_missing_file_and_another_program_s_file_are_named(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(RecordError, match=r"none\.safetensors: contents: got"):
        load(tmp_path / "none.safetensors")
    save_file({"w": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(
        RecordError, match=r"format: got None, wanted biotl-1; weights of another program come in through"
    ):
        load(tmp_path / "other.safetensors")


def test_the_last_two_stay_and_a_damaged_one_is_passed_over(tmp_path):
    store = Store(tmp_path / "checkpoints")
    store.open()
    for number in range(4):
        store.save_last(Checkpoint(TENSORS, {"number": number}))
    assert [path.name for path in store.lasts()] == ["last-00000003.safetensors", "last-00000002.safetensors"]
    store.lasts()[0].write_bytes(b"damage")
    with pytest.warns(RuntimeWarning, match="trying the checkpoint before it"):
        assert store.newest().state == {"number": 2}
    store.save_last(Checkpoint(TENSORS, {"number": 3}))
    assert store.newest().state == {"number": 3}


def test_all_damaged_is_an_error_and_none_is_none(tmp_path):
    store = Store(tmp_path)
    assert store.newest() is None
    store.save_last(Checkpoint(TENSORS))
    store.lasts()[0].write_bytes(b"damage")
    for _ in range(2):  # asked again, it is no run that begins
        with pytest.warns(RuntimeWarning), pytest.raises(RecordError, match="last-00000000"):
            store.newest()


def test_what_an_interrupted_write_left_is_cleared(tmp_path):
    (tmp_path / ".last-00000001.safetensors.99.tmp").write_bytes(b"half")
    Store(tmp_path).open()
    assert not list(tmp_path.iterdir())


def test_file_and_folder_reach_the_disk_before_a_save_returns(tmp_path, monkeypatch):
    synced, real = [], os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda number: synced.append(stat.S_ISDIR(os.fstat(number).st_mode)) or real(number)
    )
    save(tmp_path / "one.safetensors", Checkpoint(TENSORS))
    assert synced == [False, True]


def shrunken(limit):
    """Limit the size of files, as a full disk would; the process ignores the signal that comes with it."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def test_a_file_that_may_not_grow_leaves_the_previous_checkpoint_whole(path):
    before = path.read_bytes()
    try:
        shrunken(1000)
        with pytest.raises(
            TrainingError, match=r"one\.safetensors: cannot be written \(\d+ bytes\): File too large; what stood"
        ):
            save(path, Checkpoint({"model.a": torch.zeros(10_000)}))
    finally:
        shrunken(resource.RLIM_INFINITY)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_is_a_clear_error_and_the_run_resumes_when_there_is_room(tmp_path, monkeypatch):
    full = iter([False] * 2 + [True])
    real = os.fsync

    def fsync(number):
        if (
            not stat.S_ISDIR(os.fstat(number).st_mode)
            and "last" in str(Path(f"/proc/self/fd/{number}").readlink())
            and next(full)
        ):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    stage = HEAD | {"epochs": 4}
    with pytest.raises(
        TrainingError, match=r"cannot be written .* No space left on device; what stood there before is intact"
    ):
        Trainer(config(tmp_path / "run", stage), points_task()).fit()
    monkeypatch.setattr(os, "fsync", real)
    resumed = Trainer(config(tmp_path / "run", stage), points_task(), resume=True)
    assert resumed.progress.epoch == 2
    assert not list(tmp_path.glob("run/checkpoints/.*"))
    whole = Trainer(config(tmp_path / "whole", stage), points_task()).fit().model.state_dict()
    assert digest(resumed.fit().model.state_dict()) == digest(whole)


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*v\.json"):
        write_bytes(tmp_path / "v.json", b"words")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
def test_a_small_disk_that_is_really_full_and_then_really_read_only(tmp_path):
    mount = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        f"mount -t tmpfs -o size=128k none {tmp_path} && exec '{sys.executable}' - {tmp_path}",
    ]
    code = """
import os, sys, torch
from pathlib import Path
from biotl.errors import TrainingError
from biotl.training.checkpoint import Checkpoint, Store
store = Store(Path(sys.argv[1]))
store.save_last(Checkpoint({"a": torch.ones(16_000)}, {"number": 0}))
for size, prepare in ((20_000, "true"), (10, f"mount -o remount,ro {sys.argv[1]}")):
    os.system(prepare)
    try:
        store.save_last(Checkpoint({"a": torch.ones(size)}))
    except TrainingError as error:
        print(error, store.newest().state, [path.name for path in store.folder.iterdir()])
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = subprocess.run(mount, input=code, capture_output=True, text=True, env=environment, check=False)
    if "permitted" in run.stderr or "denied" in run.stderr:
        pytest.skip("mounting is not permitted here")
    assert "No space left on device; what stood there before is intact" in run.stdout
    assert "Read-only file system; what stood there before is intact" in run.stdout
    assert run.stdout.count("{'number': 0} ['last-00000000.safetensors']") == 2


@pytest.mark.skipif(not Path("/proc/version").exists() or os.geteuid() == 0, reason="root writes anywhere")
def test_a_read_only_folder_is_a_clear_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(TrainingError, match="cannot be written: Permission denied; choose another run folder"):
        Trainer(config(tmp_path / "run", HEAD), points_task())
    tmp_path.chmod(0o700)


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(TrainingError, match="cannot be written: Not a directory; choose another run folder"):
        Trainer(config(tmp_path / "run", HEAD), points_task())


def test_a_folder_that_becomes_read_only_leaves_the_previous_checkpoint_whole(path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    before = path.read_bytes()
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(TrainingError, match="Read-only file system; what stood there before is intact"):
        save(path, Checkpoint({"model.a": torch.zeros(1)}))
    monkeypatch.undo()
    assert path.read_bytes() == before


# What comes from a checkpoint into a model


def begun(tmp_path, tensors, **changes):
    source = tmp_path / "source.safetensors"
    save(source, Checkpoint({f"model.{name}": tensor for name, tensor in tensors.items()}))
    stage = HEAD | {"init": str(source), "epochs": 1} | changes
    trainer = Trainer(config(tmp_path / "run", stage), points_task(seeded(Net, seed=5)))
    return trainer, trainer.fit()


def test_weights_of_another_run_come_in_by_name(tmp_path):
    source = seeded(Net, seed=1)
    _, result = begun(tmp_path, source.state_dict())
    assert torch.equal(result.model.stem.weight, source.stem.weight)


def test_weights_that_are_not_all_there_are_refused_and_named(tmp_path):
    some = {name: tensor for name, tensor in seeded(Net).state_dict().items() if not name.startswith("head")}
    with pytest.raises(ConfigError, match=r"head\.(weight|bias)"):
        begun(tmp_path, some)


def test_a_share_that_is_enough_is_taken_and_reported(tmp_path, capsys):
    some = {name: tensor for name, tensor in seeded(Net, seed=1).state_dict().items() if not name.startswith("head")}
    trainer, _ = begun(tmp_path, some, min_share=0.8)
    assert trainer.progress.lineage[0]["transfer"]["missing"] == ("head.weight", "head.bias")
    assert "source.safetensors: " in capsys.readouterr().err


def test_no_tensor_at_all_is_refused_whatever_share_was_asked(tmp_path):
    wrapped = {f"encoder.{name}": tensor for name, tensor in seeded(Net).state_dict().items()}
    with pytest.raises(ConfigError, match=r"got 0\.0 %"):
        begun(tmp_path, wrapped, min_share=1e-9)
