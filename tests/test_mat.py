"""MATLAB files, NumPy archives and text tables: what their names say, and what is refused."""

import sys

import numpy as np
import pytest
from scipy.io import savemat

from biotl.errors import MissingExtraError, RecordError
from biotl.records import read, wfdb


def test_a_mat_beside_a_header_is_a_wfdb_record(tmp_path):
    codes = np.array([[1, 2, 3], [-10, -20, -30]], np.int16)
    savemat(tmp_path / "c.mat", {"val": codes}, format="4")
    sums = [f"{row[0]} {row.sum()}" for row in codes.astype(int)]
    (tmp_path / "c.hea").write_text(
        f"c 2 500 3\nc.mat 16+24 1000/mV 16 0 {sums[0]} 0 I\nc.mat 16+24 1000/mV 16 0 {sums[1]} 0 II\n"
    )
    record = read(tmp_path / "c.mat")
    np.testing.assert_array_equal(record.signal, codes / np.float32(1000))
    assert (record.fs, record.channels, record.units) == (500.0, ("I", "II"), ("mV", "mV"))


@pytest.mark.parametrize("version", ["4", "5"])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_mat_that_was_saved_again_beside_its_header_gives_val_itself(tmp_path, version, compressed):
    codes = np.round(800 * np.sin(np.arange(500) / 9)).astype(np.int16)[None]
    how = {"format": version, "do_compression": compressed and version == "5"}
    for kind in (np.int16, np.float64):
        savemat(tmp_path / "c.mat", {"val": codes.astype(kind)}, **how)
        (tmp_path / "c.hea").write_text(f"c 1 250 500\nc.mat 16+24 500(-3)/mV 16 0 0 {codes.sum() % 65536} 0 II\n")
        if version == "4" and kind is np.float64:
            continue  # a header that says so is wrong for it, and its checksum tells
        for name in ("c", "c.hea", "c.mat"):
            assert read(tmp_path / name).signal == pytest.approx((codes + 3) / 500, abs=1e-6)
    savemat(tmp_path / "c.mat", {"val": codes + 0.5})
    with pytest.raises(RecordError, match=r"c\.mat: val: got no variable val of whole numbers .* version 5"):
        read(tmp_path / "c")


@pytest.mark.parametrize("also", [wfdb.read_native, wfdb.read_codes])
def test_a_mat_of_version_5_is_never_taken_for_one_of_version_4(tmp_path, also):
    savemat(tmp_path / "c.mat", {"val": np.arange(500, dtype=np.int16)[None]})
    (tmp_path / "c.hea").write_text("c 1 250 100\nc.mat 16+24 500/mV 16 0 0 0 0 II\n")
    with pytest.raises(RecordError, match=r"c\.mat: MATLAB version: got 5 or later, wanted 4, where samples lie"):
        also(tmp_path / "c")
    (tmp_path / "all.hea").write_text("all/1 1 250 100\nc 100\n")
    with pytest.raises(RecordError, match=r"c\.mat: MATLAB version: got 5 or later"):
        read(tmp_path / "all")


def test_a_mat_that_its_header_does_not_name_stands_for_itself(tmp_path):
    savemat(tmp_path / "c.mat", {"ecg": np.arange(9.0), "fs": 50})
    (tmp_path / "c.hea").write_text("c 1 250 2\nc.dat 16\n")
    (tmp_path / "c.dat").write_bytes(bytes(4))
    assert (read(tmp_path / "c.mat").channels, read(tmp_path / "c").fs) == (("ecg",), 250.0)


def test_plain_variables_name_channels_units_and_rate(tmp_path):
    signal = np.random.default_rng(0).normal(size=(2, 50))
    about = {"Fs": 125.0, "channels": np.array(["ECG", "PPG"], object), "units": np.array(["mV", "NU"], object)}
    savemat(tmp_path / "p.mat", {"signal": signal.T, **about})
    np.savez(tmp_path / "p.npz", signal=signal, fs=125, channels=["ECG", "PPG"], units=["mV", "NU"], subject="s1")
    for name, subject in (("p.mat", "p"), ("p.npz", "s1")):
        record = read(tmp_path / name)
        np.testing.assert_array_equal(record.signal, signal.astype(np.float32))
        assert (record.fs, record.channels, record.units) == (125.0, ("ECG", "PPG"), ("mV", "NU"))
        assert (record.subject, record.signal.flags.c_contiguous) == (subject, True)


