"""Each format by its content: the values that a file was made of come back, and a damaged one is one clear error."""

import os
import subprocess
import sys
from datetime import datetime, timedelta

import numpy as np
import pytest
from scipy.io import savemat

import formats
from biotl.errors import MissingExtraError, RecordError
from biotl.records import endomondo, healthkit, read, spcup

EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def put(folder, data, name="a"):
    (folder / name).write_bytes(data)
    return folder / name


def test_ishne_gives_millivolts_leads_and_gaps(tmp_path):
    values = formats.codes()
    values[1, 7] = -32768
    record = read(put(tmp_path, formats.ishne(values)))
    assert (record.fs, record.channels, record.units, record.subject) == (180.0, ("I", "V1"), ("mV", "mV"), "p7")
    wanted = np.where(values == -32768, np.nan, values * 2.5e-3)
    np.testing.assert_allclose(record.signal, wanted, rtol=1e-6)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("huffman", [True, False])
def test_scp_gives_microvolts_and_the_leads_that_follow(tmp_path, order, huffman):
    values = formats.codes(leads=2)
    values[0, 10] += 9  # a second difference past eight bits
    record = read(put(tmp_path, formats.scp(values, order=order, huffman=huffman, nanovolts=2500)))
    assert (record.fs, record.channels) == (500.0, ("I", "II", "III", "aVR", "aVL", "aVF"))
    np.testing.assert_allclose(record.signal[:2], values * 2.5, rtol=1e-6)
    np.testing.assert_allclose(record.channel("aVR"), -(values[0] + values[1]) * 1.25, rtol=1e-6)


def test_scp_adds_the_reference_beat_that_was_taken_out(tmp_path):
    whole, beat = np.full((2, 400), 40), np.array([np.arange(100), -np.arange(100)])
    zones = [(31, 61, 130), (201, 231, 300)]
    for start, _, end in zones:
        whole[:, start - 1 : end] = 7
    residual = whole.copy()
    wanted = whole.astype(float)
    for start, _, end in zones:
        wanted[:, start - 1 : end] += beat
    path = put(tmp_path, formats.scp(residual, beat=beat, zones=zones, fiducial=31))
    np.testing.assert_allclose(read(path).signal[:2], wanted, atol=1e-4)


def test_scp_of_a_make_that_is_not_decoded_names_a_converter_and_damage_is_said(tmp_path):
    data = bytearray(formats.scp(formats.codes()))
    data[-1] ^= 1
    with pytest.warns(UserWarning, match="checksum: the bytes contradict it"):
        read(put(tmp_path, bytes(data)))
    whole = formats.scp(formats.codes())
    own = whole.replace((19999).to_bytes(2, "little"), (2).to_bytes(2, "little"), 1)
    with pytest.raises(RecordError, match=r"Huffman tables of its own, .* BioSig"), pytest.warns(match="checksum"):
        read(put(tmp_path, own))


def test_philips_unpacks_twelve_leads(tmp_path):
    values = formats.codes(n=900, leads=12)
    record = read(put(tmp_path, formats.philips(values)))
    assert (record.fs, record.channels, record.units[0], record.subject) == (500.0, TWELVE, "uV", "p3")
    np.testing.assert_array_equal(record.signal[:, :-1], values[:, :-1] * 5)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_muse_gives_twelve_leads_of_eight(tmp_path, encoding):
    values = formats.codes(leads=8)
    data = formats.muse(dict(zip(EIGHT, values, strict=True)))
    if encoding == "utf-16":
        data = data.decode().replace(' encoding="ISO-8859-1"', ' encoding="utf-16"').encode("utf-16")
    record = read(put(tmp_path, data))
    assert (record.fs, record.channels, record.units[0], record.subject) == (250.0, TWELVE, "uV", "p5")
    np.testing.assert_allclose(record.signal[[0, 1, 6, 7, 8, 9, 10, 11]], values * 4.88, rtol=1e-6)
    np.testing.assert_allclose(record.channel("III"), (values[1] - values[0]) * 4.88, rtol=1e-5, atol=1e-3)


def test_aecg_takes_scale_and_origin_in(tmp_path):
    values = formats.codes()
    record = read(put(tmp_path, formats.aecg({"I": values[0], "II": values[1]}, origin=10)))
    assert (record.fs, record.channels, record.units, record.subject) == (250.0, ("I", "II"), ("uV", "uV"), "s9")
    np.testing.assert_allclose(record.signal, values * 2.5 + 10, rtol=1e-6)


