"""WFDB records and annotations: equal to the wfdb package and to the readable twin, and closed to lies."""

import hashlib
import itertools
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import wfdb as peer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biotl.errors import MissingExtraError, RecordError
from biotl.records import read, wfdb
from conftest import DATA, data_folder
from reference import wfdb_codes

FORMATS = [8, 16, 24, 32, 61, 80, 160, 212, 310, 311]
BYTES = {8: 1, 16: 2, 24: 3, 32: 4, 61: 2, 80: 1, 160: 2, 212: 1.5, 310: 4 / 3, 311: 4 / 3}


def record(folder, header, data=b"", name="r"):
    (folder / f"{name}.hea").write_text(header)
    (folder / f"{name}.dat").write_bytes(data)
    return folder / name


def noise(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, n, np.uint8).tobytes()


def same_bits(a, b):
    return a.shape == b.shape and np.array_equal(a.view(np.uint32), np.ascontiguousarray(b).view(np.uint32))


def assert_equals_peer(path):
    theirs = peer.rdrecord(str(path), return_res=32)
    ours = wfdb.read(path, annotators=())
    wanted = theirs.p_signal.T
    if wanted.shape[1] == 1 < len(wanted):
        wanted = wanted.T  # BUT PPG: one signal line a sample
    else:
        assert ours.channels == tuple(name or f"signal {i}" for i, name in enumerate(theirs.sig_name))
        assert ours.units == tuple(theirs.units)
    assert same_bits(ours.signal, wanted), path
    assert ours.fs == theirs.fs


def assert_annotations_equal_peer(path, annotator):
    theirs, ours = peer.rdann(str(path), annotator), wfdb.read_annotations(path, annotator)
    assert np.array_equal(ours.sample, theirs.sample), path
    assert ours.symbol.tolist() == theirs.symbol
    assert list(ours.aux) == [note.rstrip("\0") for note in theirs.aux_note]
    for mine, other in ((ours.subtype, theirs.subtype), (ours.channel, theirs.chan), (ours.number, theirs.num)):
        assert np.array_equal(mine, other)


def records_of(place):
    return [path.with_suffix("") for path in sorted((DATA / place).rglob("*.hea"))]


@pytest.mark.parametrize("name", ["r", "r.hea", "r.dat", "r/", ".r"])
def test_a_record_is_named_by_its_path_or_by_one_of_its_files(tmp_path, name):
    stem = name if name == ".r" else "r"
    (tmp_path / f"{stem}.hea").write_text("r 1 250 2\nr.dat 16\n")
    (tmp_path / "r.dat").write_bytes(bytes(4))
    found = wfdb.read(f"{tmp_path}/{name}")
    assert (found.name, found.source) == (stem, tmp_path / f"{stem}.hea")
    assert wfdb.stem(tmp_path / name) == tmp_path / stem


# wfdb takes seconds to parse a header of ten thousand lines: few of the BUT PPG ECG by default
PLACES = {"mitdb": 12, "ludb": 20, "qtdb": 5, "ecgppg/wfdb": 1, "butppg/raw": 16}


def annotation_files(place, step):
    stems = set(records_of(place))
    files = [file for file in sorted((DATA / place).rglob("*")) if file.with_suffix("") in stems]
    return [file for file in files if file.suffix not in {".hea", ".dat", ".csv"}][::step]


@pytest.mark.parametrize("place", PLACES)
def test_a_sample_of_every_real_database_is_bit_equal_to_wfdb(place):
    data_folder(place)
    for path in records_of(place)[:: PLACES[place]]:
        if not (place == "butppg/raw" and path.name.endswith("ECG")):
            assert_equals_peer(path)


@pytest.mark.parametrize("place", ["mitdb", "ludb", "qtdb"])
def test_a_sample_of_the_real_annotations_is_equal_to_wfdb(place):
    data_folder(place)
    for file in annotation_files(place, 37 if place == "ludb" else 9):
        assert_annotations_equal_peer(file.with_suffix(""), file.suffix[1:])


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("place", PLACES)
def test_every_real_record_and_annotation_is_bit_equal_to_wfdb(place):
    data_folder(place)
    for path in records_of(place):
        assert_equals_peer(path)
    for file in annotation_files(place, 1):
        assert_annotations_equal_peer(file.with_suffix(""), file.suffix[1:])


