"""A store: whole or absent, the same however it was prepared, and stale as soon as what it was made of is another."""

import contextlib
import dataclasses
import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import biotl.datasets
from biotl.datasets.labels import BeatClass, ChannelAt, Itself, WindowClass
from biotl.datasets.manifest import Entry, Labelled
from biotl.datasets.prepare import prepare_entry, prepare_store
from biotl.datasets.sentences import SentencePreprocessor
from biotl.datasets.spec import Channel
from biotl.datasets.spec_kinds import SentenceSpec, WindowSpec
from biotl.datasets.store import Store
from biotl.datasets.windows import WindowPreprocessor
from biotl.errors import ConfigError, RecordError, SignalError
from biotl.records import ecg
from biotl.records.write import write_annotations, write_wfdb

prepare = sys.modules["biotl.datasets.prepare"]

SENTENCES = SentencePreprocessor(SentenceSpec())
WINDOWS = WindowPreprocessor(WindowSpec(fs=90, length_s=2, channels=({"name": "ECG"},)))


def recordings(folder, n=5, seconds=12.0):
    """Recordings of different people under one file name, each in a folder of its own."""
    found = []
    for k in range(n):
        record = dataclasses.replace(ecg(1, k, duration_s=seconds), name="ecg")
        found.append(Entry(f"r{k}", (write_wfdb(record, folder / f"patient{k}"),), f"p{k}"))
    return found


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    return recordings(tmp_path_factory.mktemp("raw"))


def test_a_store_gives_back_what_was_prepared_without_reading_it(held, tmp_path):
    store, refused = prepare_store(held, SENTENCES, BeatClass(), tmp_path)
    assert refused == []
    assert store.ids == ("r0", "r1", "r2", "r3", "r4")
    assert store.subjects["r3"] == "p3"
    assert store.spec == SENTENCES.spec
    store.verify()
    for entry in held:
        prepared, targets = prepare_entry(entry, SENTENCES, BeatClass())
        found = store[entry.id]
        assert (found.fs, found.samples, found.about) == (prepared.fs, prepared.samples, prepared.about)
        for name, array in prepared.arrays.items():
            np.testing.assert_array_equal(found.arrays[name], array)
            assert found.arrays[name].dtype == array.dtype
            assert not found.arrays[name].flags.writeable
            assert found.arrays[name].base is not None
        for name, array in targets.items():
            np.testing.assert_array_equal(store.targets(entry.id)[name], array)
        assert store.cuts(entry.id) == len(SENTENCES.cuts(prepared))


def test_recordings_of_one_file_name_are_told_apart_by_their_id(held, tmp_path):
    """Fault 4: patient0/ecg and patient1/ecg shared one shard, and one of them was lost."""
    assert {entry.files[0].name for entry in held} == {"ecg"}
    store, _ = prepare_store(held, SENTENCES, BeatClass(), tmp_path)
    assert len({store.content(id_) for id_ in store}) == len(held)


def test_an_id_that_stands_twice_is_refused(held, tmp_path):
    with pytest.raises(ConfigError, match="the id r0 stands twice"):
        prepare_store([held[0], held[0]], SENTENCES, BeatClass(), tmp_path)


def test_a_refused_recording_is_listed_and_the_others_are_kept(held, tmp_path):
    gone = Entry("gone", (tmp_path / "gone",), "x")
    short = ecg(1, 9, duration_s=3.0)
    short = dataclasses.replace(short, name="short", signal=short.signal[:, :300], annotations={})
    entries = [held[0], gone, Entry("short", (write_wfdb(short, tmp_path),), "y"), held[1]]
    preprocessor = WindowPreprocessor(WINDOWS.spec)
    for _ in range(2):  # the second time from the store
        store, refused = prepare_store(entries, preprocessor, Itself(), tmp_path / "s")
        assert store.ids == ("r0", "r1")
        assert [type(error) for error in refused] == [RecordError, SignalError]
        assert str(refused[0]).startswith(str(tmp_path / "gone"))
        assert "short" in str(refused[1])
        assert len(str(refused[1])) < 300
        with pytest.raises(SignalError):
            store["short"]


def test_a_store_pickles_as_its_folder(tmp_path):
    """Fault 2: memory maps travelled to forkserver workers by value, 8 MB in, 8 MB out."""
    store, _ = prepare_store(recordings(tmp_path / "raw", 2, seconds=120.0), SENTENCES, BeatClass(), tmp_path / "s")
    whole = sum(array.nbytes for array in store["r0"].arrays.values())
    assert len(pickle.dumps(store)) < 1000 < whole / 100
    again = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(again["r1"].arrays["patches"], store["r1"].arrays["patches"])


def test_many_recordings_open_few_files(held, tmp_path):
    """Fault 3: eleven maps a recording ended at 130 recordings, where 1,024 open files are allowed."""
    entries = [dataclasses.replace(held[0], id=f"x{k}") for k in range(60)]
    store, _ = prepare_store(entries, WINDOWS, Itself(), tmp_path, part_size=2)
    assert len(list(tmp_path.glob("*.bin"))) == 30
    open_files = Path("/proc/self/fd")
    before = len(list(open_files.iterdir()))
    for id_ in store:
        store[id_].arrays["signal"].sum()
    assert len(list(open_files.iterdir())) - before <= 16


