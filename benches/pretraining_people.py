"""Whose signals pretraining sees, and what is asked of others: recordings, their manifest, windows of three probes."""

import csv
from functools import cache

import numpy as np
from scipy.io import loadmat

from biotl.datasets.adapters import butppg, mitdb
from biotl.datasets.beats import AAMI_CLASSES
from biotl.datasets.de_chazal import DS1, DS2
from biotl.errors import BiotlError
from biotl.recipes import registry, run
from biotl.records import Record, read
from biotl.records.write import write_wfdb
from biotl.signal import resample

FS = 125.0
CLASSES = "NSV"


def people(data):
    """Yield name, recordings without labels, and the heart rate a second or NaN, of every person with ECG or PPG."""
    for path in sorted((data / "bidmc").glob("*.npz")):
        z = np.load(path)
        x = z["x"] * z["scale"]
        names = z["channels"].tolist()
        rate = z["numerics"][:, z["numerics_names"].tolist().index("HR")].astype(float)
        yield "bidmc", path.stem, {"PPG": x[names.index("PLETH")], "ECG": x[names.index("II")]}, FS, rate
    for path in sorted((data / "capnobase").glob("*.npz")):
        z = np.load(path)
        x = z["x"] * z["scale"]
        peaks = next(z[key] for key in z.files if key.startswith("lab_ecg_peak")) / 300
        seconds = np.arange(x.shape[1] // 300)
        rate = np.interp(seconds, (peaks[1:] + peaks[:-1]) / 2, 60 / np.diff(peaks))
        yield "capnobase", path.stem, {"PPG": x[0], "ECG": x[1]}, 300.0, rate
    for path in sorted((data / "spcup2015" / "train").glob("*TYPE0?.mat")):
        found = read(path)
        trace = loadmat(path.with_name(f"{path.stem}_BPMtrace.mat"))["BPM0"].ravel()
        yield (
            "spcup",
            path.stem[5:7],
            {"PPG": found.signal[1], "PPG2": found.signal[2], "ECG": found.signal[0]},
            FS,
            trace,
        )
    for path in sorted((data / "spcup2015" / "test").glob("TEST_*.mat")):
        found = read(path)
        trace = loadmat(path.with_name(path.name.replace("TEST", "True")))["BPM0"].ravel()
        yield "spcup", path.stem[5:8], {"PPG": found.signal[0], "PPG2": found.signal[1]}, FS, trace


def unlabelled(data):
    """Yield the same of the sets that hold no label that a probe asks for."""
    for name in ("wfdb_v102s_1", "wfdb_041s01", "wfdb_041s02"):
        z = np.load(data / "ecgppg" / f"{name}.npz")
        n = min(len(z["ecg"]), len(z["ppg"]))
        yield "wfdb", name[5:9], {"PPG": z["ppg"][:n], "ECG": z["ecg"][:n]}, float(z["ecg_fs"])
    for path in sorted((data / "mimic4wdb").rglob("*_000?.hea")):
        try:
            found = read(path)
        except BiotlError:
            continue  # of some segments the signal file is not there
        held = {
            name: (r, r.signal[k])
            for r in (found if isinstance(found, list) else [found])
            for k, name in enumerate(r.channels)
        }
        if {"II", "Pleth"} <= held.keys():
            ecg, ppg = held["II"], held["Pleth"]
            x = np.asarray(resample(np.nan_to_num(ecg[1]), ecg[0].fs, ppg[0].fs))
            n = min(len(x), len(ppg[1]), 450_000)  # two hours a segment; still six in ten pairs are of this patient
            yield "mimic4", "p10079700", {"PPG": ppg[1][:n], "ECG": x[:n]}, float(ppg[0].fs)
    for path in sorted((data / "ecgid").glob("*.npz")):
        for one in np.load(path)["x"][:, 0] / 200:
            yield "ecgid", path.stem, {"ECG": one}, 500.0
    z = np.load(data / "cinc2017" / "cinc2017_visible.npz")
    for k, name in enumerate(z["names"].tolist()):
        yield "cinc2017", name, {"ECG": z["x"][z["offsets"][k] : z["offsets"][k + 1]] / 1000}, 300.0


def sides(persons):
    """Return who is held aside: of each set, in the order of its names, two in five; one of the others validates."""
    sets = {}
    for of, person in persons:
        sets.setdefault(of, set()).add(person)
    order = ("train", "held", "validation", "held", "train")
    found = {(of, who): order[k % 5] for of, people in sets.items() for k, who in enumerate(sorted(people))}
    # the one patient of MIMIC-IV and the three records of others have no other people beside them
    return found | dict.fromkeys((key for key in found if key[0] in {"wfdb", "mimic4"}), "train")


def prepare(data, folder):
    """Write the recordings of pretraining and their manifest, and the windows of the probes."""
    named, rest, count, rows = list(people(data)), list(unlabelled(data)), {}, []
    side = sides([one[:2] for one in [*named, *rest]])
    for of, person, signals, fs, *_ in [*named, *rest]:
        if side[of, person] == "held" and "test" in {row["split"] for row in rows}:
            continue  # a split wants somebody to test on; nobody is looked at there
        k = count[of, person] = count.get((of, person), -1) + 1
        name = f"{of}_{person}_{k}"
        kept = {key: x for key, x in signals.items() if key != "PPG2"}
        write_wfdb(record(kept, fs, name), folder / "recordings")
        rows.append({"id": name, "file": f"recordings/{name}", "subject": f"{of}_{person}"})
        rows[-1]["split"] = side[of, person].replace("held", "test")
    with (folder / "manifest.csv").open("w", newline="") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows(rows)
    of_probe = {"rate": rates(data, named, side), "quality": qualities(data, named, side), "beat": beats(data)}
    for name, found in of_probe.items():
        columns = [np.array(column) for column in zip(*found, strict=True)]
        np.savez(folder / f"{name}.npz", side=columns[0], subject=columns[1], x=columns[2], y=columns[3])
        print(name, {s: int((columns[0] == s).sum()) for s in ("train", "validation", "held")}, flush=True)


def record(signals, fs, name="r"):
    """Return channels of one rate as a recording."""
    x = np.stack(list(signals.values())).astype(np.float32)
    return Record(name, x, fs, tuple(signals), ("mV",) * len(x), name)


@cache
def preprocessor():
    """Return the preprocessing of pretraining."""
    config = registry.load("ssl_dense", ["data.manifest=none.csv"])
    return run.find("ssl_pretrain").preprocessor(config)


def inputs(signals, fs):
    """Return the windows of a recording, (n, 2, 1250), 0 where a channel is not there."""
    windows = preprocessor()
    prepared = windows.prepare([record(signals, fs)])
    return np.stack([windows.inputs(prepared, cut)["signal"] for cut in windows.cuts(prepared)])


def rates(data, named, side):
    """Return PPG windows with their heart rate in bpm."""
    rows = []
    for of, person, signals, fs, rate in named:
        if of == "spcup":
            continue
        for k, x in enumerate(inputs({"PPG": signals["PPG"]}, fs)):
            bpm = np.nanmean(rate[10 * k : 10 * k + 10]) if len(rate) >= 10 * k + 10 else np.nan
            if k % 2 == 0 and bpm > 20:
                rows.append((side[of, person], f"{of}_{person}", x, bpm))
    z = np.load(data / "ppg56" / "ppg56_visible.npz")
    for k, name in enumerate(z["names"].tolist()):
        x = z["x"][z["offsets"][k] : z["offsets"][k + 1]]
        where = "held" if k % 2 else "validation" if k % 4 == 0 else "train"
        rows += [(where, f"ppg56_{name}", w, z["hr"][k]) for w in inputs({"PPG": x}, 100.0)]
    return rows


def qualities(data, named, side):
    """Return PPG windows, and whether each is good."""
    rows = []
    for of, person, signals, fs, trace in named:
        if of != "spcup":
            continue
        for name in ("PPG", "PPG2"):
            for start in range(0, len(signals[name]) - 1250, 500):  # every 4 s, that is every second of the references
                x = inputs({"PPG": signals[name][start : start + 1250]}, fs)[0]
                k = start // 250
                if k < len(trace):
                    rows.append((side[of, person], f"{of}_{person}", x, float(abs(strongest(x[0]) - trace[k]) <= 5)))
    for entry in butppg(data / "butppg" / "raw"):
        ppg = next(of for of in entry.read() if of.fs < 100)
        good = {part.values.get("quality", "") for part in entry.labels}
        where = ("train", "held", "validation", "held", "train", "held")[int(entry.subject[-1])]
        x = inputs({"PPG": ppg.signal[0]}, ppg.fs)[0]
        rows.append((where, f"but_{entry.subject}", x, float(bool(good & {"1", "good"}))))
    return rows


def strongest(x):
    """Return the strongest rhythm of a window in bpm."""
    hz = np.fft.rfftfreq(8192, 1 / FS)
    power = np.abs(np.fft.rfft(x * np.hanning(len(x)), 8192))
    band = (hz > 0.6) & (hz < 3.6)
    return 60 * hz[band][power[band].argmax()]


def beats(data):
    """Return ECG windows with a beat in the middle, and its class: 60 of a class and record at most."""
    rows, rng = [], np.random.default_rng(0)
    for entry in mitdb(data / "mitdb"):
        held = entry.id in DS2
        if not held and entry.id not in DS1:
            continue
        found = entry.read(("atr",))[0]
        x = np.asarray(resample(found.signal[0], found.fs, FS))
        marks = found.annotations["atr"]
        classes = np.array([AAMI_CLASSES.get(s, "") for s in marks.symbol.tolist()])
        at = np.rint(marks.sample * FS / found.fs).astype(int)
        inside = (at > 640) & (at < len(x) - 640)
        where = "held" if held else "validation" if list(DS1).index(entry.id) % 3 == 0 else "train"
        for c, name in enumerate(CLASSES):
            of = np.flatnonzero((classes == name) & inside)
            for k in rng.permutation(of)[:60].tolist():
                w = inputs({"ECG": x[at[k] - 625 : at[k] + 625]}, FS)[0]
                rows.append((where, entry.subject, w, float(c)))
    return rows
