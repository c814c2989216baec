"""Shards: lazy, whole or absent, and a damaged file is named."""

import json

import numpy as np
import pytest

from biotl.datasets import SignalSpec
from biotl.datasets.recordings import load_recording, prepare_files, prepare_recording, save_recording
from biotl.datasets.shards import open_shard, write_shard
from biotl.errors import ConfigError, RecordError
from biotl.records import ecg
from biotl.records.write import write_wfdb

SPEC = SignalSpec()
ARRAYS = {"a": np.arange(12, dtype=np.float32).reshape(3, 4), "empty": np.zeros((0, 4), np.int64)}


@pytest.fixture
def folder(tmp_path):
    write_shard(tmp_path / "s", ARRAYS, spec=SPEC, subjects=("x",), meta={"record": "r"})
    return tmp_path / "s"


def test_a_shard_gives_back_what_was_written_without_reading_it(folder):
    shard = open_shard(folder, spec=SPEC)
    assert isinstance(shard.arrays["a"], np.memmap)
    assert not shard.arrays["a"].flags.writeable
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(shard.arrays[name], array)
        assert shard.arrays[name].dtype == array.dtype
    assert (shard.spec, shard.subjects, shard.meta) == (SPEC, ("x",), {"record": "r"})
    shard.verify()


def test_a_shard_of_another_spec_is_refused_by_field(folder):
    with pytest.raises(ConfigError, match=r"spec\.fs: the shard s has 360\.0, the reader has 250\.0"):
        open_shard(folder, spec=SignalSpec(fs=250))


def test_one_flipped_bit_is_found_and_its_file_named(folder):
    data = bytearray((folder / "a.npy").read_bytes())
    data[-1] ^= 1
    (folder / "a.npy").write_bytes(data)
    with pytest.raises(RecordError, match=r"a\.npy: sha256"):
        open_shard(folder).verify()


@pytest.mark.parametrize("keep", [0, 10, -1])
def test_a_truncated_file_is_found_on_opening(folder, keep):
    (folder / "a.npy").write_bytes((folder / "a.npy").read_bytes()[:keep])
    with pytest.raises(RecordError, match=r"a\.npy: bytes: got"):
        open_shard(folder)


def test_a_missing_file_and_a_missing_manifest_are_named(folder):
    (folder / "a.npy").unlink()
    with pytest.raises(RecordError, match=r"a\.npy: bytes: got no file"):
        open_shard(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(RecordError, match=r"manifest\.json: format: got no manifest"):
        open_shard(folder)


def test_a_manifest_of_another_version_is_refused(folder):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": "biotl.shard/9"}))
    with pytest.raises(RecordError, match=r"got biotl\.shard/9, wanted biotl\.shard/1"):
        open_shard(folder)


def test_a_manifest_without_its_files_is_refused(folder):
    path = folder / "manifest.json"
    whole = json.loads(path.read_text())
    del whole["files"]
    path.write_text(json.dumps(whole))
    with pytest.raises(RecordError, match=r"manifest\.json: files: got nothing"):
        open_shard(folder)


def test_a_write_that_fails_leaves_no_manifest(folder):
    with pytest.raises(ValueError, match="pickle"):
        write_shard(folder, {"a": np.array([object()])}, spec=SPEC, subjects=())
    assert not (folder / "manifest.json").exists()
    assert not list(folder.glob(".*"))


def test_a_prepared_recording_survives_the_disk(tmp_path):
    recording = prepare_recording(ecg(1, 0, duration_s=30.0), SPEC)
    save_recording(recording, tmp_path / "r", SPEC)
    again = load_recording(tmp_path / "r", SPEC)
    for name, array in vars(recording.sentence).items():
        np.testing.assert_array_equal(getattr(again.sentence, name), array)
    np.testing.assert_array_equal(again.beats.label, recording.beats.label)
    assert (again.name, again.subject) == (recording.name, recording.subject)


def test_a_refused_recording_is_listed_and_the_others_are_kept(mitdb, tmp_path):
    recordings, refused = prepare_files([mitdb / "100", mitdb / "999"], SPEC, tmp_path)
    assert [r.name for r in recordings] == ["100"]
    assert "999" in str(refused[0])


def test_a_refused_signal_is_named_by_its_file(tmp_path):
    path = write_wfdb(ecg(0, 0, duration_s=20.0), tmp_path)
    _, refused = prepare_files([path], SignalSpec(fs=1e-3))
    assert str(refused[0]).startswith(f"{path}: fs_new: got 0.001")


def test_a_damaged_shard_is_made_again(mitdb, tmp_path):
    (first,), _ = prepare_files([mitdb / "100"], SPEC, tmp_path)
    (tmp_path / "100" / "tokens.npy").write_bytes(b"")
    (again,), refused = prepare_files([mitdb / "100"], SPEC, tmp_path)
    assert refused == []
    np.testing.assert_array_equal(again.sentence.start, first.sentence.start)


def test_a_shard_of_files_that_are_others_now_is_made_again_or_refused(tmp_path):
    (tmp_path / "raw").mkdir()
    for seconds in (40.0, 50.0):
        path = write_wfdb(ecg(1, 0, duration_s=seconds), tmp_path / "raw")
        ((recording,), _) = prepare_files([path], SPEC, tmp_path / "shards")
        assert seconds - 2 < recording.sentence.stop[-1] / SPEC.fs <= seconds
    none, refused = prepare_files([tmp_path / "elsewhere" / path.name], SPEC, tmp_path / "shards")
    assert none == []
    assert "elsewhere" in str(refused[0])
