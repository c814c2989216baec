"""Damaged files of every format: read, or refused by one clear error; never another exception or endless memory."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from scipy.io import savemat

import formats
from biotl.errors import RecordError
from biotl.records import read

ROUNDS = 150
TWELVE = formats.codes(n=300, leads=12)
FORMATS = {
    "a.csv": b"t_s;ecg (mV);label\n" + b"".join(b"%.3f;%d;x\n" % (i / 250, i % 9) for i in range(60)),
    "iso.csv": b"".join(b"2024-05-06T10:00:%06.3f+02:00,%d\n" % (i / 25, i % 9) for i in range(60)),
    "apple.csv": b"Sample Rate,512 hertz\n\nLead,I\nUnit,uV\n\n" + b"".join(b"%d\n" % i for i in range(40)),
    "BVP.csv": b"1560279825.00\n64.000000\n" + b"".join(b"%d.5\n" % i for i in range(40)),
    "o.txt": b'# OpenSignals Text File Format\n# {"d": {"column": ["n", "A1"], "sampling rate": 100}}\n# EndOfHeader\n'
    + b"".join(b"%d\t%d\t\n" % (i, i) for i in range(40)),
    "s.txt": b"# Simple Text Format\n# Sampling Rate (Hz):= 100\n# Labels:= a\n" + b"1.5\n" * 40,
    "i.ecg": formats.ishne(TWELVE[:2]),
    "s.scp": formats.scp(TWELVE[:2], beat=TWELVE[:2, :80], zones=[(11, 41, 90)], fiducial=31),
    "p.xml": formats.philips(TWELVE),
    "m.xml": formats.muse({"I": TWELVE[0], "II": TWELVE[1]}),
    "h.xml": formats.aecg({"I": TWELVE[0], "II": TWELVE[1]}),
    "t.tcx": formats.tcx([(i, 90, 3.0 * i) for i in range(9)]),
    "g.gpx": formats.gpx([(i, 47 + i / 1e4, 400, 90) for i in range(9)]),
    "e.xml": formats.healthkit([(f"2024-01-02 10:00:0{i}", 60) for i in range(9)]),
    "j.json": str({"heart_rate": [90, 91, 92], "timestamp": [1, 2, 3], "altitude": [1.5, 2, 3]}).encode(),
    "w.hrm": formats.hrm([(80, 100, 300)] * 9, "101000000"),
    "f.fit": formats.fit([(10**9 + i, 90, 1000, 400) for i in range(9)]),
    "d.dcm": formats.dicom(TWELVE[:2]),
    "e.edf": formats.edf([("ECG", "uV", 100, TWELVE[0] / 20.0)]),
    "h.h5": formats.hdf5(lambda h5: h5.create_dataset("ecg", data=TWELVE[:2], compression="gzip")),
}


def damaged(rng, data):
    """Some bytes with bits turned, cut off, cut out, doubled, or with digits or noise put in."""
    at, n = int(rng.integers(len(data))), int(rng.integers(1, 9))
    if rng.integers(2):  # most of what a header says stands in its first bytes
        at = min(at, int(rng.integers(700)))
    noise = rng.integers(0, 256, n, np.uint8).tobytes()
    digits = bytes(rng.choice(list(b"0123456789-,.;\n"), n).astype(np.uint8))
    return [
        data[:at] + bytes([data[at] ^ 1 << int(rng.integers(8))]) + data[at + 1 :],
        data[:at] + noise + data[at + n :],
        data[:at],
        data[:at] + data[at + n :],
        data[: at + n] + data[at:],
        data[:at] + digits + data[at + 1 :],
    ][int(rng.integers(6))]


@pytest.mark.filterwarnings("ignore")  # that a checksum is stale, that times jitter
@pytest.mark.parametrize("name", FORMATS)
def test_damage_is_read_or_is_one_clear_error(tmp_path, name):
    rng = np.random.default_rng(0)
    path, refused = tmp_path / name, 0
    path.write_bytes(FORMATS[name])
    assert read(path, fs=100 if name == "h.h5" else None).signal.size > 0
    for _ in range(ROUNDS):
        path.write_bytes(damaged(rng, FORMATS[name]))
        message = ""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                record = read(path, fs=100 if name == "h.h5" else None)
                assert record.signal.shape[0] == len(record.channels) == len(record.units)
                assert record.signal.nbytes < 1 << 28
                assert 0 < record.fs < np.inf
            except RecordError as error:
                message = str(error)
        assert "\n" not in message
        assert len(message) - len(str(tmp_path)) < 400
        refused += bool(message)
    assert refused > 0


LIMITED = """
import resource, sys, warnings
warnings.simplefilter("ignore")
from biotl.records import read
from biotl.errors import BiotlError
for path in sys.argv[1:]:
    try:
        read(path, fs=100 if path.endswith("h5") else None)
    except BiotlError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.slow
def test_no_damage_takes_memory_without_end(tmp_path, name):
    rng = np.random.default_rng(1)
    paths = []
    for i in range(300):
        path = tmp_path / f"{i}.{name.rpartition('.')[2]}"
        path.write_bytes(damaged(rng, damaged(rng, FORMATS[name]) or b"\0"))
        paths.append(str(path))
    run = subprocess.run([sys.executable, "-c", LIMITED, *paths], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 1_000_000, "kB at the peak"


@pytest.mark.filterwarnings("ignore")
def test_damaged_matlab_structures_are_read_or_one_clear_error(tmp_path):
    rng = np.random.default_rng(2)
    savemat(tmp_path / "a.mat", {"rec": {"ecg": {"data": TWELVE[0].astype(float)}, "info": {"fs": 250}}})
    data = (tmp_path / "a.mat").read_bytes()
    assert read(tmp_path / "a.mat").fs == 250
    for _ in range(ROUNDS):
        (tmp_path / "a.mat").write_bytes(damaged(rng, data))
        try:
            record = read(tmp_path / "a.mat")
        except RecordError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert record.signal.nbytes < 1 << 28