@pytest.mark.parametrize("number", FORMATS)
@pytest.mark.parametrize("n_signals", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 7, 6000])
def test_every_format_is_the_readable_twin_and_wfdb(tmp_path, number, n_signals, n):
    data = noise(int(np.ceil(n * n_signals * BYTES[number] / 4) * 4))
    if number == 311:  # wfdb reads the spare bits of the format into the third sample
        data = (np.frombuffer(data, "<u4") & 0x3FFFFFFF).tobytes()
    lines = "".join(
        f"r.dat {number} {g}({b})/uV 12 0 {'' if number != 8 else 5} \n"
        for g, b in itertools.islice([(200, 3), (1.7, -40), (-0.3, 16777217)], n_signals)
    )
    path = record(tmp_path, f"r {n_signals} 250 {n}\n{lines}", data)
    codes = np.array(wfdb_codes(number, data, n * n_signals)).reshape(n, n_signals).T
    if number == 8:
        codes = codes.cumsum(axis=1) + 5
    assert np.array_equal(wfdb.read_codes(path), codes)
    if n > 1:
        assert_equals_peer(path)


def test_frames_of_several_samples_are_averaged_or_kept_at_their_own_rate(tmp_path):
    path = record(tmp_path, "r 2 125 400\nr.dat 212x4 2000 12 0\nr.dat 212 100(5)/NU 12 0\n", noise(3000))
    assert_equals_peer(path)
    native = peer.rdrecord(str(path), smooth_frames=False)
    read = wfdb.read_native(path)
    assert [(len(x), fs) for x, fs in read.values()] == [(1600, 500.0), (400, 125.0)]
    for (ours, _), theirs in zip(read.values(), native.e_p_signal, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)  # float32 of their float64


def test_skew_and_byte_offset_are_taken_out(tmp_path):
    path = record(tmp_path, "r 2 250 90\nr.dat 16:7+24 200 12 0\nr.dat 16+24 200 12 0\n", noise(24 + 360))
    assert_equals_peer(path)
    assert np.isnan(wfdb.read(path).signal[0, -7:]).all()


def test_a_length_that_the_header_leaves_open_is_that_of_the_file(tmp_path):
    path = record(tmp_path, "r 2\nr.dat 212\nr.dat 212\n", noise(31))
    assert wfdb.read(path).signal.shape == (2, 10)
    assert_equals_peer(path)


def test_several_signal_files_make_one_record(tmp_path):
    (tmp_path / "b.dat").write_bytes(noise(40, 1))
    path = record(tmp_path, "r 3 250 20\nr.dat 80\nb.dat 80 10(4)/V\nb.dat 80\n", noise(20))
    assert_equals_peer(path)


def test_the_invalid_code_of_a_format_becomes_nan(tmp_path):
    for number, code in ((16, b"\x00\x80"), (80, b"\x00"), (61, b"\x80\x00"), (32, b"\x00\x00\x00\x80")):
        path = record(tmp_path, f"r 1 250 2\nr.dat {number}\n", code + bytes([1] * len(code)))
        assert np.isnan(wfdb.read(path).signal[0]).tolist() == [True, False]


def named(folder, name, n, channels, seed):
    """A segment whose checksums and initial values hold."""
    codes = np.random.default_rng(seed).integers(-2000, 2000, (n, len(channels))).astype("<i2")
    sums = codes.sum(0, np.int64).astype(np.int16)
    lines = [
        f"{name}.dat 16 {gain}(3)/mV 12 0 {codes[0, i]} {sums[i]} 0 {label}\n"
        for i, (label, gain) in enumerate(channels)
    ]
    record(folder, f"{name} {len(channels)} 250 {n}\n{''.join(lines)}", codes.tobytes(), name)