def digests(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def prepared_by(held, folder, **how):
    store, refused = prepare_store(held, SENTENCES, BeatClass(), folder, part_size=2, **how)
    assert refused == []
    return store.digest, digests(folder)


def test_threads_processes_and_batch_jobs_give_the_same_bytes(held, tmp_path):
    expected = prepared_by(held, tmp_path / "one", threads=1)
    assert prepared_by(held, tmp_path / "threads", threads=3) == expected
    with ThreadPoolExecutor(2) as pool:
        assert prepared_by(held, tmp_path / "pool", executor=pool) == expected
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        assert prepared_by(held, tmp_path / "processes", executor=pool) == expected
    store, _ = prepare_store(held, SENTENCES, BeatClass(), tmp_path / "jobs", part_size=2, shard=(1, 2))
    assert store.ids == ("r2", "r3")
    assert store.missing == ("part-00000", "part-00002")
    prepare_store(held, SENTENCES, BeatClass(), tmp_path / "jobs", part_size=2, shard=(0, 2))
    assert (Store(tmp_path / "jobs").digest, digests(tmp_path / "jobs")) == expected
    # how they are packed changes the files and not the contents
    whole, _ = prepare_store(held, SENTENCES, BeatClass(), tmp_path / "one", part_size=9)
    assert whole.digest == expected[0]
    assert [path.name for path in sorted((tmp_path / "one").iterdir())] == [
        "part-00000.bin",
        "part-00000.json",
        "store.json",
    ]


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0)])
def test_a_job_that_is_none_is_refused(held, tmp_path, shard):
    with pytest.raises(ConfigError, match="wanted i/n with i from 0 to n - 1"):
        prepare_store(held, SENTENCES, BeatClass(), tmp_path, shard=shard)


class Counted(SentencePreprocessor):
    """Counts what it prepares."""

    def prepare(self, records, **options):
        COUNT.append(records[0].subject)
        if len(COUNT) == STOP[0]:
            raise KeyboardInterrupt
        return super().prepare(records, **options)


COUNT, STOP = [], [0]


def work(entries, folder, target=None, **how):
    """Return whose recordings were prepared by a run."""
    COUNT.clear()
    preprocessor = Counted(SentenceSpec(**how.pop("spec", {})))
    with contextlib.suppress(KeyboardInterrupt):
        prepare_store(entries, preprocessor, target or BeatClass(), folder, part_size=2, threads=1, **how)
    return list(COUNT)


def test_what_was_interrupted_is_finished_and_what_is_whole_is_kept(held, tmp_path):
    STOP[0] = 4
    assert work(held, tmp_path) == ["p0", "p1", "p2", "p3"]
    STOP[0] = 0
    assert not list(tmp_path.glob(".*"))
    (tmp_path / ".part-00001.bin.0.tmp").touch()  # of a worker that was killed
    assert Store(tmp_path).missing == ("part-00001", "part-00002")
    assert work(held, tmp_path) == ["p2", "p3", "p4"]
    assert not list(tmp_path.glob(".*"))
    assert work(held, tmp_path) == []


def test_a_part_is_made_again_when_what_it_is_made_of_changes_and_only_then(tmp_path, monkeypatch):
    """Fault 12: a changed .atr or changed code was not seen; a file of marks beside a record was."""
    entries = recordings(tmp_path / "raw", 2)
    entries[0] = dataclasses.replace(entries[0], files=(Path(f"{entries[0].files[0]}.hea"),))
    folder, both = tmp_path / "s", ["p0", "p1"]
    assert work(entries, folder) == both
    stem = tmp_path / "raw" / "patient0" / "ecg"
    marks = ecg(1, 0, duration_s=12.0).annotations["atr"]
    # what `predict --annotations` leaves beside a record
    write_annotations(stem, "pred", marks)
    (stem.parent / "ecg.txt").write_text("notes")
    assert work(entries, folder) == []
    # the beats of the record, though its header was given
    write_annotations(stem, "atr", dataclasses.replace(marks, symbol=np.where(marks.symbol == "N", "V", marks.symbol)))
    assert work(entries, folder) == both
    changed = dataclasses.replace(entries[1], labels=(Labelled(values={"quality": "good"}),))
    assert work([entries[0], changed], folder) == both
    assert work(entries, folder, spec={"fs": 250}) == both
    assert work(entries, folder, target=BeatClass(classes={"V": "V", "N": "N"}), spec={"fs": 250}) == both
    # the order of the classes is part of the target
    assert work(entries, folder, target=BeatClass(classes={"N": "N", "V": "V"}), spec={"fs": 250}) == both
    assert work(entries, folder, target=BeatClass(classes={"N": "N", "V": "V"}), spec={"fs": 250}) == []
    monkeypatch.setattr(prepare, "code_digest", lambda: "of other code")
    assert work(entries, folder, target=BeatClass(classes={"N": "N", "V": "V"}), spec={"fs": 250}) == both