@pytest.mark.parametrize(
    "trap",
    [
        '<!DOCTYPE gpx [<!ENTITY a "x">]><gpx>&a;</gpx>',
        '<!DOCTYPE gpx [<!ENTITY a SYSTEM "file:///etc/passwd">]><gpx>&a;</gpx>',
        '<!DOCTYPE gpx [<!ENTITY % p "x">]><gpx/>',
        '<!DOCTYPE HealthData [<!ENTITY a "x">]><HealthData locale="&a;"/>',
    ],
)
def test_xml_that_declares_entities_is_refused(tmp_path, trap):
    with pytest.raises(RecordError, match=r"entity: got [ap], wanted a file that declares none"):
        read(put(tmp_path, trap.encode()))


def test_xml_of_another_kind_is_named(tmp_path):
    with pytest.raises(RecordError, match="an XML text of <svg>, wanted a recording that biotl reads; of XML, aECG"):
        read(put(tmp_path, b"<?xml version='1.0'?><svg/>"))


def test_dicom_takes_the_sensitivity_in(tmp_path):
    values = formats.codes()
    record = read(put(tmp_path, formats.dicom(values)))
    assert (record.fs, record.channels, record.units, record.subject) == (500.0, ("I", "II"), ("uV", "uV"), "p11")
    np.testing.assert_allclose(record.signal, values * 2.5, rtol=1e-6)


def test_edf_of_several_rates_gives_those_of_the_ecg_and_names_the_rest(tmp_path):
    ecg, acc = formats.codes(n=1000, leads=1)[0] / 2, np.linspace(-900, 900, 100)
    signals = [("EMG", "uV", 500, np.zeros(2000)), ("ECG II", "uV", 250, ecg), ("ACC X", "mg", 25, acc)]
    path = put(tmp_path, formats.edf(signals, annotations=[(1.5, None, "up"), (0.2, None, "down")]))
    with pytest.warns(UserWarning, match=r"left out at another rate than 250 Hz: EMG \(500 Hz\), ACC X \(25 Hz\)"):
        record = read(path)
    assert (record.fs, record.channels, record.units) == (250.0, ("ECG II",), ("uV",))
    np.testing.assert_allclose(record.signal[0], ecg, atol=0.02)  # the step of 16 bits in -1000..1000
    marks = record.annotations["edf"]
    assert (marks.sample.tolist(), marks.aux, marks.symbol.tolist()) == ([50, 375], ("down", "up"), ['"', '"'])
    record = read(path, channels=("ACC X",))
    assert (record.fs, record.signal.shape) == (25.0, (1, 100))
    with pytest.raises(RecordError, match="channels: got rates of 25 Hz, 250 Hz, wanted channels of one rate"):
        read(path, channels=("ECG II", "ACC X"))
    with pytest.raises(RecordError, match="channels: got EMG, ECG II, ACC X, wanted SpO2"):
        read(path, channels=("SpO2",))


def test_an_edf_of_annotations_alone_says_so(tmp_path):
    with pytest.raises(RecordError, match="signals: got no signal, 1 annotations, wanted a channel"):
        read(put(tmp_path, formats.edf([], annotations=[(1, None, "x")])))


def test_a_single_array_needs_its_rate(tmp_path):
    values = formats.codes().astype(np.int16)
    np.save(tmp_path / "a.npy", values.T)
    with pytest.raises(RecordError, match=r"a\.npy: fs: got none, .*fs=250, --fs 250"):
        read(tmp_path / "a.npy")
    np.testing.assert_array_equal(read(tmp_path / "a.npy", fs=250).signal, values)
    np.save(tmp_path / "b.npy", np.array([{}, 1], object))
    with pytest.raises(RecordError, match=r"array: got ValueError: .*wanted an .npy of plain numbers"):
        read(tmp_path / "b.npy", fs=250)


