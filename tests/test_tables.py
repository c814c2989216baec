"""Text tables as people have them: what is time, what is a channel, which rate, and what is refused."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest

from biotl.errors import ConfigError, RecordError
from biotl.records import read

N = 90


def wave(n=N):
    return [round(float(np.sin(i / 7)) * 100) / 100 for i in range(n)]


def table(path, header, times, *, sep=",", encoding="utf-8", form=str):
    rows = [
        sep.join([str(time), *(form(value) for value in values)]) for time, *values in zip(times, wave(), strict=False)
    ]
    path.write_bytes("\n".join([header, *rows, ""]).encode(encoding))
    return path


@pytest.mark.parametrize(
    ("header", "unit", "rate"),
    [
        ("Time (s)", 1.0, 200),
        ("TIME [s]", 1.0, 125),
        ("time (sec)", 1.0, 500),
        ("seconds", 1.0, 100),
        ("Zeit [s]", 1.0, 100),
        ("t", 1.0, 64),
        ("elapsed_s", 1.0, 128),
        ("timestamp (ms)", 1e-3, 50),
        ("t_ms", 1e-3, 25),
        ("Time_us", 1e-6, 1000),
        ("sensor timestamp [ns]", 1e-9, 130),
        ("timestamp", 1e-3, 20),
    ],
)
def test_a_time_column_is_known_by_its_words_and_its_unit(tmp_path, header, unit, rate):
    start = 1_600_000_000 if header == "timestamp" else 3
    times = [round((start + i / rate) / unit) if unit < 1 else f"{3 + i / rate:.6f}" for i in range(N)]
    record = read(table(tmp_path / "a.csv", f"{header},ecg (mV)", times))
    assert record.fs == pytest.approx(rate, rel=1e-6)
    assert (record.channels, record.units) == (("ecg",), ("mV",))
    np.testing.assert_array_equal(record.signal[0], np.array(wave(), np.float32))


@pytest.mark.parametrize(("digits", "since"), [(0, 1), (3, 1e3), (6, 1e6), (9, 1e9)])
def test_times_since_1970_are_in_the_unit_of_their_size(tmp_path, digits, since):
    rate = 1 if digits == 0 else 250
    times = [round((1_700_000_000 + i / rate) * since) for i in range(N)]
    assert read(table(tmp_path / "a.csv", "unix_timestamp,bvp", times)).fs == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize(
    "stamp",
    [
        "2023-05-04T23:59:59.{:03d}",
        "2023-05-04 10:00:00.{:03d}+02:00",
        "[10:00:00.{:03d} 04/05/2023]",
        "04/05/2023 10:00:00.{:03d}",
        "'0:07.{:03d}'",
        "4/5/2023 1:00:07.{:03d} PM",
        "04.05.2023 10:00:00.{:03d}",
        "2023/05/04 10:00:00.{:03d}",
    ],
)
def test_dates_and_times_of_day_give_the_rate(tmp_path, stamp):
    rows = [stamp.format(10 * i) for i in range(N)]
    assert read(table(tmp_path / "a.csv", "when,ppg", rows)).fs == 100


def test_noon_and_midnight_of_twelve_hours_are_kept_apart(tmp_path):
    from biotl.records.text import seconds

    cells = ["12:00:00 AM", "12:30:00 PM", "1:00:00 pm", "11:59:59 PM"]
    assert [seconds(cell) for cell in cells] == [0, 45000, 46800, 86399]
    assert np.isnan(seconds("2023-13-45 10:00:00"))
    assert seconds("31.12.2023 00:00:00") == seconds("2023-12-31 00:00:00")


def test_a_time_of_day_goes_on_past_midnight(tmp_path):
    seconds = [(86370 + i) % 86400 for i in range(60)]
    times = [f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in seconds]
    record = read(table(tmp_path / "a.csv", "time,hr", times))
    assert (record.fs, record.signal.shape) == (1.0, (1, 60))


def test_a_time_without_a_unit_that_may_be_two_is_refused_until_the_rate_is_stated(tmp_path):
    path = table(tmp_path / "a.csv", "timer,hr", [i * 8.0 for i in range(N)])
    with pytest.raises(
        RecordError, match=r"time column: got 'timer' without a unit, in steps of 8, .* fs=125 if these"
    ):
        read(path)
    assert read(path, fs=125).fs == 125


@pytest.mark.parametrize("sep", [";", "\t", "|", " "])
def test_any_separator_and_decimal_commas_where_they_are_free(tmp_path, sep):
    comma = (lambda value: str(value).replace(".", ",")) if sep != " " else str
    path = table(tmp_path / "a.txt", f"t_s{sep}ecg", [comma(f"{i / 250:.3f}") for i in range(N)], sep=sep, form=comma)
    record = read(path)
    assert (record.fs, record.channels) == (250.0, ("ecg",))
    np.testing.assert_array_equal(record.signal[0], np.array(wave(), np.float32))


def test_a_quoted_decimal_comma_does_not_part_a_cell(tmp_path):
    rows = [f'"{i / 250:.3f}","{v}"'.replace(".", ",") for i, v in enumerate(wave())]
    (tmp_path / "a.csv").write_text("\n".join(['"time (s)","ecg"', *rows]))
    np.testing.assert_array_equal(read(tmp_path / "a.csv").signal[0], np.array(wave(), np.float32))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16", "utf-16-le"])
def test_any_common_encoding_and_the_unit_keeps_its_micro(tmp_path, encoding):
    path = table(tmp_path / "a.csv", "t_s,ecg (µV)", [f"{i / 500:.3f}" for i in range(N)], encoding=encoding)
    record = read(path)
    assert (record.fs, record.units) == (500.0, ("uV",))


def test_a_row_of_units_below_the_names(tmp_path):
    rows = [f"{i},{i / 250:.3f},{v},{-v}" for i, v in enumerate(wave())]
    head = ["'sample #','Elapsed time','II','Pleth'", "'sample','seconds','mV','NU'"]
    (tmp_path / "a.csv").write_text("\n".join([*head, *rows]))
    record = read(tmp_path / "a.csv")
    assert (record.fs, record.channels, record.units) == (250.0, ("II", "Pleth"), ("mV", "NU"))


def test_the_csv_of_physionet_has_gaps_written_as_a_dash(tmp_path):
    rows = [f"'0:{i / 125:06.3f}',{'-' if 40 <= i < 45 else v}" for i, v in enumerate(wave())]
    (tmp_path / "a.csv").write_text("\n".join(["'Elapsed time','MLII'", "'mm:ss.mmm','mV'", *rows]))
    record = read(tmp_path / "a.csv")
    assert (record.fs, record.units) == (125.0, ("mV",))
    assert np.flatnonzero(np.isnan(record.signal[0])).tolist() == [40, 41, 42, 43, 44]


def test_times_of_few_significant_digits_are_those_of_the_first_rows(tmp_path):
    n = 25_000
    rows = [f"{i / 125:.5g}, {i % 10}" for i in range(n)]
    (tmp_path / "a.csv").write_text("\n".join(["Time [s], PLETH", *rows]))
    record = read(tmp_path / "a.csv")
    assert (record.fs, record.channels, record.signal.shape) == (125.0, ("PLETH",), (1, n))


def test_index_label_and_text_columns_are_no_channels(tmp_path):
    rows = [f"{i},{i / 100:.2f},{v},{i % 2},rest,{v * 2}" for i, v in enumerate(wave())]
    (tmp_path / "a.csv").write_text("\n".join([",time_s,ecg,label,activity,lead_V", *rows]))
    record = read(tmp_path / "a.csv")
    assert (record.channels, record.units, record.fs) == (("ecg", "lead_V"), ("", ""), 100.0)


def test_remarks_before_the_header_are_none_and_may_state_the_rate(tmp_path):
    rows = [f"{v},{-v}" for v in wave()]
    for head in (["# fs: 250", "# a second remark", "I,II"], ["Sampling Rate: 250 Hz", "", "I,II", "mV,mV"]):
        (tmp_path / "a.csv").write_text("\n".join([*head, *rows]))
        record = read(tmp_path / "a.csv")
        assert (record.fs, record.channels, record.signal.shape) == (250.0, ("I", "II"), (2, N))


def test_a_text_of_labchart_keys_its_head(tmp_path):
    head = ["Interval=\t0.004 s", "ChannelTitle=\tECG\tPulse", "UnitName=\tmV\tV", "Range=\t10 mV\t1 V"]
    rows = [f"{i / 250:.3f}\t{v}\t{-v}" for i, v in enumerate(wave())]
    (tmp_path / "a.txt").write_text("\n".join([*head, *rows]))
    record = read(tmp_path / "a.txt")
    assert (record.fs, record.channels, record.units) == (250.0, ("ECG", "Pulse"), ("mV", "V"))


def test_a_first_column_without_a_name_that_grows_evenly_is_time_or_counts_rows(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(f"{i / 300:.3f} {v}" for i, v in enumerate(wave())))
    record = read(tmp_path / "a.txt")
    assert (record.fs, record.channels) == (300.0, ("column 2",))
    (tmp_path / "b.txt").write_text("\n".join(f"{i} {v}" for i, v in enumerate(wave())))
    assert read(tmp_path / "b.txt", fs=300) == read(tmp_path / "b.txt", fs=300, channels=("column 2",))


def test_a_unit_of_time_that_is_none_is_refused_and_hours_are_one(tmp_path):
    path = table(tmp_path / "a.csv", "time (h),hr", [f"{i / 3600:.8f}" for i in range(N)])
    assert read(path).fs == pytest.approx(1, rel=1e-4)
    with pytest.raises(RecordError, match="time column: got time in 'beats', wanted s, ms, us, ns, min or h"):
        read(table(tmp_path / "b.csv", "time (beats),hr", [i * 0.5 for i in range(N)]))


def test_a_data_frame_without_names_counts_its_columns_and_its_rows(tmp_path):
    rows = [f"{i},{v},{-v}" for i, v in enumerate(wave())]
    (tmp_path / "a.csv").write_text("\n".join([",0,1", *rows]))
    record = read(tmp_path / "a.csv", fs=100)
    assert (record.channels, record.signal.shape) == (("0", "1"), (2, N))
    np.testing.assert_array_equal(record.signal[0], np.array(wave(), np.float32))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("heart_rate_bpm", ("heart_rate", "bpm")),
        ("ecg_mV", ("ecg", "mV")),
        ("altitude_m", ("altitude", "m")),
        ("acc_x_g", ("acc_x", "g")),
        ("ppg_g", ("ppg_g", "")),
        ("lead_V", ("lead_V", "")),
        ("SpO2 (%)", ("SpO2", "%")),
        ("T", ("T", "")),
    ],
)
def test_the_end_of_a_name_is_a_unit_only_where_it_can_be_no_other_thing(tmp_path, name, wanted):
    record = read(table(tmp_path / "a.csv", f"time_s,{name}", [f"{i / 50:.2f}" for i in range(N)]))
    assert (record.channels[0], record.units[0]) == wanted


def test_a_table_without_time_or_header_is_read_at_the_rate_stated(tmp_path):
    (tmp_path / "a.csv").write_text("\n".join(map(str, wave())))
    (tmp_path / "b.csv").write_text("\n".join(["point,value", *(f"{i},{v}" for i, v in enumerate(wave()))]))
    for name, channels in (("a.csv", ("column 1",)), ("b.csv", ("value",))):
        with pytest.raises(RecordError, match=r"header row: got .*; or state the rate: fs=250, --fs 250"):
            read(tmp_path / name)
        for fs in (100, "100", np.array([[100]])):
            record = read(tmp_path / name, fs=fs, units="mV")
            assert (record.fs, record.channels, record.units) == (100.0, channels, ("mV",))
            np.testing.assert_array_equal(record.signal[0], np.array(wave(), np.float32))


def test_a_rate_or_unit_that_the_file_contradicts_is_refused(tmp_path):
    path = table(tmp_path / "a.csv", "t_s,ecg (mV)", [f"{i / 250:.3f}" for i in range(N)])
    with pytest.raises(RecordError, match="fs: got 250 Hz stated in the file, wanted 360 Hz as asked"):
        read(path, fs=360)
    with pytest.raises(RecordError, match="unit of ecg: got mV in the file, wanted V as asked"):
        read(path, units=("V",))
    for bad in (0, -1, "x", [1, 2], np.nan):
        with pytest.raises(ConfigError, match=r"fs: got .*, wanted one positive rate"):
            read(path, fs=bad)


def test_a_row_that_is_missing_is_nan_and_a_pause_is_one_too(tmp_path):
    kept = [i for i in range(400) if i != 57 and not 200 <= i < 260]
    rows = [f"{i * 4}\t{i}" for i in kept]
    (tmp_path / "a.tsv").write_text("\n".join(["time (ms)\tppg", *rows]))
    record = read(tmp_path / "a.tsv")
    assert (record.fs, record.signal.shape) == (250.0, (1, 400))
    assert np.flatnonzero(np.isnan(record.signal[0])).tolist() == [57, *range(200, 260)]
    assert record.signal[0, kept].tolist() == kept


@pytest.mark.parametrize("given", [(0, 1), (0, 38), (0, 1, 38)])
def test_a_track_of_vitaldb_gives_a_few_times_and_leaves_the_rest(tmp_path, given):
    rows = (f"{12.5 + i * 0.002:.3f},{i + 1}" if i in given else f",{i + 1}" for i in range(39))
    (tmp_path / "a.csv").write_text("\n".join(["Time,SNUADC/ECG_II", *rows]))
    record = read(tmp_path / "a.csv")
    assert (record.fs, record.channels) == (500.0, ("SNUADC/ECG_II",))
    assert record.signal[0].tolist() == list(range(1, 40))


def test_uneven_times_are_refused_by_their_steps_and_a_clock_that_jitters_is_named(tmp_path):
    rng = np.random.default_rng(3)
    times = np.arange(N) / 50
    path = table(tmp_path / "a.csv", "t_s,x", times + rng.uniform(-0.009, 0.009, N))
    with pytest.raises(RecordError, match=r"time column: got steps from .* state fs to take it as even"):
        read(path)
    assert read(path, fs=50).fs == 50
    path = table(tmp_path / "b.csv", "t_s,x", times + rng.uniform(-0.002, 0.002, N))
    with pytest.warns(UserWarning, match=r"b\.csv: times jitter by up to \d+% of a step"):
        assert read(path).fs == pytest.approx(50, rel=0.01)


@pytest.mark.parametrize("nothing", ["--", "---", "N/A", "#DIV/0!", "missing", "?"])
def test_what_devices_and_spreadsheets_write_for_nothing_is_nan(tmp_path, nothing):
    rows = [f"{i / 50},{nothing if i % 50 == 0 else i}" for i in range(200)]
    (tmp_path / "a.csv").write_text("\n".join(["t_s,ppg", *rows]))
    record = read(tmp_path / "a.csv")
    assert record.channels == ("ppg",)
    assert np.flatnonzero(np.isnan(record.signal[0])).tolist() == [0, 50, 100, 150]


def test_a_stated_rate_takes_no_gap_away_and_is_not_another_than_that_of_uneven_times(tmp_path):
    rng = np.random.default_rng(4)
    kept = np.array([i for i in range(6000) if not 1000 <= i < 1650 and not 3000 <= i < 3003])
    ticks = [f"{1_700_000_000_000 + i * 20 + d:.0f}" for i, d in zip(kept, rng.normal(0, 2, len(kept)), strict=True)]
    for name, times in (("jitters", ticks), ("packets", [f"{1_700_000_000_000 + i // 10 * 200}" for i in kept])):
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(["timestamp,ppg", *(f"{t},{i}" for t, i in zip(times, kept, strict=True))]))
        with pytest.raises(RecordError, match=r"state fs to take it as even: there are (49\.9|50|50\.1) rows a second"):
            read(path)
        with pytest.raises(RecordError, match=r"got (49\.9|50|50\.1) rows a second, wanted 100 as stated"):
            read(path, fs=100)
        x = read(path, fs=50).signal[0]
        assert abs(len(x) - 6000) <= 12
        lost = np.flatnonzero(np.isnan(x))
        assert abs(len(lost) - 653) <= 12
        place = np.flatnonzero(np.isfinite(x))
        assert np.abs(place - kept).max() <= 12  # a packet is ten
        assert x[place].tolist() == kept.tolist()
    path = table(tmp_path / "back.csv", "t_s,x", [0, 0.02, 0.01, *np.arange(3, N) / 50])
    with pytest.raises(RecordError, match="times go back, first in row 3 of the data: sort the rows"):
        read(path)
    with pytest.warns(UserWarning, match="times go back or are missing, first in row 3 of the data"):
        assert read(path, fs=50).signal.shape[1] == N


def test_a_stated_rate_takes_no_gap_away_from_arrays_either(tmp_path):
    kept = np.array([i for i in range(6000) if not 1000 <= i < 1650])
    time_s = kept / 50 + np.random.default_rng(4).normal(0, 0.002, len(kept))
    np.savez(tmp_path / "a.npz", time=time_s, ppg=kept.astype(np.float32))
    with pytest.raises(RecordError, match="state fs to take it as even: there are"):
        read(tmp_path / "a.npz")
    with pytest.raises(RecordError, match=r"time: got (49\.9|50|50\.1) rows a second, wanted 100 as stated"):
        read(tmp_path / "a.npz", fs=100)
    x = read(tmp_path / "a.npz", fs=50).signal[0]
    assert np.flatnonzero(np.isnan(x)).tolist() == list(range(1000, 1650))
    assert x[np.isfinite(x)].tolist() == kept.tolist()


def test_the_first_time_column_that_is_even_gives_the_rate(tmp_path):
    phone = [f"2024-05-01T10:00:00.{(i // 25) * 100:03d}" for i in range(N)]  # packets of 25 samples
    rows = [f"{p};{10**15 + i * 7_692_308};{v}" for i, (p, v) in enumerate(zip(phone, wave(), strict=True))]
    (tmp_path / "a.txt").write_text("\n".join(["Phone timestamp;sensor timestamp [ns];ecg [uV]", *rows]))
    record = read(tmp_path / "a.txt")
    assert (record.fs, record.channels, record.units) == (130.0, ("ecg",), ("uV",))


@pytest.mark.parametrize("comma", [False, True])
def test_the_ecg_that_a_watch_exports(tmp_path, comma):
    head = ["Name,", "Recorded Date,2025-02-03 04:05:06 +0000", "Sample Rate,511.898 hertz", "", "", "Lead,Lead I"]
    head = ["Abtastrate,511,898 Hertz".replace("511,898", "512"), "", "Ableitung,Ableitung I"] if comma else head
    values = [f"{v:.3f}" for v in wave()]
    body = [value.replace(".", ",") for value in values] if comma else values
    (tmp_path / "ecg.csv").write_text("\n".join([*head, f"{'Einheit' if comma else 'Unit'},µV", "", *body]))
    record = read(tmp_path / "ecg.csv")
    assert (record.fs, record.units) == (512.0 if comma else 511.898, ("uV",))
    assert record.channels == ("Ableitung I" if comma else "Lead I",)
    np.testing.assert_array_equal(record.signal[0], np.array(wave(), np.float32))


def test_a_wristband_states_start_and_rate_in_its_first_rows(tmp_path):
    rows = "\n".join(map(str, range(30)))
    (tmp_path / "BVP.csv").write_text(f"1555555555.000000\n64.000000\n{rows}\n")
    record = read(tmp_path / "BVP.csv")
    assert (record.fs, record.channels, record.signal[0].tolist()) == (64.0, ("BVP",), list(range(30)))
    xyz = "\n".join(f"{i},{-i},64" for i in range(30))
    (tmp_path / "ACC.csv").write_text(f"1555555555.0, 1555555555.0, 1555555555.0\n32.0, 32.0, 32.0\n{xyz}\n")
    record = read(tmp_path / "ACC.csv")
    assert (record.fs, record.units, record.signal[2, 0], record.signal[0, 8]) == (32.0, ("g",) * 3, 1.0, 0.125)
    (tmp_path / "IBI.csv").write_text("1555555555.0, IBI\n10.1,0.8\n11.0,0.9\n")
    with pytest.raises(RecordError, match="rows: got intervals between beats, each with its time, wanted samples"):
        read(tmp_path / "IBI.csv")


def test_a_text_of_opensignals_names_its_columns_and_its_rate(tmp_path):
    about = {"00:11": {"sensor": ["ECG", "EDA"], "column": ["nSeq", "I1", "O1", "A1", "A3"], "sampling rate": 500}}
    rows = "".join(f"{i % 16}\t0\t1\t{500 + i}\t{i}\t\n" for i in range(40))
    for name in ("a.txt", "a.csv"):
        head = f"# OpenSignals Text File Format\n# {json.dumps(about)}\n# EndOfHeader\n"
        (tmp_path / name).write_text(head + rows)
        record = read(tmp_path / name)
        assert (record.fs, record.channels, record.units) == (500.0, ("ECG", "EDA"), ("", ""))
        assert record.signal[:, 3].tolist() == [503, 3]
    (tmp_path / "a.txt").write_text("# OpenSignals Text File Format\n# {}\n# EndOfHeader\n1\t2\n")
    with pytest.raises(RecordError, match=r"header: got .*, wanted one device"):
        read(tmp_path / "a.txt")


def test_the_simple_text_format_states_rate_labels_and_units(tmp_path):
    head = "# Simple Text Format\n# Sampling Rate (Hz):= 100.00\n# Resolution:= 0\n# Units:= g\n# Labels:= x\ty\n"
    (tmp_path / "a.txt").write_text(head + "".join(f"{i}\t{-i}\n" for i in range(20)))
    record = read(tmp_path / "a.txt")
    assert (record.fs, record.channels, record.units) == (100.0, ("x", "y"), ("g", "g"))
    assert record.signal[:, 7].tolist() == [7, -7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            ",".join(f"{i / 9:.4f}" for i in range(190)) + "\n",
            "rows: got 1 rows of 190 columns, wanted two rows or more",
        ),
        (
            "time_ms,frame\n1,00ff" + "ab" * 40 + "\n2,00ff" + "ab" * 40,
            "column frame: got raw frames of a sensor in hex",
        ),
        ("t_s,x\n" + "".join(f"{i},{i}\n" for i in range(50)) + "50,1,2\n", "line 52: got 3 cells, wanted 2"),
        ("t_s,x\n" + "".join(f"{i},{i}\n" for i in range(50)) + "50,bad\n51,1\n", "line 52: got 'bad' in column 2"),
        ("t_s,x\n0,1\n1,2\n2,3,4\n" + "".join(f"{i},{i}\n" for i in range(3, 50)), "line 4: got 3 cells, wanted 2"),
        ("t_s,label\n0,1\n1,2\n2,3\n", "columns: got t, label, wanted a column of samples"),
        ("just a letter to somebody, 3 lines long\nand more\nof it\n", "rows: got just a letter"),
    ],
)
def test_what_is_no_table_of_samples_is_refused_in_one_short_line(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(RecordError, match=message) as refusal:
        read(tmp_path / "a.csv")
    assert len(str(refusal.value)) - len(str(tmp_path)) < 300
    assert "\n" not in str(refusal.value)


MEMORY = """
import resource, sys
from biotl.records import read
read(sys.argv[2])  # what the reader itself brings
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
record = read(sys.argv[1])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / record.signal.shape[1])
"""


@pytest.mark.parametrize("header", ["t_s,a,b,c", "a,b,c,t_s"])
def test_a_table_takes_little_more_memory_than_its_array(tmp_path, header):
    n = 400_000
    block = "".join(f"{i / 250:.3f},{i % 97},{i % 89},0.25\n" for i in range(n))
    (tmp_path / "big.csv").write_text(f"{header}\n{block}" if header.startswith("t") else "t_s,a,b,c\n" + block)
    (tmp_path / "small.csv").write_text("t_s,a\n0,1\n1,2\n2,3\n")
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "big.csv"), str(tmp_path / "small.csv")]
    per_row = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert per_row < 3 * (3 * 4 + 8), f"{per_row:.0f} bytes a row of three float32 and a time"


def test_the_same_values_come_whatever_the_blocks(tmp_path, monkeypatch):
    from biotl.records import text

    path = table(tmp_path / "a.csv", "t_s,ecg", [f"{i / 250:.3f}" for i in range(N)])
    whole = read(path)
    for size in itertools.chain(range(1, 40, 7), [1000]):
        monkeypatch.setattr(text, "_BLOCK", size)
        assert read(path) == whole