def test_the_code_that_prepares_is_part_of_what_a_part_is_made_of(tmp_path):
    package = tmp_path / "biotl"
    shutil.copytree(Path(prepare.__file__).parents[1], package)
    command = "from biotl.datasets.prepare import code_digest; print(code_digest())"

    def digest():
        run = [sys.executable, "-c", command]
        return subprocess.run(
            run,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    before = digest()
    assert digest() == before
    with (package / "datasets" / "sentences.py").open("a") as file:
        file.write("# changed\n")
    assert digest() != before


def test_the_signal_file_that_a_header_names_is_part_of_it(tmp_path):
    (entry,) = recordings(tmp_path, 1)
    before = prepare.origin(entry, ("atr",))
    data = entry.files[0].with_suffix(".dat")
    data.write_bytes(data.read_bytes()[:-2] + b"xx")
    assert prepare.origin(entry, ("atr",)) != before
    assert prepare.origin(
        dataclasses.replace(entry, files=(entry.files[0].with_suffix(".hea"),)), ()
    ) == prepare.origin(entry, ())


@pytest.fixture
def store(held, tmp_path):
    return prepare_store(held, SENTENCES, BeatClass(), tmp_path, part_size=2)[0]


def test_one_flipped_bit_is_found_its_recording_named_and_never_learnt_from(store, held):
    path = store.folder / "part-00001.bin"
    data = bytearray(path.read_bytes())
    offset, _, _ = store._row("r3")[1]["arrays"]["patches"]
    data[offset + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(RecordError, match=r"part-00001\.bin: sha256 of r3: got"):
        Store(store.folder).verify()
    again, _ = prepare_store(held, SENTENCES, BeatClass(), store.folder, part_size=2)
    again.verify()
    assert again.digest == store.digest


@pytest.mark.parametrize("keep", [0, 10, -1])
def test_a_truncated_part_is_found_on_opening(store, keep):
    path = store.folder / "part-00000.bin"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RecordError, match=r"part-00000\.bin: bytes: got"):
        Store(store.folder)


@pytest.mark.parametrize(("name", "key"), [("store.json", "parts"), ("part-00000.json", "rows")])
def test_damaged_json_is_named(store, name, key):
    path = store.folder / name
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in whole.items() if k != key}))
    with pytest.raises(RecordError, match=rf"{name}: {key}: got nothing"):
        Store(store.folder)
    path.write_text(json.dumps(whole | {"format": "biotl.store/9"}))
    with pytest.raises(RecordError, match=r"got biotl\.store/9, wanted biotl\.store/1"):
        Store(store.folder)
    path.write_text("{")
    with pytest.raises(RecordError, match="got nothing of the kind"):
        Store(store.folder)


def test_a_folder_without_a_store_is_named(tmp_path):
    with pytest.raises(RecordError, match="prepare it again"):
        Store(tmp_path)


def test_a_target_that_is_an_input_is_refused_before_anything_is_read(held, tmp_path):
    with pytest.raises(ConfigError, match="target: ECG is the input channel ECG too"):
        prepare_store(held, WINDOWS, ChannelAt(Channel(name="ECG")), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_classes_of_windows_come_from_labels_of_the_manifest(held, tmp_path):
    entries = [dataclasses.replace(e, labels=(Labelled(values={"q": "ab"[i % 2]}),)) for i, e in enumerate(held)]
    store, _ = prepare_store(entries, WINDOWS, WindowClass("q", {"a": "good", "b": "poor"}), tmp_path)
    assert [store.targets(id_)["labels"].tolist() for id_ in store.ids[:2]] == [[0] * 6, [1] * 6]


def test_a_dask_cluster_that_loses_a_worker_gives_the_same_bytes(held, tmp_path):
    distributed = pytest.importorskip("distributed")
    entries = [dataclasses.replace(held[k % 5], id=f"x{k}") for k in range(24)]
    expected, _ = prepare_store(entries, SENTENCES, BeatClass(), tmp_path / "one", part_size=2)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        victim = next(iter(cluster.workers.values())).pid
        killed = []

        def kill_once(_n):
            if not killed:
                killed.append(victim)
                os.kill(victim, 9)

        store, refused = prepare_store(
            entries,
            SENTENCES,
            BeatClass(),
            tmp_path / "dask",
            part_size=2,
            executor=client.get_executor(),
            done=kill_once,
        )
    assert killed == [victim]
    assert refused == []
    assert (store.digest, digests(tmp_path / "dask")) == (expected.digest, digests(tmp_path / "one"))


def test_one_recording_is_prepared_by_the_package_whatever_was_imported_before():
    assert callable(biotl.datasets.prepare)  # and not the module of that name
    prepared = biotl.datasets.prepare(ecg(0, duration_s=20.0), SentenceSpec())
    assert len(prepared.arrays["rpeaks"]) > 10