def test_one_array_a_channel_is_one_record(tmp_path):
    np.savez(tmp_path / "a.npz", ecg=np.zeros(9, np.int16), ppg=np.ones(9), ecg_fs=125, ppg_fs=125.0, licence="free")
    record = read(tmp_path / "a.npz")
    assert (record.channels, record.fs, record.units) == (("ecg", "ppg"), 125.0, ("", ""))
    np.savez(tmp_path / "b.npz", x=np.zeros((2, 9)), fs=1, channels=np.array([b"ecg", b"ppg"]))
    assert read(tmp_path / "b.npz").channels == ("ecg", "ppg")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"fs": 1}, "signal: got no numeric array, wanted one array"),
        ({"x": np.zeros((2, 9))}, "fs: got none, wanted a positive rate in Hz; save a scalar fs"),
        ({"x": np.zeros(9), "fs": 0}, "fs: got fs .0., wanted a positive rate"),
        ({"a": np.zeros(9), "b": np.zeros(8), "fs": 1}, r"signal: got a \(9,\), b \(8,\), wanted one array"),
        ({"a": np.zeros(9), "b": np.zeros(9), "a_fs": 1, "b_fs": 2}, "fs: got a_fs .1., b_fs .2., wanted one rate"),
        ({"x": np.zeros((2, 9)), "fs": 1, "channels": ["a"]}, "channels: got 1 names, wanted 2, one a channel"),
        ({"x": np.zeros((2, 3, 9)), "fs": 1}, r"signal: got x \(2, 3, 9\), wanted one array"),
        ({"x": np.array([{}, None]), "fs": 1}, "archive: got ValueError: Object arrays cannot be loaded"),
    ],
)
def test_an_archive_that_does_not_say_enough_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(RecordError, match=f"a.npz: {message}"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize("suffix", ["npz", "mat", "csv"])
def test_a_missing_or_damaged_file_is_one_clear_error(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    with pytest.raises(RecordError, match=f"a.{suffix}: (archive|file): got .*No such file"):
        read(path)
    noise = np.random.default_rng(0)
    np.savez(tmp_path / "good.npz", ecg=np.zeros(99), fs=1)
    savemat(tmp_path / "good.mat", {"ecg": np.zeros(99), "fs": 1})
    (tmp_path / "good.csv").write_text("t_s,ecg\n0,1\n1,2\n")
    good = (tmp_path / f"good.{suffix}").read_bytes()
    for _ in range(100):
        data = np.frombuffer(good, np.uint8)[: noise.integers(len(good))].copy()
        data[noise.integers(0, max(len(data), 1), 3)[: len(data)]] ^= 0x5A
        path.write_bytes(data.tobytes())
        try:
            read(path)
        except RecordError as error:
            assert str(error).startswith(str(path))  # noqa: PT017


def test_a_mat_without_scipy_names_the_extra(tmp_path, monkeypatch):
    savemat(tmp_path / "a.mat", {"ecg": np.zeros(9), "fs": 1})
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(MissingExtraError, match=r"scipy is not installed: pip install 'biotl\[mat\]'"):
        read(tmp_path / "a.mat")


def test_a_table_gives_names_units_and_rate(tmp_path):
    rows = "".join(f"{i / 360:.3f};{i};{'' if i == 2 else -i}\n" for i in range(1000))
    (tmp_path / "a.csv").write_text(f"\ufefftime (s);ecg lead (mV);heart_rate_bpm\r\n{rows}")
    record = read(tmp_path / "a.csv")
    assert (record.channels, record.units, record.fs) == (("ecg lead", "heart_rate"), ("mV", "bpm"), 360.0)
    assert record.signal[0].tolist() == list(range(1000))
    assert np.flatnonzero(np.isnan(record.signal[1])).tolist() == [2]


@pytest.mark.parametrize(("rate", "digits"), [(128, 3), (256, 3), (512, 3), (1000, 3), (257.3, 3), (2000, 4)])
@pytest.mark.parametrize("start", [0, 12.3457])
def test_times_may_be_written_with_few_digits_and_what_is_missing_is_nan(tmp_path, rate, digits, start):
    rows = [f"{start + i / rate:.{digits}f},{i}" for i in range(700)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["t_s,x", *rows]))
    assert read(path).fs == pytest.approx(rate, rel=1e-3 if rate == 257.3 else 0)
    whole = read(path)
    path.write_text("\n".join(["t_s,x", *rows[:200], *rows[203:]]))
    holed = read(path)
    assert holed.fs == pytest.approx(whole.fs, rel=1e-6 if rate != 257.3 else 1e-3)
    assert np.flatnonzero(np.isnan(holed.signal[0])).tolist() == [200, 201, 202]
    assert holed.signal.shape == whole.signal.shape


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "rows: got an empty file, wanted a header row and rows of numbers"),
        ("ecg,ppg\n1,2\n3,4\n", "header row: got ecg, ppg, wanted one time column: t_s, t_ms or time"),
        ("t_s,x\n0,1\n1\n", "line 3: got 1 cells, wanted 2 as in the rows before"),
        ("t_s,x\n0,1\n1,one\n", "line 3: got 'one' in column 2, wanted numbers"),
        ("t_s,x\n0,1\n1,1\n2.5,1\n", "time column: got steps from 1 to 1.5 s, wanted two rows or more, evenly"),
        ("t_s,x\n0,1\n", "rows: got 1 rows of 2 columns, wanted two rows or more"),
        ("t_s,x\n0,1\n0,1\n", "time column: got steps from 0 to 0 s"),
        ("t_s,x\n0,1\nnan,1\n", "time column: got steps from nan to nan s"),
        ("t_s,x\n0,1\n1e-320,1\n", "time column: got steps from 9.99989e-321 to 9.99989e-321 s"),
        (f"t_s,x\n0,{'1' * 200_000}\n1,x{'1' * 200_000}", "line 3: got 'x1{39}' in column 2, wanted numbers"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(RecordError, match=f"a.csv: {message}"):
        read(tmp_path / "a.csv")