def test_segments_in_a_fixed_layout_follow_one_another(tmp_path):
    named(tmp_path, "s1", 50, [("I", 200), ("II", 100)], 1)
    named(tmp_path, "s2", 30, [("I", 200), ("II", 100)], 2)
    (tmp_path / "m.hea").write_text("m/2 2 250 80\ns1 50\ns2 30\n")
    assert_equals_peer(tmp_path / "m")


def test_segments_in_a_variable_layout_are_placed_by_name_and_the_rest_is_nan(tmp_path):
    (tmp_path / "m_layout.hea").write_text(
        "m_layout 3 250 0\n~ 0 1 12 0 0 0 0 I\n~ 0 1 12 0 0 0 0 II\n~ 0 1 12 0 0 0 0 V\n"
    )
    named(tmp_path, "s1", 50, [("II", 100), ("I", 200)], 1)
    named(tmp_path, "s2", 30, [("V", 10)], 2)
    (tmp_path / "m.hea").write_text("m/4 3 250 95\nm_layout 0\ns1 50\n~ 15\ns2 30\n")
    ours, theirs = wfdb.read(tmp_path / "m"), peer.rdrecord(str(tmp_path / "m"), return_res=32)
    assert ours.channels == tuple(theirs.sig_name) == ("I", "II", "V")
    assert same_bits(ours.signal, theirs.p_signal.T)
    assert np.isnan(ours.signal[:, 50:65]).all()


def test_a_segment_may_come_again_but_holds_no_more_values_for_it(tmp_path):
    named(tmp_path, "s1", 50, [("I", 200), ("II", 100)], 1)
    (tmp_path / "m.hea").write_text("m/3 2 250 115\ns1 50\n~ 15\ns1 50\n")
    once = wfdb.read(tmp_path / "s1").signal
    gap = np.full((2, 15), np.nan)
    np.testing.assert_array_equal(wfdb.read(tmp_path / "m").signal, np.hstack([once, gap, once]))
    (tmp_path / "null.hea").write_text("null 2 250 15\n~ 0\n~ 0\n")  # as in the example of header(5)
    (tmp_path / "m.hea").write_text("m/3 2 250 115\ns1 50\nnull 15\ns1 50\n")
    np.testing.assert_array_equal(wfdb.read(tmp_path / "m").signal, np.hstack([once, gap, once]))
    named(tmp_path, "s2", 5000, [("I", 200)], 1)
    (tmp_path / "n.hea").write_text("n/2000 1 250\n" + "s2 5000\n" * 2000)
    with pytest.raises(RecordError, match=r"n\.hea: samples: got 10000000, wanted at most 100 for each of the"):
        wfdb.read(tmp_path / "n")


def test_a_gap_may_be_longer_than_what_was_recorded_and_may_be_all(tmp_path):
    named(tmp_path, "s1", 50, [("I", 200), ("II", 100)], 1)
    hours = 2 * 3600 * 250
    (tmp_path / "m.hea").write_text(f"m/3 2 250 {100 + hours}\ns1 50\n~ {hours}\ns1 50\n")
    found = wfdb.read(tmp_path / "m").signal
    assert found.shape == (2, 100 + hours)
    assert np.isnan(found[:, 50:-50]).all()
    assert not np.isnan(found[:, [49, -50]]).any()
    (tmp_path / "g_layout.hea").write_text("g_layout 1 250 0\n~ 0 200/mV 12 0 0 0 0 II\n")
    (tmp_path / "g.hea").write_text("g/2 1 250 90000\ng_layout 0\n~ 90000\n")
    gone = wfdb.read(tmp_path / "g")
    assert (gone.channels, gone.signal.shape) == (("II",), (1, 90000))
    assert np.isnan(gone.signal).all()


