"""Reading by extension, many at a time: order kept, refusals listed, Ctrl-C answered."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from biotl.errors import RecordError
from biotl.records import Record, read, read_many


def wfdb_record(folder, name, n=5):
    (folder / f"{name}.hea").write_text(f"{name} 1 250 {n}\n{name}.dat 16 1(0)/mV 16 0\n")
    (folder / f"{name}.dat").write_bytes(np.arange(n, dtype="<i2").tobytes())
    return folder / name


def test_the_extension_chooses_the_reader(tmp_path):
    wfdb_record(tmp_path, "r")
    np.savez(tmp_path / "a.npz", ecg=np.arange(5.0), fs=250)
    (tmp_path / "a.csv").write_text("t_s,ecg (mV)\n" + "".join(f"{i / 250},{i}\n" for i in range(5)))
    for name in ("r", "r.hea", "r.dat", "a.npz", "a.csv"):
        record = read(tmp_path / name)
        assert (record.signal.tolist(), record.fs) == ([[0, 1, 2, 3, 4]], 250.0), name


def test_many_records_keep_their_order_and_list_what_is_refused(tmp_path):
    paths = [wfdb_record(tmp_path, f"r{i}") for i in range(9)]
    (tmp_path / "r3.dat").unlink()
    (tmp_path / "r7.hea").write_text("r7 1 250 5\nr7.dat 99\n")
    for threads in (1, 2, 7):
        records, refused = read_many(paths, threads=threads)
        assert [record.name for record in records] == [f"r{i}" for i in (0, 1, 2, 4, 5, 6, 8)]
        assert [(Path(error.path).name, error.field) for error in refused] == [
            ("r3.dat", "file"),
            ("r7.hea", "line 2, format"),
        ]


def test_a_path_that_cannot_even_be_asked_for_is_refused_and_the_rest_go_on(tmp_path):
    long = "x" * 5000
    records, refused = read_many([long, f"{long}.mat", wfdb_record(tmp_path, "r")])
    assert [record.name for record in records] == ["r"]
    assert [error.field for error in refused] == ["file", "file"]
    assert all("File name too long" in str(error) for error in refused)


def test_a_missing_annotator_refuses_the_record_where_it_was_asked_for(tmp_path):
    paths = [wfdb_record(tmp_path, f"r{i}") for i in range(2)]
    (tmp_path / "r0.atr").write_bytes(b"\x05\x04\0\0")
    assert [len(record.annotations) for record in read_many(paths)[0]] == [1, 0]
    records, (error,) = read_many(paths, annotators=("atr",))
    assert [record.name for record in records] == ["r0"]
    assert str(error).startswith(f"{tmp_path / 'r1.atr'}: annotations: got No such file")


def test_a_file_of_another_kind_is_refused_by_its_own_name(tmp_path):
    (tmp_path / "README.md").write_text("no signal")
    with pytest.raises(RecordError, match=r"README.md: file: got an unknown format '.md', wanted a recording"):
        read(tmp_path / "README.md")


def test_a_record_names_what_it_lacks(tmp_path):
    record = read(wfdb_record(tmp_path, "r"))
    assert isinstance(record, Record)
    with pytest.raises(RecordError, match=r"r\.hea: channels: got signal 0, wanted one of MLII, II"):
        record.channel("MLII", "II")


def interrupted(path: Path, after_s: float) -> tuple[str, float]:
    """Interrupt a process that reads one file over and over; return what it wrote and the seconds it took to end."""
    # what runs in the background of a shell ignores SIGINT, and hands that down
    code = f"""import signal; from biotl.records import read_many
signal.signal(signal.SIGINT, signal.default_int_handler); print("go", flush=True)
read_many([{str(path)!r}] * 20_000, threads=2)"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "go\n"
            time.sleep(after_s)
            before = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    return errors, time.monotonic() - before


def test_interrupted_reading_ends_within_a_second(tmp_path):
    errors, took = interrupted(wfdb_record(tmp_path, "r", 100_000), 0.2)
    assert "KeyboardInterrupt" in errors
    assert took < 1, f"{took:.2f} s"


@pytest.mark.slow
def test_no_interrupt_of_many_leaves_the_process_waiting(tmp_path):
    path = wfdb_record(tmp_path, "r", 100_000)
    for after_s in np.random.default_rng(0).uniform(0, 0.3, 200):
        errors, took = interrupted(path, after_s)
        assert "KeyboardInterrupt" in errors
        assert took < 5, f"{took:.2f} s, interrupted after {after_s:.3f} s"