def test_a_rate_may_be_written_as_text(tmp_path):
    np.savez(tmp_path / "a.npz", ecg=np.arange(9.0), fs="250")
    assert read(tmp_path / "a.npz").fs == 250
    np.savez(tmp_path / "a.npz", ecg=np.arange(9.0), fs="fast")
    with pytest.raises(RecordError, match="fs: got none"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize("key", ["Fs", "samplingRate", "sampling_rate", "SampleRate", "sfreq"])
@pytest.mark.parametrize("kind", ["npz", "mat"])
def test_times_peaks_and_labels_beside_a_signal_are_no_channels(tmp_path, key, kind):
    ecg = formats.codes()[0].astype(float)
    beside = {"t": np.arange(400) / 250, "rpeaks": np.arange(40, 400, 80), "label": np.ones(400), key: 250}
    if kind == "npz":
        np.savez(tmp_path / "a.npz", ecg=ecg, **beside)
    else:
        savemat(tmp_path / "a.mat", {"ecg": ecg, **beside})
    record = read(tmp_path / f"a.{kind}")
    assert (record.channels, record.fs) == (("ecg",), 250.0)
    np.testing.assert_array_equal(record.signal[0], ecg)


def test_times_beside_a_signal_give_the_rate_where_nothing_else_does(tmp_path):
    np.savez(tmp_path / "a.npz", ecg=np.arange(50.0), time=np.arange(50) / 128)
    assert read(tmp_path / "a.npz").fs == 128
    np.savez(tmp_path / "b.npz", ecg=np.arange(3.0), t=np.array([0.0, 0.1, 0.9]))
    with pytest.raises(RecordError, match=r"t: got steps from 0.1 to 0.8 s, wanted two rows or more, evenly"):
        read(tmp_path / "b.npz")


def test_of_several_arrays_the_one_with_a_row_a_name_is_the_signal(tmp_path):
    values = formats.codes(n=500)
    about = {"channels": ["ECG", "PPG"], "fs": 100, "scale": 0.01, "numerics": np.zeros((5, 9)), "ref_x": np.arange(40)}
    np.savez(tmp_path / "a.npz", x=values.astype(np.int16), **about)
    record = read(tmp_path / "a.npz")
    assert (record.channels, record.fs) == (("ECG", "PPG"), 100.0)
    np.testing.assert_allclose(record.signal, values / 100, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "rows", "first", "subject"),
    [("DATA_03_TYPE02.mat", 6, "ECG", "03"), ("TEST_S07_T02.mat", 5, "PPG1", "S07")],
)
def test_files_of_the_signal_processing_cup_are_known_by_name_and_shape(tmp_path, name, rows, first, subject):
    signal = formats.codes(leads=rows).astype(float)
    savemat(tmp_path / name, {"sig": signal})
    record = read(tmp_path / name)
    assert (record.fs, record.channels[0], record.channels[-1], record.subject) == (125.0, first, "ACC_Z", subject)
    np.testing.assert_array_equal(record.signal, signal.astype(np.float32))
    savemat(tmp_path / "True_S07_T02.mat", {"BPM0": np.array([[80.5], [81.0]])})
    assert spcup.heart_rate(tmp_path / "True_S07_T02.mat").tolist() == [80.5, 81.0]
    with pytest.raises(RecordError, match="BPM0: got none, wanted the heart rate of each window"):
        spcup.heart_rate(tmp_path / name)


def test_structures_are_looked_into(tmp_path):
    ecg = formats.codes()[0].astype(float)
    savemat(tmp_path / "a.mat", {"rec": {"ecg": {"data": ecg, "units": "mV"}, "info": {"samplingRate": 360}}})
    record = read(tmp_path / "a.mat")
    assert (record.channels, record.fs, record.units) == (("ecg",), 360.0, ("mV",))


def test_the_layout_of_labchart(tmp_path):
    rows = formats.codes().astype(float)
    savemat(
        tmp_path / "a.mat",
        {
            "data": np.concatenate(list(rows))[None],
            "datastart": np.array([[1], [401]]),
            "dataend": np.array([[400], [800]]),
            "samplerate": np.array([[1000], [1000]]),
            "titles": np.array(["ECG  ", "Pulse"]),
            "unittext": np.array(["mV", "V "]),
            "unittextmap": np.array([[1], [2]]),
        },
    )
    record = read(tmp_path / "a.mat")
    assert (record.fs, record.channels, record.units) == (1000.0, ("ECG", "Pulse"), ("mV", "V"))
    np.testing.assert_array_equal(record.signal, rows)


def test_the_layout_of_acqknowledge(tmp_path):
    rows = formats.codes().astype(float)
    about = {"isi": 0.5, "isi_units": "ms", "labels": np.array(["ECG", "PPG"]), "units": np.array(["mV ", "Volts"])}
    savemat(tmp_path / "a.mat", {"data": rows.T, "start_sample": 0.0, **about})
    record = read(tmp_path / "a.mat")
    assert (record.fs, record.channels, record.units) == (2000.0, ("ECG", "PPG"), ("mV", "Volts"))
    np.testing.assert_array_equal(record.signal, rows)