@pytest.mark.parametrize("name", ["100", "b7", "3"])
@pytest.mark.parametrize("moved", [True, False])
def test_a_record_may_be_named_with_its_folder(tmp_path, name, moved):
    home = tmp_path if moved else tmp_path / "ward"
    home.mkdir(exist_ok=True)
    (tmp_path / f"{name}.hea").write_text(f"ward/{name} 2 250 3\nward/{name}.dat 16\nward/{name}.dat 16\n")
    (home / f"{name}.dat").write_bytes(np.arange(6, dtype="<i2").tobytes())
    assert wfdb.read_codes(tmp_path / name).tolist() == [[0, 2, 4], [1, 3, 5]]
    for odd in ("/etc/x.dat", "../x.dat", "a/../x.dat", "a//x.dat"):
        (tmp_path / f"{name}.hea").write_text(f"{name} 1 250 3\n{odd} 16\n")
        with pytest.raises(RecordError, match=r"line 2, file: got .*, wanted a name in the folder of the header"):
            wfdb.read(tmp_path / name)


def test_signals_of_one_name_are_all_kept(tmp_path):
    named(tmp_path, "s1", 50, [("ECG", 200), ("ECG", 100)], 1)
    (tmp_path / "m_layout.hea").write_text("m_layout 2 250 0\n~ 0 1 12 0 0 0 0 ECG\n~ 0 1 12 0 0 0 0 ECG\n")
    (tmp_path / "m.hea").write_text("m/2 2 250 50\nm_layout 0\ns1 50\n")
    assert same_bits(wfdb.read(tmp_path / "m").signal, wfdb.read(tmp_path / "s1").signal)
    with pytest.raises(RecordError, match=r"s1\.hea: signal names: got ECG twice, wanted each once; use read"):
        wfdb.read_native(tmp_path / "s1")


def test_a_segment_whose_unit_changes_is_refused(tmp_path):
    named(tmp_path, "s1", 50, [("I", 200)], 1)
    record(tmp_path, "s2 1 250 2\ns2.dat 16 200/V 12 0 0 0 0 I\n", bytes(4), "s2")
    (tmp_path / "m.hea").write_text("m/2 1 250 52\ns1 50\ns2 2\n")
    with pytest.raises(RecordError, match=r"s2\.hea: units: got V, wanted mV as in the segments before"):
        wfdb.read(tmp_path / "m")


def test_a_header_with_one_signal_line_a_sample_is_one_channel(tmp_path):
    lines = "".join(f"r.dat 16 -130.7{i}(-32767)/a.u. 0 0 0 0 0\n" for i in range(300))
    read = wfdb.read(record(tmp_path, f"r 300 30 1\n{lines}# PPG\n", bytes(600)))
    assert (read.signal.shape, read.channels, read.units) == ((1, 300), ("PPG",), ("a.u.",))
    assert read.signal[0, 7] == np.float32(32767 / -130.77)


def test_the_subject_is_the_name_unless_a_comment_says(tmp_path):
    assert wfdb.read(record(tmp_path, "r 1 250 1\nr.dat 16\n", bytes(2))).subject == "r"
    assert wfdb.read(record(tmp_path, "r 1 250 1\nr.dat 16\n# subject: p17\n", bytes(2))).subject == "p17"


