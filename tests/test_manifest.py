"""Entries: from a manifest, an adapter, and what can be seen to be wrong with them."""

import dataclasses
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from biotl.datasets.check import examine_manifest
from biotl.datasets.labels import BeatClass
from biotl.datasets.manifest import Entry, read_manifest
from biotl.datasets.sentences import SentencePreprocessor
from biotl.datasets.spec_kinds import SentenceSpec
from biotl.datasets.splits import SplitConfig, make_split
from biotl.errors import RecordError
from biotl.records import ecg
from biotl.records.write import write_wfdb


def write(path, text):
    path.write_text(text)
    return path


def test_a_manifest_gives_files_people_splits_and_labels(tmp_path):
    path = write(
        tmp_path / "mine.csv",
        "\ufeffid, file,file2,subject,split,time,quality\n"
        "a,x/ppg.csv,x/acc.csv,p1,train,2024-01-02,good\n\n"
        "b,y/ppg.csv,,p2,test,2024-01-01,\n",
    )
    a, b = read_manifest(path)
    assert a.files == (tmp_path / "x/ppg.csv", tmp_path / "x/acc.csv")
    assert (a.id, a.subject, a.split, a.when) == ("a", "p1", "train", "2024-01-02")
    assert (a.labels[0].start_s, a.labels[0].stop_s, dict(a.labels[0].values)) == (0, math.inf, {"quality": "good"})
    assert b.files == (tmp_path / "y/ppg.csv",)


def test_stretches_of_one_recording_stand_in_rows_of_their_own(tmp_path):
    path = write(tmp_path / "m.csv", "id,file,subject,start_s,stop_s,rhythm\na,a,p,0,10,N\na,a,p,10,30.5,AF\n")
    (entry,) = read_manifest(path)
    assert [(x.start_s, x.stop_s, x.values["rhythm"]) for x in entry.labels] == [(0, 10, "N"), (10, 30.5, "AF")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "row 1: got nothing"),
        ("id,file\na,b\n", "row 1: got id, file, wanted a column 'subject'"),
        ("id,file,subject,id\n", "row 1: got the column 'id' twice"),
        ("id,file,subject\na,b\n", "row 2: got 2 cells, wanted 3"),
        ("id,file,subject\na,b,p\n,b,p\n", "row 3, id: got nothing"),
        ("id,file,subject\na,b,p\na,c,p\n", "row 3, id: got a, wanted an id that stands once"),
        ("id,file,subject,split\na,b,p,training\n", "row 2, split: got training, wanted train, validation, test"),
        ("id,file,subject,start_s,stop_s,x\na,b,p,3,2,1\n", "row 2, stop_s: got 2, wanted more than 3"),
        ("id,file,subject,start_s,stop_s,x\na,b,p,zero,2,1\n", "row 2, start_s: got zero"),
        ("id,file,subject,start_s,stop_s,x\na,b,p,0,2,1\na,b,q,2,3,1\n", "row 3, subject: got another than before"),
        ("id,file,subject,start_s,stop_s,x\na,b,p,0,2,1\nb,b,p,2,3,1\n", "row 3, id: got b for a stretch of b, wanted"),
    ],
)
def test_a_fault_is_named_by_row_and_column(tmp_path, text, message):
    path = write(tmp_path / "m.csv", text)
    with pytest.raises(RecordError) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert len(str(caught.value)) < 300 + len(str(path))


def test_a_manifest_says_what_a_file_does_not(tmp_path):
    (tmp_path / "a.csv").write_text("one,two\n" + "1,2\n" * 500)
    path = write(tmp_path / "m.csv", "id,file,subject,fs,channels\na,a.csv,p,250,ECG; PPG\n")
    (record,) = read_manifest(path)[0].read()
    assert (record.fs, record.channels, record.subject) == (250, ("ECG", "PPG"), "p")
    (wrong,) = read_manifest(write(path, "id,file,subject,fs,channels\na,a.csv,p,250,ECG\n"))
    with pytest.raises(RecordError, match=r"channels: got 2 \(one, two\), wanted 1 as named"):
        wrong.read()


def test_a_manifest_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(RecordError, match=r"none\.csv"):
        read_manifest(tmp_path / "none.csv")


