"""Public data sets as entries: who was recorded, what is known, and files that hold many recordings."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from biotl.datasets.adapters import ADAPTERS, entries
from biotl.datasets.labels import ChannelAt, WindowClass, WindowValue
from biotl.datasets.manifest import Entry, read_manifest
from biotl.datasets.prepare import origin, prepare_store
from biotl.datasets.sequences import SequencePreprocessor
from biotl.datasets.spec import Channel
from biotl.datasets.spec_kinds import SequenceSpec, WindowSpec
from biotl.datasets.windows import WindowPreprocessor
from biotl.errors import ConfigError, RecordError
from biotl.records import Record
from biotl.records.write import write_wfdb
from biotl.signal import rpeaks
from conftest import data_folder

ACC = ("ACC_X", "ACC_Y", "ACC_Z")


@pytest.mark.parametrize(("name", "recordings", "people"), [("mitdb", 48, 47), ("ludb", 100, 100), ("qtdb", 15, 15)])
def test_wfdb_data_sets_are_listed_with_who_was_recorded(name, recordings, people):
    found = ADAPTERS[name](data_folder(name))
    assert (len(found), len({entry.subject for entry in found})) == (recordings, people)
    assert found[0].read(())[0].subject == found[0].subject


def test_a_manifest_works_in_place_of_an_adapter(tmp_path, mitdb):
    path = tmp_path / "m.csv"
    path.write_text("id,file,subject\na,b,p\n")
    assert entries(SimpleNamespace(manifest=path, adapter="mitdb", root=mitdb))[0].id == "a"
    assert len(entries(SimpleNamespace(manifest=None, adapter="mitdb", root=mitdb))) == 48
    with pytest.raises(ConfigError, match="did you mean 'mitdb'"):
        entries(SimpleNamespace(manifest=None, adapter="mitbd", root=mitdb))
    with pytest.raises(ConfigError, match="neither a manifest nor a root"):
        entries(SimpleNamespace(manifest=None, adapter="mitdb", root=None))


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_a_folder_without_recordings_is_refused_by_name(tmp_path, name):
    for root in (tmp_path, tmp_path / "gone"):
        with pytest.raises(RecordError, match=f"no recording, wanted the files of {name}"):
            entries(SimpleNamespace(manifest=None, adapter=name, root=root))


def test_every_record_of_but_ppg_is_accounted_for(tmp_path):
    found = ADAPTERS["butppg"](data_folder("butppg") / "raw")
    assert (len(found), len({entry.subject for entry in found})) == (24, 6)
    channels = (
        {"name": "ACC_X", "optional": True},
        {"name": "PPG", "normalizer": "window"},
        {"name": "ECG", "unit": "mV"},
    )
    preprocessor = WindowPreprocessor(WindowSpec(fs=125, length_s=10, channels=channels, gaps="mask"))
    store, refused = prepare_store(
        found, preprocessor, WindowClass("quality", {"poor": "poor", "good": "good"}), tmp_path
    )
    assert refused == []
    held = np.load(data_folder("butppg") / "butppg_v1.npz")
    assert [int(store.targets(str(id_))["labels"][0]) for id_ in held["record_id"]] == held["quality"].tolist()
    rates = [
        WindowValue("heart_rate").of(entry, [], store[entry.id], np.array([[0, 300]]))["target"][0] for entry in found
    ]
    assert rates == held["hr"].tolist()
    assert all(store.cuts(id_) == 1 for id_ in store)
    window = preprocessor.inputs(store["100001"], preprocessor.cuts(store["100001"])[0])
    assert window["measured"].all(axis=1).tolist() == [False, True, True]


def test_windows_of_one_file_are_entries_and_come_back_as_they_are(tmp_path):
    folder = data_folder("troika")
    found = ADAPTERS["troika"](folder)
    assert (len(found), len({entry.subject for entry in found})) == (198, 6)
    channels = tuple({"name": name} for name in ("PPG", "ACC_Z", "ACC_X"))
    preprocessor = WindowPreprocessor(WindowSpec(fs=125, length_s=10, channels=channels))
    store, refused = prepare_store(found, preprocessor, WindowClass("label", {"0": "poor", "1": "good"}), tmp_path)
    assert refused == []
    held = np.load(folder / "troika_windows_5ch.npz")
    for k in (0, 7, 197):
        id_ = found[k].id
        np.testing.assert_array_equal(store[id_].arrays["signal"], held["signals"][k][[3, 2, 0]])
        assert store.targets(id_)["labels"].tolist() == [held["labels"][k]]
        assert store.subjects[id_] == str(held["record"][k])[:2]


def test_the_rate_of_each_window_of_the_signal_processing_cup_is_its_trace(tmp_path):
    found = ADAPTERS["troika"](data_folder("spcup2015"))
    channels = ({"name": "PPG"}, {"name": "ACC_Z"})
    preprocessor = WindowPreprocessor(WindowSpec(fs=125, length_s=8, step_s=2, channels=channels))
    store, refused = prepare_store(found, preprocessor, WindowValue("heart_rate", "bpm"), tmp_path)
    assert refused == []
    assert len(store) == 11
    assert store.subjects["S02_T01"] == store.subjects["S02_T02"] == "S02"
    assert all(store.targets(id_)["mask"].all() for id_ in store)
    from scipy.io import loadmat

    trace = loadmat(data_folder("spcup2015") / "train" / "DATA_03_TYPE02_BPMtrace.mat")["BPM0"].ravel()
    np.testing.assert_allclose(store.targets("03_TYPE02")["target"], trace, atol=1e-3)


def test_workouts_know_their_users_and_refuse_rates_that_no_heart_has(tmp_path):
    found = ADAPTERS["workouts"](data_folder("workouts"))
    assert (len(found), len({entry.subject for entry in found})) == (26, 7)
    channels = ({"name": "speed", "unit": "km/h"}, {"name": "altitude", "unit": "m"})
    preprocessor = SequencePreprocessor(SequenceSpec(fs=0.2, length=500, channels=channels))
    target = ChannelAt(Channel(name="heart_rate", unit="bpm"), limits=(50, 220))
    with pytest.warns(UserWarning, match="sweatpy__3173437224"):
        store, refused = prepare_store(found, preprocessor, target, tmp_path, threads=1)
    assert len(store) == 25
    # the only file with such a value, 45 bpm: firefly_saf__11 lacks nine values, which is a gap and not a rate
    assert [Path(error.path).name for error in refused] == ["sweatpy__3173437224.tcx.csv"]
    rates = {entry.id: np.genfromtxt(entry.files[0], delimiter=",", skip_header=1)[:, 3] for entry in found}
    beyond = {name for name, rate in rates.items() if np.nanmin(rate) < 50 or np.nanmax(rate) > 220}
    assert beyond == {"csv/sweatpy__3173437224.tcx.csv"}
    lost = {name: np.isnan(rate).sum() for name, rate in rates.items() if np.isnan(rate).any()}
    assert lost == {"csv/firefly_saf__11.tcx.csv": 9}
    assert store.targets("csv/firefly_saf__11.tcx.csv")["mask"].all()
    # 4 of its minutes were paused: nothing is known of them, and nothing is scored
    paused = store.targets("csv/tormoder_fit__bpg__garmin.fit.csv")["mask"]
    assert 0.9 < paused.mean() < 1


def test_the_documented_dictionary_of_workouts_is_read_at_its_own_step():
    path = data_folder("workouts") / "workouts_500.npz"
    held = np.load(path)
    record = Entry("a", (path / "4",), "6").read()[0]
    assert record.channels == ("speed", "altitude", "heart_rate")
    np.testing.assert_array_equal(record.signal, [held[name][4] for name in record.channels])
    assert record.fs == pytest.approx(499 / held["timestamps"][4, -1])


def test_each_line_of_endomondo_is_a_workout_with_its_user_and_time(tmp_path):
    def line(number):
        rate = [100 + number, 110, 120]
        about = {"speed": [8.0, 9.0, 10.0], "altitude": [1, 2, 3], "heart_rate": rate, "userId": number % 2}
        return str(about | {"id": 50 + number, "timestamp": [1.4e9 - 1e6 * number + 5 * i for i in range(3)]})

    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / "endomondo.json"
    path.write_text("\n\n".join(line(k) for k in range(20)) + "\n{'heart_rate': [1], 'timestamp': []}\n")
    (folder / "scaler_params.json").write_text('{"speed_mean": 9.7}')
    found = ADAPTERS["workouts"](folder)
    assert [entry.id for entry in found] == [f"endomondo.json/{k}" for k in range(21)]
    assert [entry.subject for entry in found] == [*"01" * 10, ""]
    assert min(found[:20], key=lambda entry: entry.when).id == "endomondo.json/19"
    (record,) = found[17].read()
    assert (record.name, record.subject, record.fs, record.source) == ("67", "1", 1.0, path / "17")
    assert record.channel("heart_rate")[[0, 5, 10]].tolist() == [117, 110, 120]
    (tmp_path / "m.csv").write_text("id,file,subject\na,data/endomondo.json/17,Ada\n")
    assert read_manifest(tmp_path / "m.csv")[0].read()[0].name == "67"
    with pytest.raises(RecordError, match=r"endomondo.json/21: member: got 21, wanted less than the 21"):
        Entry("a", (path / "21",), "").read()
    before = origin(found[0], ())
    assert before != origin(found[1], ())
    preprocessor = SequencePreprocessor(SequenceSpec(fs=0.2, length=60, channels=({"name": "speed", "unit": "km/h"},)))
    target = ChannelAt(Channel(name="heart_rate", unit="bpm"))
    store, (refused,) = prepare_store(found, preprocessor, target, folder / "store", threads=1)
    assert (len(store), refused.field) == (20, "line 40")  # the last is no workout, and the rest goes on
    path.write_text(line(3))
    assert [entry.id for entry in ADAPTERS["workouts"](folder)] == ["endomondo.json/0"]
    assert origin(found[0], ()) != before


@pytest.fixture
def many(tmp_path):
    x = np.random.default_rng(0).normal(size=(6, 2, 1250)).astype(np.float32)
    np.savez(tmp_path / "train_windows.npz", data=x, labels=np.arange(6) % 2, patient_ids=np.array(list("aabbcc")))
    np.savez(tmp_path / "val.npz", signals=x[:, 0] + 1, patient_ids=np.array(list("ddeeff")))
    return tmp_path, x


def test_documented_files_say_their_split_subjects_and_channels(many):
    folder, x = many
    found = ADAPTERS["windows"](folder)
    assert [entry.split for entry in found] == ["train"] * 6 + ["validation"] * 6
    assert [entry.subject for entry in found] == list("aabbccddeeff")
    (record,) = found[3].read()
    assert (record.channels, record.fs) == (("PPG", "ECG"), 125)
    np.testing.assert_array_equal(record.signal, x[3])
    assert found[9].read()[0].channels == ("signal",)
    assert dict(found[3].labels[0].values) == {"label": "1", "patient_ids": "b"}
    # a manifest may name a member too
    manifest = folder / "m.csv"
    manifest.write_text("id,file,subject\nx,train_windows.npz/3,b\n")
    np.testing.assert_array_equal(read_manifest(manifest)[0].read()[0].signal, x[3])


def test_integers_with_a_scale_long_arrays_with_offsets_and_single_recordings_are_read(tmp_path):
    x = np.arange(24, dtype=np.int16)
    np.savez(tmp_path / "a.npz", x=x, offsets=[0, 10, 24], scale=0.5, fs=100.0, channels=["PPG"], sex=["F", "M"])
    _, b = ADAPTERS["windows"](tmp_path / "a.npz")
    np.testing.assert_array_equal(b.read()[0].signal, x[None, 10:] * 0.5)
    assert b.labels[0].values["sex"] == "M"
    np.savez(tmp_path / "b.npz", x=x.reshape(2, 12), gain=4.0, fs=100.0, channels=["PPG", "ECG"])
    (only,) = ADAPTERS["windows"](tmp_path / "b.npz")
    assert only.read()[0].channels == ("PPG", "ECG")
    np.testing.assert_array_equal(only.read()[0].signal, x.reshape(2, 12) / 4)


def test_a_member_changes_its_origin_with_its_file_and_its_number(many):
    folder, x = many
    a, b = (origin(entry, ()) for entry in ADAPTERS["windows"](folder)[:2])
    assert a != b
    np.savez(folder / "train_windows.npz", data=x + 1)
    assert origin(ADAPTERS["windows"](folder)[0], ()) != a


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros(4)}, r"arrays: got x \(4,\), wanted signals, data or x"),
        ({"data": np.zeros((2, 3, 4))}, "channels: got 3 and 0 names, wanted a name for each"),
        ({"data": np.zeros((2, 2, 4))}, "member: got 9, wanted less than the 2 of the file"),
        ({"data": np.array([object()])}, "archive: got Object arrays cannot be loaded"),
    ],
)
def test_a_file_of_another_shape_is_refused_by_what_it_holds(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(RecordError, match=message):
        Entry("a", (tmp_path / "a.npz" / ("9" if "member" in message else "0"),), "p").read()


def test_a_damaged_file_of_many_is_refused(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(RecordError, match=r"a\.npz: archive"):
        Entry("a", (tmp_path / "a.npz" / "0",), "p").read()


def test_operations_of_one_patient_are_one_subject(tmp_path):
    for case in ("0001", "0002", "0003"):
        (tmp_path / f"{case}.vital").touch()
    assert {entry.subject for entry in ADAPTERS["vitaldb"](tmp_path)} == {""}
    (tmp_path / "clinical_data.csv").write_text("\ufeffcaseid,subjectid,age\n1,55,70\n2,55,71\n3,60,20\n")
    found = ADAPTERS["vitaldb"](tmp_path)
    assert [entry.subject for entry in found] == ["55", "55", "60"]
    assert found[2].labels[0].values["age"] == "20"
    (tmp_path / "clinical_data.csv").write_text("case,subject\n1,55\n")
    with pytest.raises(RecordError, match="header row: got case, subject, wanted a column 'caseid'"):
        ADAPTERS["vitaldb"](tmp_path)


def test_the_heart_rate_of_every_recording_of_but_ppg_is_that_of_its_ecg():
    for entry in ADAPTERS["butppg"](data_folder("butppg") / "raw"):
        ecg = entry.read()[1]
        found = 60 * ecg.fs / np.median(np.diff(rpeaks(ecg.signal[0], ecg.fs)))
        assert found == pytest.approx(float(entry.labels[0].values["heart_rate"]), abs=5)


@pytest.fixture
def version_2(tmp_path):
    """Three recordings as BUT PPG 2.0.0 has them: three files of three rates; the second lacks ACC, the last all."""
    rng = np.random.default_rng(0)
    for name, kinds in (("100001", ("PPG", "ECG", "ACC")), ("100002", ("PPG", "ECG")), ("101001", ())):
        (tmp_path / name).mkdir()
        for kind in kinds:
            fs, channels = {"PPG": (30, ("PPG",)), "ECG": (1000, ("ECG",)), "ACC": (100, ACC)}[kind]
            x = rng.normal(size=(len(channels), 10 * fs)).astype(np.float32)
            write_wfdb(Record(f"{name}_{kind}", x, float(fs), channels, ("mV",) * len(x), ""), tmp_path / name)
    (tmp_path / "quality-hr-ann.csv").write_text(
        "\ufeffID,Quality,HR\n100001,1,80\n100002,0,75\n101001,1,70\n102001,1,9\n"
    )
    return tmp_path


def test_version_2_of_but_ppg_brings_three_rates_to_one_and_masks_what_is_missing(version_2, tmp_path_factory):
    with pytest.warns(UserWarning, match="1 records of the table have no folder: 102001"):
        found = ADAPTERS["butppg"](version_2)
    assert [len(entry.files) for entry in found] == [3, 2, 1]
    channels = (
        *({"name": name, "optional": True, "normalizer": "window"} for name in ACC),
        {"name": "PPG"},
        {"name": "ECG"},
    )
    preprocessor = WindowPreprocessor(WindowSpec(fs=125, length_s=10, channels=channels, gaps="mask"))
    quality = WindowClass("quality", {"poor": "poor", "good": "good"})
    store, refused = prepare_store(found, preprocessor, quality, tmp_path_factory.mktemp("store"))
    assert [store.targets(id_)["labels"].tolist() for id_ in store] == [[1], [0]]
    assert "101001_PPG" in str(refused[0])
    assert "no such file" in str(refused[0]).lower()
    measured = [preprocessor.inputs(store[id_], preprocessor.cuts(store[id_])[0])["measured"].all(1) for id_ in store]
    assert [of.tolist() for of in measured] == [[True] * 5, [False] * 3 + [True] * 2]


def test_a_pt_file_is_read_as_the_npz_of_the_same_arrays_and_runs_nothing(many):
    torch = pytest.importorskip("torch")
    folder, x = many
    content = {
        "data": torch.from_numpy(x.swapaxes(1, 2).copy()),
        "labels": torch.arange(6) % 2,
        "patient_ids": list("aabbcc"),
    }
    torch.save(content, folder / "test_windows.pt")
    found = [entry for entry in ADAPTERS["windows"](folder) if entry.id.startswith("test")]
    assert ([entry.split for entry in found], found[3].subject) == (["test"] * 6, "b")
    np.testing.assert_array_equal(found[3].read()[0].signal, x[3])  # (windows, samples, channels) in this file
    assert found[3].read()[0].channels == ("PPG", "ECG")
    torch.save({"data": Path("code")}, folder / "hostile.pt")
    with pytest.raises(RecordError, match=r"hostile\.pt: archive: .* nothing in the file was run"):
        ADAPTERS["windows"](folder / "hostile.pt")


def test_tracks_of_the_api_of_vitaldb_have_their_own_rate_and_a_numeric_is_no_waveform(tmp_path):
    for case, n in (("0001", 20000), ("0002", 15000)):
        (tmp_path / case).mkdir()
        for track, fs in (("SNUADC/PLETH", 500), ("SNUADC/ECG_II", 500)):
            x = np.sin(np.arange(n) / fs * 7)
            times = {0: "0.000", n - 1: f"{(n - 1) / fs:.3f}"}
            rows = "\n".join(f"{times.get(i, '')},{value:.4f}" for i, value in enumerate(x))
            (tmp_path / case / f"{track[7:]}.csv").write_text(f"Time,{track}\n{rows}\n")
        rates = "\n".join(f"{2 * i},{70 + i % 3}" for i in range(20))
        (tmp_path / case / "HR.csv").write_text(f"Time,Solar8000/HR\n{rates}\n")
    (tmp_path / "clinical_data.csv").write_text("caseid,subjectid\n1,55\n2,55\n")
    found = ADAPTERS["vitaldb"](tmp_path)
    assert [(entry.id, entry.subject, len(entry.files)) for entry in found] == [("0001", "55", 2), ("0002", "55", 2)]
    spec = {"fs": 125, "length_s": 10, "channels": ({"name": "PPG"}, {"name": "ECG"})}
    preprocessor = WindowPreprocessor(WindowSpec(**spec))
    prepared = preprocessor.prepare(found[0].read())
    assert (prepared.fs, prepared.arrays["start"].tolist()) == (500, [0, 1250, 2500, 3750])
    assert prepared.about["leads"] == {"PPG": "SNUADC/PLETH", "ECG": "SNUADC/ECG_II"}
    numeric = WindowPreprocessor(WindowSpec(**spec | {"channels": ({"name": "PPG", "aliases": ("Solar8000/HR",)},)}))
    with pytest.raises(RecordError, match=r"rate of Solar8000/HR: got 0\.5 Hz, wanted a waveform, 6\.25 Hz at least"):
        numeric.prepare(Entry("0001", (tmp_path / "0001" / "HR.csv",), "55", fs=0.5).read())


def test_bidmc_is_a_recording_a_patient_in_whatever_format_it_lies(tmp_path):
    found = ADAPTERS["bidmc"](data_folder("bidmc"))
    assert (len(found), len({entry.subject for entry in found})) == (27, 27)
    original, converted = (found[k].read()[0] for k in (1, 0))
    assert found[1].files[0].name == "bidmc_02_Signals.csv"
    assert converted.channels[:2] == ("PLETH", "II")
    assert original.fs == converted.fs == 125
    spec = WindowSpec(fs=125, length_s=10, channels=({"name": "PPG"}, {"name": "ECG"}), gaps="mask")
    assert len(WindowPreprocessor(spec).prepare([original]).arrays["start"]) == 48


def test_the_order_of_channels_in_a_file_or_a_manifest_changes_nothing(tmp_path):
    x = np.random.default_rng(0).normal(size=(5, 1250)).astype(np.float32)
    names = ("PPG", "ECG", *ACC)
    rows = ["id,file,subject,fs,channels"]
    for k, order in enumerate(([0, 1, 2, 3, 4], [4, 1, 3, 0, 2])):
        np.save(tmp_path / f"{k}.npy", x[order])
        rows.append(f"{k},{k}.npy,p,125,{';'.join(names[i] for i in order)}")
    (tmp_path / "m.csv").write_text("\n".join(rows))
    channels = tuple({"name": name} for name in (*ACC, "PPG", "ECG"))
    preprocessor = WindowPreprocessor(WindowSpec(fs=125, length_s=10, channels=channels))
    one, other = (preprocessor.prepare(entry.read()).arrays["signal"] for entry in read_manifest(tmp_path / "m.csv"))
    np.testing.assert_array_equal(one, x[[2, 3, 4, 0, 1]])
    np.testing.assert_array_equal(one, other)
