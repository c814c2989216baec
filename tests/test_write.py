"""What is written as WFDB reads back as it was, by biotl and by the wfdb package, or is refused."""

import subprocess
import sys

import numpy as np
import pytest
import wfdb as peer

from biotl.cli import main
from biotl.errors import ConfigError
from biotl.records import Annotations, Record, ecg, read, wfdb
from biotl.records.write import write_annotations, write_wfdb

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the wfdb package, on NaN


def marks(sample, symbol, aux=None, n=1):
    zero = np.zeros(len(sample), np.int8)
    aux = tuple(aux or [""] * len(sample))
    return Annotations(np.array(sample, np.int64), np.array(symbol), aux, zero, zero, zero)


def lead(values, unit="mV", name="r"):
    return Record(name, np.atleast_2d(np.asarray(values, np.float32)), 250.0, ("II",), (unit,), "p1")


@pytest.mark.parametrize("seed", range(12))
def test_files_are_those_of_the_wfdb_package(tmp_path, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 400))
    signal = rng.normal(size=(2, n)) * 10 ** rng.uniform(-4, 4) + rng.normal() * 10 ** rng.uniform(-3, 2)
    signal[0, rng.integers(n)] = np.nan
    signal[1] = 3.5 if seed % 3 == 0 else signal[1]
    signal = signal.astype(np.float32)
    samples = np.sort(rng.integers(0, 10 ** int(rng.integers(2, 9)), 30))
    fields = [rng.integers(0, 4, 30).astype(np.int8) for _ in range(3)]
    notes = tuple(map(str, rng.choice(["", "(AFIB", "odd"], 30)))
    found = Annotations(samples.astype(np.int64), rng.choice(list('NVA+"~x'), 30), notes, *fields)
    fs = float(rng.choice([250, 360.5, 128]))
    write_wfdb(Record("r", signal, fs, ("I", "lead two"), ("mV", "g"), "s", {"atr": found}), tmp_path / "ours")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    peer.wrsamp(
        "r", fs=fs, units=["mV", "g"], sig_name=["I", "lead two"], p_signal=signal.T.astype(float), fmt=["16", "16"],
        comments=["subject: s"], write_dir=str(theirs),
    )  # fmt: skip
    peer.wrann(
        "r", "atr", samples, symbol=found.symbol.tolist(), subtype=fields[0].astype(int), chan=fields[1].astype(int),
        num=fields[2].astype(int), aux_note=list(notes), fs=fs, write_dir=str(theirs),
    )  # fmt: skip
    for name in ("r.hea", "r.dat", "r.atr"):
        assert (tmp_path / "ours" / name).read_bytes() == (theirs / name).read_bytes(), name


def test_no_unit_is_written_as_no_unit(tmp_path):
    assert read(write_wfdb(lead(np.arange(99) % 7, unit=""), tmp_path)).units == ("NU",)
    assert peer.rdrecord(str(tmp_path / "r")).units == ["NU"]


def test_a_channel_of_gaps_alone_is_written_and_read(tmp_path):
    both = np.stack([np.full(50, np.nan), np.arange(50.0)]).astype(np.float32)
    record = Record("r", both, 250.0, ("I", "II"), ("mV", "mV"), "p1")
    got = read(write_wfdb(record, tmp_path))
    assert np.isnan(got.signal[0]).all()
    np.testing.assert_allclose(got.signal[1], both[1], atol=1e-3)


@pytest.mark.parametrize("name", ["subject.01", "a b", "", "../x", "a/b", "é"])
def test_a_name_that_wfdb_cannot_hold_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"record name: got .*, wanted letters, digits, _ and -"):
        write_wfdb(lead(np.zeros(9), name=name), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (lead([1, np.inf]), "r, II: got an infinite value"),
        (lead([1, 2], unit="m V"), "WFDB cannot hold the unit 'm V' of channel 'II'"),
    ],
)
def test_a_value_or_unit_that_wfdb_cannot_hold_is_refused(tmp_path, record, message):
    with pytest.raises(ConfigError, match=message):
        write_wfdb(record, tmp_path)


@pytest.mark.parametrize("n", [1, 254, 255])
def test_a_note_of_at_most_255_characters_reads_back(tmp_path, n):
    write_annotations(tmp_path / "r", "atr", marks([3, 900], ["N", '"'], ["", "z" * n]), fs=250)
    found = wfdb.read_annotations(tmp_path / "r", "atr")
    assert (found.sample.tolist(), found.aux) == ([3, 900], ("", "z" * n))


@pytest.mark.parametrize(
    ("annotator", "found", "message"),
    [
        ("atr", marks([5], ['"'], ["z" * 256]), "mark 0: got a note of 256 characters, wanted at most 255"),
        ("atr", marks([5], ['"'], ["♥"]), "mark 0: got the note '♥', wanted characters of Latin-1"),
        ("atr", marks([5], ["beat"]), "mark 0: got symbol 'beat', wanted one of WFDB's"),
        ("atr", marks([5, 4], ["N", "N"]), "marks: got 4 after a later one, wanted marks in order"),
        ("atr", marks([-5], ["N"]), "marks: got -5 after a later one"),
        ("atr", marks([], []), "marks: got none"),
        ("a.b", marks([5], ["N"]), "annotator: got 'a.b', wanted letters only"),
    ],
)
def test_marks_that_the_format_cannot_hold_are_refused_and_no_file_is_left(tmp_path, annotator, found, message):
    with pytest.raises(ConfigError, match=message):
        write_annotations(tmp_path / "r", annotator, found)
    assert list(tmp_path.iterdir()) == []


def test_synth_overwrites_nothing_and_refuses_what_no_memory_holds(tmp_path, capsys):
    (tmp_path / "s001.csv").write_text("mine")
    assert main(["synth", str(tmp_path), "--subjects", "2", "--minutes", "0.1"]) == 2
    assert "s001.csv: is there already, and nothing is overwritten" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["s001.csv"]
    assert main(["synth", str(tmp_path / "new"), "--minutes", "1e9"]) == 2
    assert "minutes at 360 Hz are 2.16e+13 samples, wanted at most 12,000,000" in capsys.readouterr().err
    assert main(["synth", str(tmp_path / "new"), "--subjects", "1", "--minutes", "0.1"]) == 0
    assert main(["synth", str(tmp_path / "new"), "--subjects", "1", "--minutes", "0.1"]) == 2


def test_a_record_is_written_without_the_wfdb_package(tmp_path):
    code = "import sys; sys.modules['wfdb'] = None; from biotl.records import ecg;"
    code += f"from biotl.records.write import write_wfdb; write_wfdb(ecg(1, duration_s=5.0), {str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(read(tmp_path / "s000").annotations["atr"]) > 3


def test_a_record_shows_itself_in_one_line_and_is_equal_to_its_like():
    one, two = ecg(3, duration_s=5.0), ecg(3, duration_s=5.0)
    assert repr(one) == (
        "Record('s000', 2 x 1800 at 360 Hz, 5.0 s: MLII (mV), V1 (mV), atr: "
        f"{len(one.annotations['atr'])} marks, waves: {len(one.annotations['waves'])} marks)"
    )
    assert repr(one.annotations["atr"]) == f"Annotations({len(one.annotations['atr'])} marks)"
    assert one == two
    assert one != ecg(3, duration_s=6.0)
    assert one.annotations["atr"] != two.annotations["waves"]
    many = Record("m", np.zeros((40, 3), np.float32), 1.0, ("x",) * 40, ("",) * 40, "m")
    assert len(repr(many)) < 200
