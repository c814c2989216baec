"""Where a recording may come from: bytes, open files, addresses, folders; and what a folder holds."""

import io
import sys

import numpy as np
import pytest

import formats
from biotl.errors import MissingExtraError, RecordError
from biotl.records import ecg, find, read, read_many
from biotl.records.write import write_wfdb


@pytest.mark.parametrize(
    "data",
    [
        b"t_s,ecg (mV)\n" + b"".join(b"%.3f,%d\n" % (i / 250, i) for i in range(50)),
        formats.ishne(formats.codes()),
        formats.edf([("ECG", "uV", 250, np.arange(250))]),
        formats.muse(dict(zip(("I", "II"), formats.codes(), strict=True))),
    ],
)
def test_bytes_and_open_files_are_read_as_the_file(tmp_path, data):
    (tmp_path / "a.any").write_bytes(data)
    wanted = read(tmp_path / "a.any")
    with (tmp_path / "a.any").open("rb") as file:
        for source in (data, bytearray(data), memoryview(data), io.BytesIO(data), file):
            record = read(source)
            assert record.channels == wanted.channels
            np.testing.assert_array_equal(record.signal, wanted.signal)


def test_a_text_file_object_is_refused_by_what_it_gives():
    with pytest.raises(RecordError, match="content: got str, wanted bytes; open it in mode 'rb'"):
        read(io.StringIO("t_s,x\n0,1\n"))


def test_an_address_goes_through_fsspec_with_the_files_beside(tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    files = fsspec.filesystem("memory")
    path = write_wfdb(ecg(3, duration_s=5.0), tmp_path)
    for file in tmp_path.iterdir():
        files.pipe(f"/ward/{file.name}", file.read_bytes())
    files.pipe("/ward/a.csv", b"t_s,x\n" + b"".join(b"%.2f,1\n" % (i / 50) for i in range(9)))
    wanted = read(path)
    for address in ("memory://ward/s000", "memory://ward/s000.hea"):
        record = read(address)
        np.testing.assert_array_equal(record.signal, wanted.signal)
        assert record.annotations == {"atr": wanted.annotations["atr"]}
    assert read("memory://ward/a.csv").fs == 50
    with pytest.raises(RecordError, match=r"memory://ward/none.csv: address: got .*wanted a file that fsspec can read"):
        read("memory://ward/none.csv")
    with pytest.raises(RecordError, match="address: got ValueError: Protocol not known"):
        read("nosuch://a/b")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtraError, match=r"fsspec is not installed: pip install 'biotl\[scale\]'"):
        read("memory://ward/a.csv")


def test_a_folder_is_refused_with_what_it_holds(tmp_path, monkeypatch):
    with pytest.raises(RecordError, match="file: got a folder, wanted one recording; it holds no recording"):
        read(tmp_path)
    write_wfdb(ecg(3, duration_s=5.0), tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecordError, match=r"a folder, wanted one recording; name a file in it, such as in.s000"):
        read(".")


def test_find_lists_each_recording_once_however_it_is_named(tmp_path):
    path = write_wfdb(ecg(3, duration_s=5.0), tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.csv").write_text("t_s,x\n0,1\n1,2\n")
    for name in ("notes.md", "LICENSE.txt", "settings.xml"):
        (tmp_path / "sub" / name).write_text("<a>version 2 of 3</a>")
    names = [tmp_path / "s000.atr", tmp_path / "s000.hea", path, tmp_path / "s000.dat"]
    assert list(find(names)) == [path]
    assert list(find([tmp_path, *names])) == [path, tmp_path / "sub" / "b.csv"]
    records, refused = read_many(find([tmp_path]))
    assert ([record.name for record in records], refused) == (["s000", "b"], [])


def test_the_segments_of_a_record_are_no_recordings_of_their_own(tmp_path):
    for name in ("s1", "s2", "single"):
        (tmp_path / f"{name}.hea").write_text(f"{name} 1 250 3\n{name}.dat 16 200 16 0 0 0 0 II\n")
        (tmp_path / f"{name}.dat").write_bytes(bytes(6))
    (tmp_path / "whole.hea").write_text("whole/3 1 250 8\ns1 3\n~ 2\ns2 3\n")
    assert [path.name for path in find([tmp_path])] == ["single", "whole"]
    assert [path.name for path in find([tmp_path / "s1.hea"])] == ["s1"]
    assert [record.signal.shape for record in read_many(find([tmp_path]))[0]] == [(1, 3), (1, 8)]


def test_options_reach_every_record_of_many(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("x\n" + "1\n2\n3\n" * 9)
    records, refused = read_many([tmp_path / "a.csv", tmp_path / "b.csv"], fs=50, units="mV", channels=("x",))
    assert [(record.fs, record.units) for record in records] == [(50.0, ("mV",))] * 2
    assert refused == []


def test_an_error_about_bytes_does_not_name_a_temporary_file():
    with pytest.raises(RecordError) as refusal:
        read(b"\0\1\2\3 nothing that anybody knows")
    assert "/tmp" not in str(refusal.value)
    assert "biotl-" not in str(refusal.value)


def test_what_a_mac_leaves_beside_each_file_is_no_recording(tmp_path):
    (tmp_path / "a.csv").write_text("t_s,x\n0,1\n1,2\n")
    (tmp_path / "._a.csv").write_bytes(b"\0\5\x16\7")
    assert list(find([tmp_path])) == [tmp_path / "a.csv"]