LINE, TWO = "r.dat 16 200 12 0", b"\1\0\2\0"
LIES = {
    "wrong checksum": (f"r 1 250 2\n{LINE} 1 9 0 II\n", TWO, 'r.dat: checksum of signal "II": got 3, wanted 9'),
    "wrong initial value": (f"r 1 250 2\n{LINE} 5 3 0 II\n", TWO, 'initial value of signal "II": got 1, wanted 5'),
    "truncated signal file": (f"r 1 250 9\n{LINE}\n", TWO, "r.dat: bytes: got 4, wanted 18 for 9 samples"),
    "unknown format": ("r 1 250 2\nr.dat 213\n", b"", "r.hea: line 2, format: got 213, wanted one of 8, 16"),
    "format that is no number": ("r 1 250 2\nr.dat x\n", b"", "line 2, format: got nothing, wanted a format number"),
    "absurd samples": (f"r 1 250 99999999999999999\n{LINE}\n", b"", "bytes: got 0, wanted 199999999999999998"),
    "samples past u64": (f"r 1 250 {10**30}\n{LINE}\n", b"", f"line 1, samples: got {10**30}, wanted a whole number"),
    "absurd samples a frame": (
        "r 1 250 9\nr.dat 16x9999999999999999999\n",
        b"",
        "for 9 samples|past any file|in range",
    ),
    "fewer signal lines": (f"r 3 250 2\n{LINE}\n", b"", "r.hea: signal lines: got 1, wanted 3 as line 1 says"),
    "negative samples": (f"r 1 250 -2\n{LINE}\n", b"", "line 1, samples: got -2, wanted a whole number"),
    "no rate": (f"r 1 0 2\n{LINE}\n", bytes(4), "line 1, rate: got 0, wanted a positive number of Hz"),
    "infinite gain": ("r 1 250 2\nr.dat 16 inf\n", bytes(4), "line 2, gain: got inf"),
    "two formats in a file": ("r 2 250 2\nr.dat 16\nr.dat 80\n", bytes(8), "line 3, format: got F80, wanted F16"),
    "file elsewhere": ("r 1 250 2\n../r.dat 16\n", b"", "line 2, file: got ../r.dat, wanted a name in the folder"),
    "empty header": ("\n# nothing\n", b"", "r.hea: record line: got an empty header"),
    "gaps that no file holds": (
        "r 2 250 99999999\n~ 0\n~ 0\n",
        b"",
        "r.hea: samples: got 199999998, wanted at most 100",
    ),
    "segments that contradict": ("r/1 1 250 99\ns 3\n", b"", "s.hea: header: got No such file"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_record_is_one_clear_error(tmp_path, lie):
    header, data, message = LIES[lie]
    path = record(tmp_path, header, data)
    pattern = message if "|" in message else re.escape(message)
    with pytest.raises(RecordError, match=pattern) as refusal:
        wfdb.read(path, strict=True)
    assert "\n" not in str(refusal.value)
    assert refusal.value.exit_code == 3


@pytest.mark.parametrize("lie", ["wrong checksum", "wrong initial value"])
def test_a_stale_checksum_is_a_warning_that_names_the_signal(tmp_path, lie):
    header, data, _ = LIES[lie]
    path = record(tmp_path, header, data)
    for reader in (read, wfdb.read):
        with pytest.warns(UserWarning, match=r'r\.dat: (checksum|initial value) of signal "II": got .*strict=True'):
            assert reader(path).signal[0] == pytest.approx([0.005, 0.01])
    with pytest.raises(RecordError, match=LIES[lie][2]):
        read(path, strict=True)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecordError, match=r"r\.hea: header: got No such file"):
        wfdb.read(tmp_path / "r")
    path = record(tmp_path, "r 1 250 1\nq.dat 16\n")
    with pytest.raises(RecordError, match=r"q\.dat: file: got No such file"):
        wfdb.read(path)
    path = record(tmp_path, "r 1 250 1\nr.dat 16\n", bytes(2))
    with pytest.raises(RecordError, match=r"r\.atr: annotations: got No such file"):
        wfdb.read(path, annotators=("atr",))
    assert wfdb.read(path).annotations == {}


@pytest.mark.parametrize("number", [508, 516, 524])
def test_a_flac_format_goes_through_wfdb_or_names_the_extra(number, tmp_path, monkeypatch):
    signal = np.random.default_rng(0).integers(-100, 101, (1000, 2)) << (number - 508)
    peer.wrsamp(
        "f",
        fs=250,
        units=["mV", "mV"],
        sig_name=["I", "II"],
        d_signal=signal,
        fmt=[str(number)] * 2,
        adc_gain=[200, 200],
        baseline=[0, 0],
        write_dir=str(tmp_path),
    )
    read = wfdb.read(tmp_path / "f")
    assert same_bits(read.signal, (signal.T / 200).astype(np.float32))
    header, data = (tmp_path / "f.hea").read_text(), (tmp_path / "f.dat").read_bytes()
    (tmp_path / "f.hea").write_text(header.replace(" II", ""))
    assert wfdb.read(tmp_path / "f").channels == ("I", "signal 1")
    (tmp_path / "f.hea").write_text(re.sub(r"\d+ 0 I\n", "77 0 I\n", header))
    with pytest.raises(RecordError, match=r'f: checksum of signal "I": got \d+, wanted 77 as the header says'):
        wfdb.read(tmp_path / "f", strict=True)
    with pytest.warns(UserWarning, match=r'f: checksum of signal "I": got \d+, wanted 77'):
        assert same_bits(wfdb.read(tmp_path / "f").signal, read.signal)
    (tmp_path / "f.hea").write_text(header)
    for damaged in (b"", data[: len(data) // 2], bytes(100)):
        (tmp_path / "f.dat").write_bytes(damaged)
        with pytest.raises(RecordError, match=r"f: FLAC signals: got .*, wanted a record that wfdb can read"):
            wfdb.read(tmp_path / "f")
    monkeypatch.setitem(__import__("sys").modules, "wfdb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'biotl\[wfdb\]'"):
        wfdb.read(tmp_path / "f")


def test_annotations_of_every_code_survive_wfdb_and_back(tmp_path):
    codes = [code for code in range(1, 42) if code not in (15, 17)]
    sample = np.cumsum(np.resize([1, 2000, 40, 5_000_000], len(codes)))
    peer.wrann(
        "r",
        "all",
        sample,
        symbol=[peer.io.annotation.ann_label_table.symbol[code] for code in codes],
        subtype=np.resize([0, -3, 7], len(codes)),
        chan=np.resize([0, 0, 1, 200], len(codes)),
        num=np.resize([0, 5, 7], len(codes)),
        aux_note=list(np.resize(["", "(N", "odd", "x" * 99], len(codes))),
        write_dir=str(tmp_path),
    )
    assert_annotations_equal_peer(tmp_path / "r", "all")
    assert wfdb.read_annotations(tmp_path / "r", "all").channel.max() == 200


def test_symbols_and_a_time_resolution_of_the_file_itself_are_taken_up(tmp_path):
    peer.wrann(
        "r",
        "own",
        np.array([10, 20]),
        symbol=["N", "z"],
        fs=500,
        write_dir=str(tmp_path),
        custom_labels=[(43, "z", "a mark of our own")],
    )
    marks = wfdb.read_annotations(tmp_path / "r", "own", fs=250.0)
    assert (marks.symbol.tolist(), marks.sample.tolist()) == (["N", "z"], [5, 10])


def test_a_time_resolution_that_no_index_can_follow_is_refused(tmp_path):
    note = b"## time resolution: 1e-300"
    (tmp_path / "r.atr").write_bytes(b"\0\x58" + bytes([len(note), 0xFC]) + note + b"\x64\x04\0\0")
    assert wfdb.read_annotations(tmp_path / "r", "atr").sample.tolist() == [100]
    with pytest.raises(RecordError, match=r"r\.atr: time resolution: got 1e-300 Hz, wanted one near the 360 Hz"):
        wfdb.read_annotations(tmp_path / "r", "atr", fs=360)


def test_an_annotation_file_that_is_cut_short_is_refused(tmp_path):
    (tmp_path / "r.atr").write_bytes(b"\x12\x70\x0c")
    with pytest.raises(RecordError, match="wanted an end marker: the file is cut short"):
        wfdb.read_annotations(tmp_path / "r", "atr")


GOOD = "r 2 360 8\nr.dat 212x2:1 200(5)/mV 11 1024 -1 7 0 MLII\nr.dat 212 200 11 1024 -1 7 0 V5\n# 69 M\n"
TEXT = st.text("0123456789 ./+-x:()#~\n", max_size=5)
quiet = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quiet
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 4), TEXT), max_size=4),
    st.binary(max_size=60),
)
def test_a_mutated_header_is_read_or_refused_but_nothing_else(tmp_path, edits, data):
    header = GOOD
    for at, drop, text in edits:
        header = header[:at] + text + header[at + drop :]
    try:
        read = wfdb.read(record(tmp_path, header, data), strict=True)
    except RecordError as error:
        message = str(error)
    else:
        message = ""
        assert read.signal.size <= 100 * (len(header) + len(data))
    assert "\n" not in message