def test_matlab_7_3_goes_through_hdf5(tmp_path):
    ecg = formats.codes()[0].astype(float)

    def write(h5):
        for name, value in (("ecg", ecg[:, None]), ("Fs", np.array([[250.0]]))):
            h5[name] = value
            h5[name].attrs["MATLAB_class"] = np.bytes_("double")
        h5["units"] = np.array([[ord(c)] for c in "mV"], np.uint16)
        h5["units"].attrs["MATLAB_class"] = np.bytes_("char")

    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512)
    for data in (formats.hdf5(write), head + formats.hdf5(write)):
        record = read(put(tmp_path, data, "a.mat"))
        assert (record.channels, record.fs, record.units) == (("ecg",), 250.0, ("mV",))
        np.testing.assert_array_equal(record.signal[0], ecg)


def test_hdf5_of_named_arrays_with_attributes(tmp_path):
    values = formats.codes()

    def write(h5):
        h5["ecg"], h5["ppg"] = values
        h5["ecg"].attrs["units"] = "mV"
        h5.attrs["fs"] = 125

    record = read(put(tmp_path, formats.hdf5(write)))
    assert (record.channels, record.fs, record.units) == (("ecg", "ppg"), 125.0, ("mV", ""))
    np.testing.assert_array_equal(record.signal, values)


def test_hdf5_of_opensignals(tmp_path):
    values = formats.codes()[0] + 2000

    def write(h5):
        device = h5.create_group("00:07")
        device.attrs["sampling rate"] = 1000
        device["raw/channel_1"] = values[:, None].astype(np.uint16)
        device["raw/channel_1"].attrs["sensor"] = "ECG"
        device["raw/nSeq"] = np.arange(400)
        device["support/level_10/channel_1/mean"] = np.zeros(40)

    record = read(put(tmp_path, formats.hdf5(write)))
    assert (record.channels, record.fs, record.units) == (("ECG",), 1000.0, ("",))
    np.testing.assert_array_equal(record.signal[0], values)


def test_hdf5_of_waveforms_by_block_has_gaps_where_blocks_are_missing(tmp_path):
    values = formats.codes()[0]

    def write(h5):
        group = h5.create_group("Waveforms/II")
        group.attrs["Unit of Measure"] = "mV"
        group["data"] = values.astype(np.int16)
        group["data"].attrs.update({"Readings Per Sample": 50, "Sample Period (ms)": 1000, "Scale": 2})
        group["data"].attrs["Missing Value Marker"] = int(values[3])
        group["time"] = np.array([0, 1, 2, 4, 5, 6, 7, 8]) * 1000 + 5

    record = read(put(tmp_path, formats.hdf5(write)))
    wanted = np.insert(np.where(values == values[3], np.nan, values / 100.0), 150, np.full(50, np.nan))
    assert (record.channels, record.fs, record.units) == (("II",), 50.0, ("mV",))
    np.testing.assert_allclose(record.signal[0], wanted, rtol=1e-6)


def test_an_hdf5_that_lies_about_its_size_takes_no_memory(tmp_path):
    data = formats.hdf5(lambda h5: h5.create_dataset("ecg", (10**11,), "f8", chunks=(1000,)))
    with pytest.raises(RecordError, match=r"/ecg: got 800000000000 bytes, wanted what .* bytes can hold"):
        read(put(tmp_path, data), fs=1)


def test_a_workout_lies_on_whole_seconds_and_nothing_is_made_up(tmp_path):
    points = [(0, 90, 0.0), (1, 95, 3.0), (2, 96, 6.0), (6, 99, 18.0)]
    data = formats.fit([(10**9 + s, r, round(1000 * d / max(s, 1)), 100 + s) for s, r, d in points])
    record = read(put(tmp_path, data))
    assert (record.fs, record.channels) == (1.0, ("heart_rate", "speed", "altitude"))
    assert record.units == ("bpm", "kmh", "m")
    assert record.signal[0].tolist() == pytest.approx([90, 95, 96, np.nan, np.nan, np.nan, 99], nan_ok=True)
    assert record.signal[1, [1, 6]] == pytest.approx(10.8)
    record = read(put(tmp_path, formats.tcx(points)))
    assert record.channels == ("heart_rate", "speed", "distance")
    assert record.channel("speed")[[1, 6]] == pytest.approx(10.8)
    assert np.isnan(record.channel("speed")[3:6]).all()