def test_a_manifest_of_windows_names_files_below_it_and_no_drive(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("id,file,subject\na,ward\\a.csv,p\nb,ward\\odd,q\n")
    (tmp_path / "ward\\odd").touch()
    assert [entry.files[0] for entry in read_manifest(path)] == [tmp_path / "ward" / "a.csv", tmp_path / "ward\\odd"]
    path.write_text("id,file,subject\na,D:\\ward\\a.csv,p\n")
    with pytest.raises(RecordError, match=r"row 2, file: got .*wanted a file relative to the manifest; of a drive"):
        read_manifest(path)


def people(folder, n=3, **changes):
    """Recordings of people, each in a folder of its own, all of one file name."""
    found = []
    for k in range(n):
        record = dataclasses.replace(ecg(1, k, duration_s=20.0), name="ecg", **changes)
        found.append(
            Entry(f"r{k}", (write_wfdb(record, folder / f"p{k}"),), f"p{k}", ("train", "train", "test")[k % 3])
        )
    return found


def messages(found, check):
    return [f"{x.level}: {x.message}" for x in found if x.check == check]


def test_nothing_is_found_where_nothing_is_wrong(tmp_path):
    held = people(tmp_path)
    found = examine_manifest(held, SentencePreprocessor(SentenceSpec()), target=BeatClass())
    assert {x.check for x in found} <= {"classes"}


def test_missing_files_and_one_file_under_two_ids_are_found(tmp_path):
    held = people(tmp_path)
    held.append(dataclasses.replace(held[0], id="again", files=(Path(f"{held[0].files[0]}.hea"),)))
    held.append(Entry("gone", (tmp_path / "gone",), "x"))
    found = examine_manifest(held)
    assert "stands under two ids: r0 and again" in messages(found, "file")[0]
    assert messages(found, "recording")[0].startswith("error: gone: ")


def test_one_recording_under_two_names_is_found_by_its_contents(tmp_path):
    held = people(tmp_path)
    twin = tmp_path / "twin"
    shutil.copytree(tmp_path / "p0", twin)
    held.append(Entry("twin", (twin / "ecg",), "somebody", "test"))
    found = examine_manifest(held)
    assert messages(found, "twins") == ["error: r0 and twin hold the same signal, in train and in test"]
    assert messages(found, "subjects") == []


def test_a_subject_on_two_splits_is_found_whatever_the_records_are_called(tmp_path):
    held = people(tmp_path)
    held[2] = dataclasses.replace(held[2], subject="p0")
    assert "subject p0 is in train (r0) and in test (r2)" in messages(examine_manifest(held), "subjects")[0]
    # 201 and 202 are two people where the manifest says so
    mine = [
        dataclasses.replace(e, id=n, subject=n) for e, n in zip(people(tmp_path), ("201", "203", "202"), strict=True)
    ]
    assert messages(examine_manifest(mine), "subjects") == []
    split = make_split(mine, SplitConfig(), seed=0)
    assert split.claim == "subjects never seen"


def test_units_rates_gaps_and_classes_of_one_person_are_found(tmp_path):
    held = people(tmp_path)
    odd = ecg(1, 7, duration_s=20.0, fs=250.0)
    signal = odd.signal * 1000
    signal[:, : signal.shape[1] // 5] = np.nan
    odd = dataclasses.replace(odd, name="ecg", signal=signal, units=("uV",) * len(odd.units))
    held.append(Entry("odd", (write_wfdb(odd, tmp_path / "odd"),), "p9", "test"))
    found = examine_manifest(held, SentencePreprocessor(SentenceSpec()), target=BeatClass())
    assert any("unit mV in 3 (r0), uV in 1 (odd)" in text for text in messages(found, "units"))
    assert any("360.0 in 3 (r0), 250.0 in 1 (odd)" in text for text in messages(found, "rates"))
    assert "odd" in messages(found, "gaps")[0]
    assert any("class F: 0 examples in test, of nobody" in text for text in messages(found, "classes"))


def test_a_flat_channel_and_one_a_thousand_times_too_large_are_found(tmp_path):
    held = people(tmp_path)
    record = ecg(1, 7, duration_s=20.0)
    for name, signal in (("flat", record.signal * [[1], [0]] + [[0], [0.3]]), ("large", record.signal * 1000)):
        odd = dataclasses.replace(record, name="ecg", signal=signal.astype(np.float32))
        held.append(Entry(name, (write_wfdb(odd, tmp_path / name),), name, "train"))
    found = examine_manifest(held)
    assert messages(found, "flat") == ["warning: one value throughout in 1 channels: flat V1"]
    sizes = messages(found, "size")
    assert [text.split(" spans")[0] for text in sizes] == ["warning: channel MLII", "warning: channel V1"]
    assert all(re.search(r"large \d{3,4} times as much: is the unit or the gain right", text) for text in sizes)
    assert examine_manifest(people(tmp_path / "whole")) == []


@pytest.mark.parametrize(
    ("separator", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-16"), (";", "latin-1"), (",", "latin-1")]
)
def test_a_manifest_is_read_as_spreadsheets_of_any_country_save_it(tmp_path, separator, encoding):
    comma = "0.5" if separator == "," else "0,5"
    rows = [["id", "file", "subject", "start_s", "rhythm", "age"], ["a", "Bär.csv", "Zoë", comma, "normal", comma]]
    path = tmp_path / "mine.csv"
    path.write_bytes("".join(f"{separator.join(row)}\r\n" for row in rows).encode(encoding))
    (entry,) = read_manifest(path)
    assert (entry.files, entry.subject) == ((tmp_path / "Bär.csv",), "Zoë")
    assert entry.labels[0].start_s == 0.5
    assert dict(entry.labels[0].values) == {"rhythm": "normal", "age": "0.5"}


def test_an_empty_part_of_the_split_is_found_and_hundreds_of_scarce_classes_are_few_lines(tmp_path):
    path = write_wfdb(ecg(3, 0, duration_s=20.0), tmp_path)
    entries = [Entry("a", (path,), "p", "train"), Entry("b", (path.with_name("none"),), "q", "validation")]
    split = make_split(entries, SplitConfig(by="split"), seed=0)
    target = BeatClass(classes={chr(200 + k): f"class {k}" for k in range(300)})
    found = examine_manifest(entries, SentencePreprocessor(SentenceSpec()), split, target=target)
    said = [one.message for one in found]
    assert "no recording is in test: `biotl finetune` wants some in each part" in said
    assert "290 more classes are of one subject or nobody in train" in said
    assert len(said) < 40