def mutated(rng, data):
    """Some bytes with a bit turned, a byte replaced, cut off, cut out, doubled or put in."""
    at, n = int(rng.integers(len(data))), int(rng.integers(1, 9))
    noise = rng.integers(0, 256, n, np.uint8).tobytes()
    digits = bytes(rng.choice(list(b"0123456789"), n).astype(np.uint8))
    return [
        data[:at] + bytes([data[at] ^ 1 << int(rng.integers(8))]) + data[at + 1 :],
        data[:at] + noise[:1] + data[at + 1 :],
        data[:at],
        data[:at] + data[at + n :],
        data[: at + n] + data[at:],
        data[:at] + noise + data[at:],
        data[:at] + digits + data[at + 1 :],
    ][int(rng.integers(7))]


def test_three_thousand_damaged_records_are_read_within_their_files_or_refused(tmp_path):
    rng = np.random.default_rng(0)
    whole = {}
    for number in FORMATS:
        data = rng.integers(0, 256, 240, np.uint8).tobytes()
        codes = np.array(wfdb_codes(number, data, 120)).reshape(60, 2).T.astype(np.int64)
        codes = codes.cumsum(axis=1) + 5 if number == 8 else codes
        first, sums = [5, 5] if number == 8 else codes[:, 0], codes.sum(1).astype(np.int16)
        line = "r.dat {} 200(3)/mV 12 0 {} {} 0 {}\n".format
        lines = "".join(line(number, first[i], sums[i], name) for i, name in enumerate(("MLII", "V5")))
        whole[number] = f"r 2 360 60\n{lines}# 69 M\n".encode(), data, codes
    refused = []
    for round_ in range(3000):
        number = FORMATS[round_ % len(FORMATS)]
        header, data, codes = whole[number]
        damaged = round_ // len(FORMATS) % 3
        (tmp_path / "r.hea").write_bytes(mutated(rng, header) if damaged else header)
        (tmp_path / "r.dat").write_bytes(mutated(rng, data) if damaged != 1 else data)
        room = sum(file.stat().st_size for file in tmp_path.iterdir())
        try:
            found = wfdb.read_codes(tmp_path / "r", strict=True)
        except RecordError as error:
            refused.append(str(error))
            continue
        assert found.size <= 100 * room
        # what the 16 bits of a checksum cannot see: bits above them, and changes that cancel out
        if damaged == 0 and number not in (24, 32) and not np.array_equal(found, codes):
            assert ((found.sum(1, dtype=np.int64) - codes.sum(1)) % 65536 == 0).all()
            assert (found != codes).sum() > 1
    assert len(refused) > 1000
    assert not any("\n" in message for message in refused)


@quiet
@given(data=st.binary(max_size=400))
def test_any_bytes_are_annotations_or_refused(tmp_path, data):
    (tmp_path / "r.atr").write_bytes(data)
    try:
        marks = wfdb.read_annotations(tmp_path / "r", "atr")
    except RecordError:
        return
    assert len(marks) == len(marks.symbol) == len(marks.aux) == len(marks.number)
    assert len(marks) <= len(data) // 2
    assert (marks.sample >= 0).all()


def test_results_do_not_depend_on_threads(mitdb):
    paths = [mitdb / name for name in ("100", "114", "201", "234")] * 2

    def digest(path):
        read = wfdb.read(path)
        return hashlib.sha256(read.signal.tobytes() + read.annotations["atr"].sample.tobytes()).hexdigest()

    digests = []
    for threads in (1, 2, 7):
        with ThreadPoolExecutor(threads) as pool:
            digests.append(tuple(pool.map(digest, paths)))
    assert len(set(digests)) == 1