def test_a_gpx_track_gives_speed_by_its_positions(tmp_path):
    # a ten-thousandth of a degree of latitude is 11.12 m on a sphere of 6,371 km
    data = formats.gpx([(s, 47 + s * 1e-4, 400 + s, 100 + s) for s in range(20)])
    record = read(put(tmp_path, data))
    assert record.channels == ("heart_rate", "speed", "altitude")
    assert record.channel("speed") == pytest.approx(11.1195 * 3.6, rel=1e-4)


def test_health_export_is_cut_into_days(tmp_path):
    points = [("2024-01-02 10:00:00", 60), ("2024-01-02 10:00:05", 61), ("2024-01-04 09:00:00", 70)]
    points += [("2024-01-04 09:00:02", 72)]
    path = put(tmp_path, formats.healthkit(points), "export.xml")
    first, last = healthkit.days(path)
    assert (first.name, first.signal.shape, last.name) == ("export-2024-01-02", (1, 6), "export-2024-01-04")
    assert read(path) == last
    assert last.signal[0, [0, 2]].tolist() == [70, 72]
    assert np.isnan(last.signal[0, 1])
    with pytest.raises(RecordError, match="Record: got no heart rate"):
        read(put(tmp_path, formats.healthkit([]), "export.xml"))


MEMORY = """
import resource, sys
from biotl.records import read
read(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read(sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_health_export_is_streamed(tmp_path):
    points = [(f"2024-01-02 10:{i // 60:02d}:{i % 60:02d}", 60) for i in range(50)]
    small = formats.healthkit(points)
    other = (
        b'<Record type="HKQuantityTypeIdentifierStepCount" sourceName="a watch" startDate="x" value="1"/>\n' * 300_000
    )
    large = small.replace(b'<HealthData locale="en">', b'<HealthData locale="en">' + other)
    paths = [str(put(tmp_path, data, name)) for data, name in ((large, "large.xml"), (small, "small.xml"))]
    run = subprocess.run([sys.executable, "-c", MEMORY, *paths], capture_output=True, text=True, check=True)
    assert len(large) > 25e6
    assert int(run.stdout) < 4_000, f"{run.stdout} kB more for 29 MB"


EXPORT = """
import resource, sys
from biotl.records import healthkit
rates = [record.signal.size for record in healthkit.days(sys.argv[1])]
print(len(rates), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_two_gigabytes_of_a_health_export_are_streamed_in_little_memory(tmp_path):
    """Ten years at a heart rate every ten minutes, among what else a phone writes: made while it is read."""
    about = 'sourceName="Watch" sourceVersion="10.1" device="&lt;&lt;HKDevice: 0x28&gt;, name:Apple Watch&gt;" '
    step = f'<Record type="HKQuantityTypeIdentifierStepCount" {about} unit="count" startDate="{{}}" value="9"/>\n'
    rate = f'<Record type="HKQuantityTypeIdentifierHeartRate" {about} unit="count/min" startDate="{{}}" value="72"/>\n'
    first, pipe, written = datetime(2014, 1, 1), tmp_path / "export.xml", 0
    os.mkfifo(pipe)
    with subprocess.Popen([sys.executable, "-c", EXPORT, pipe], stdout=subprocess.PIPE, text=True) as run:
        with pipe.open("w") as file:
            written += file.write('<?xml version="1.0"?>\n<HealthData locale="en">\n')
            for k in range(6 * 24 * 3650):
                when = f"{first + timedelta(minutes=10 * k)} +0000"
                written += file.write(rate.format(when) + 19 * step.format(when))
            file.write("</HealthData>\n")
        days, peak = map(int, run.communicate()[0].split())
    print(f"{written / 1e9:.2f} GB, {days} days, peak {peak} MiB")
    assert written > 2e9
    assert days == 3650
    assert peak < 200, f"{peak} MiB for {written / 1e9:.1f} GB"


def endomondo_line(number, n=2):
    about = {"id": number, "userId": 7 + number % 2, "sport": "run", "heart_rate": [90 + number] * n}
    return str(about | {"timestamp": [1000 * (10 - number) + 3 * i for i in range(n)]})


def test_lines_of_endomondo_are_literals_and_one_workout_each(tmp_path):
    path = put(tmp_path, f"{endomondo_line(1)}\n\n{endomondo_line(2)}\n".encode(), "a.json")
    one, two = endomondo.workouts(path)
    assert (one.name, two.name, two.subject, one.signal.shape) == ("1", "2", "7", (1, 4))
    with pytest.raises(RecordError, match=r"lines: got more than one workout, wanted one; a.json/0 is the first"):
        read(path)
    path.write_text("{'heart_rate': __import__('os').system('true')}")
    with pytest.raises(RecordError, match="line 1: got ValueError: malformed node"):
        read(path)
    track = {"latitude": [47 + 1e-4 * i for i in range(4)], "longitude": [8] * 4, "heart_rate": [90] * 4}
    path.write_text(str(track | {"timestamp": [1.4e9 + 4 * i for i in range(4)]}))
    assert read(path).channel("speed")[::4] == pytest.approx(11.1195 * 3.6 / 4, rel=1e-4)
    as_json = endomondo_line(3).replace("'", '"')
    assert read(put(tmp_path, as_json.encode(), "b.json")).name == "3"


def test_polar_hrm_gives_what_its_mode_says(tmp_path):
    record = read(put(tmp_path, formats.hrm([(80, 105, 300), (0, 110, 301), (82, 120, 302)], "101000000"), "a.hrm"))
    assert (record.fs, record.channels, record.units) == (0.2, ("heart_rate", "speed", "altitude"), ("bpm", "kmh", "m"))
    assert record.signal[1].tolist() == pytest.approx([10.5, 11, 12])
    assert np.isnan(record.signal[0]).tolist() == [False, True, False]
    with pytest.raises(RecordError, match="Interval: got 238, wanted seconds"):
        read(put(tmp_path, formats.hrm([(800,)], interval=238), "a.hrm"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pandas and the vitaldb package
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_vital_gives_waveforms_and_refuses_a_numeric(tmp_path):
    vitaldb = pytest.importorskip("vitaldb")
    ecg = formats.codes(n=1000)[0] / 100
    vital = vitaldb.VitalFile()
    start = 1_600_000_000.0
    vital.dtstart, vital.dtend = start, start + 8
    ecg_ = [{"dt": start + i, "val": ecg[125 * i : 125 * i + 125].astype(np.float32)} for i in range(8)]
    vital.add_track("SNUADC/ECG_II", ecg_, srate=125, unit="mV")
    vital.add_track("Solar8000/HR", [{"dt": start + i, "val": 70.0} for i in range(8)], srate=0, unit="/min")
    vital.to_vital(str(tmp_path / "a.vital"))
    record = read(tmp_path / "a.vital")
    assert (record.fs, record.channels, record.units) == (125.0, ("SNUADC/ECG_II",), ("mV",))
    np.testing.assert_allclose(record.signal[0, :1000], ecg, atol=1e-3)
    with pytest.raises(RecordError, match="track Solar8000/HR: got a numeric, wanted a waveform"):
        read(tmp_path / "a.vital", channels=("Solar8000/HR",))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.xlsx", b"PK\x03\x04 [Content_Types].xml", "an Excel workbook, .*; save the sheet as CSV"),
        ("a.pkl", b"\x80\x04\x95\0", "a Python pickle, which may run code, .*; save arrays as .npz"),
        ("a.parquet", b"PAR1\0", "a Parquet table, .*by pandas"),
        ("a.pt", b"PK\x03\x04\0", "PyTorch tensors"),
        ("a.json", b'{"a": 1}', "a JSON text"),
        ("a.cnt", b"\0\1\2", "a Neuroscan or ANT recording, .*EDFbrowser"),
        ("a.bin", b"\0\1abc", r"an unknown format '.bin' that begins '..abc'"),
        ("a.ecg", b"ANN  1.0\0\0", "an ISHNE file of annotations"),
        ("a.csv", b"", "rows: got an empty file"),
        ("a", b"", "an empty file"),
    ],
)
def test_what_biotl_does_not_read_is_named_with_what_would(tmp_path, name, data, message):
    with pytest.raises(RecordError, match=message) as refusal:
        read(put(tmp_path, data, name))
    assert len(str(refusal.value)) - len(str(tmp_path)) < 300


@pytest.mark.parametrize(
    ("module", "extra", "data"),
    [
        ("edfio", "edf", formats.edf([("ECG", "uV", 250, np.zeros(250))])),
        ("pydicom", "dicom", formats.dicom(formats.codes())),
        ("h5py", "hdf5", formats.hdf5(lambda h5: h5.create_dataset("ecg", data=np.zeros(9)))),
        ("fitdecode", "fit", formats.fit([(10**9, 90, 0, 0), (10**9 + 1, 90, 0, 0)])),
    ],
)
def test_a_library_that_is_not_there_is_named_with_its_extra(tmp_path, monkeypatch, module, extra, data):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"{module} is not installed: pip install 'biotl\[{extra}\]'"):
        read(put(tmp_path, data))
