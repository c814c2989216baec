"""Windows and sequences: channels by name at one rate, gaps that are seen, scalers of training recordings only."""

import dataclasses
import json
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from biotl import signal
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.labels import ChannelAt, WindowClass, WindowValue
from biotl.datasets.manifest import Entry, Labelled
from biotl.datasets.members import open_members, read_member
from biotl.datasets.sequences import SequencePreprocessor
from biotl.datasets.spec import Channel
from biotl.datasets.spec_kinds import SequenceSpec, WindowSpec
from biotl.datasets.windows import WindowPreprocessor
from biotl.errors import ConfigError, RecordError, SignalError
from biotl.records import Annotations, Record

RNG = np.random.default_rng(0)


def record(fs, **channels):
    names = tuple(channels)
    x = np.array([channels[name] for name in names], np.float32)
    return Record("r", x, fs, names, ("mV",) * len(names), "p")


def noise(n):
    return RNG.normal(size=n).astype(np.float32)


def spec(**changes):
    channels = ({"name": "PPG"}, {"name": "ECG", "unit": "mV"})
    return WindowSpec(**({"fs": 125, "length_s": 2, "channels": channels} | changes))


def test_files_of_different_rates_come_to_one_in_the_order_of_the_spec():
    ppg, ecg = noise(300), noise(10_000)
    found = WindowPreprocessor(spec()).prepare([record(1000.0, ecg=ecg), record(30.0, Pleth=ppg)])
    assert found.about["leads"] == {"PPG": "Pleth", "ECG": "ecg"}
    np.testing.assert_array_equal(found.arrays["signal"][0], signal.resample(ppg, 30, 125)[:1250])
    np.testing.assert_array_equal(found.arrays["signal"][1], signal.resample(ecg, 1000, 125))
    # spans are at the rate of the first file
    assert WindowPreprocessor(spec()).units(found).tolist()[:2] == [[0, 2000], [2000, 4000]]


def test_each_channel_has_its_own_filters():
    channels = (
        {"name": "PPG", "filters": [{"name": "bandpass", "options": {"low": 0.4, "high": 7.0}}]},
        {"name": "ECG", "filters": [{"name": "highpass", "options": {"cutoff": 0.5}}]},
    )
    x, y = noise(2500), noise(2500)
    found = WindowPreprocessor(spec(channels=channels)).prepare([record(125.0, PPG=x, ECG=y)])
    np.testing.assert_array_equal(found.arrays["signal"][0], signal.bandpass(x, 125, low=0.4, high=7.0))
    np.testing.assert_array_equal(found.arrays["signal"][1], signal.highpass(y, 125, cutoff=0.5))


def test_a_number_a_second_is_no_waveform():
    with pytest.raises(RecordError, match=r"rate of PPG: got 1 Hz, wanted a waveform, 6\.25 Hz at least"):
        WindowPreprocessor(spec()).prepare([record(125.0, ECG=noise(2500)), record(1.0, PPG=noise(20))])


def holed(n=2500, at=slice(300, 320)):
    x = noise(n)
    x[at] = np.nan
    return x


def test_a_gap_is_refused_bridged_or_masked_as_the_spec_says():
    data = [record(125.0, PPG=holed(), ECG=noise(2500))]
    with pytest.raises(RecordError, match=r"channel PPG: got 0\.16 s missing, the first at 2\.40 s"):
        WindowPreprocessor(spec()).prepare(data)
    bridged = WindowPreprocessor(spec(gaps="interpolate"))
    assert np.isfinite(bridged.prepare(data).arrays["signal"]).all()
    masked = WindowPreprocessor(spec(gaps="mask"))
    prepared = masked.prepare(data)
    cuts = [masked.inputs(prepared, cut) for cut in masked.cuts(prepared)]
    assert len(cuts) == 10
    assert (~cuts[1]["measured"]).sum() == 20
    assert not cuts[1]["signal"][~cuts[1]["measured"]].any()
    assert all(cut["measured"].all() for i, cut in enumerate(cuts) if i != 1)


def test_an_optional_channel_that_is_missing_is_masked_and_a_needed_one_named():
    lacks = [record(125.0, ECG=noise(2500))]
    with pytest.raises(RecordError, match="channels: got ECG, wanted one of PPG"):
        WindowPreprocessor(spec(gaps="mask")).prepare(lacks)
    soft = WindowPreprocessor(spec(channels=({"name": "PPG", "optional": True}, {"name": "ECG"})))
    prepared = soft.prepare(lacks)
    window = soft.inputs(prepared, soft.cuts(prepared)[3])
    assert window["measured"].all(axis=1).tolist() == [False, True]
    assert not window["signal"][0].any()


def test_a_window_without_a_sample_of_a_needed_channel_is_left_out():
    masked = WindowPreprocessor(spec(gaps="mask"))
    prepared = masked.prepare([record(125.0, PPG=holed(at=slice(240, 760)), ECG=noise(2500))])
    assert prepared.about["left out"] == {"no sample": 2}
    assert prepared.arrays["start"].tolist()[:3] == [0, 750, 1000]


def test_a_gate_leaves_windows_out_and_says_why():
    from biotl.records import ecg

    whole = ecg(1, 0, duration_s=60.0)
    x = whole.signal.copy()
    x[0, 3600:7200] = 0.1
    gates = [{"channel": "ECG", "kind": "ecg", "least": 0.5}]
    gated = WindowPreprocessor(WindowSpec(fs=180, length_s=10, channels=({"name": "ECG"},), gates=gates))
    prepared = gated.prepare([dataclasses.replace(whole, signal=x)])
    assert prepared.arrays["start"].tolist() == [0, 3600, 5400, 7200, 9000]
    assert prepared.about["left out"] == {"ECG few beats": 1, "ECG flat": 1}
    open_ = WindowPreprocessor(gated.spec.model_copy(update={"gates": ()}))
    assert open_.prepare([dataclasses.replace(whole, signal=x)]).about["left out"] == {}
    with pytest.raises(ValidationError, match="gates: got PPG, wanted one of ECG"):
        WindowSpec(fs=180, length_s=10, channels=({"name": "ECG"},), gates=[{**gates[0], "channel": "PPG"}])


def test_a_short_recording_is_refused_or_padded():
    short = [record(125.0, PPG=noise(200), ECG=noise(200))]
    with pytest.raises(SignalError, match=r"got 1\.6 s of the channels, wanted 2 s, a window"):
        WindowPreprocessor(spec()).prepare(short)
    masked = WindowPreprocessor(spec(gaps="mask"))
    prepared = masked.prepare(short)
    assert masked.inputs(prepared, masked.cuts(prepared)[0])["measured"].sum() == 400
    with pytest.raises(SignalError, match="wanted 2 s"):
        masked.prepare([record(125.0, PPG=noise(100), ECG=noise(100))])


@pytest.mark.parametrize("normalizer", ["window", "recording"])
def test_a_channel_is_normalised_by_itself_over_what_was_measured(normalizer):
    channels = ({"name": "PPG", "normalizer": normalizer}, {"name": "ECG"})
    masked = WindowPreprocessor(spec(channels=channels, gaps="mask"))
    x = 5 + 3 * holed(250)
    prepared = masked.prepare([record(125.0, PPG=x, ECG=np.full(250, 7.0))])
    window = masked.inputs(prepared, masked.cuts(prepared)[0])
    seen = window["signal"][0][window["measured"][0]]
    assert seen.mean() == pytest.approx(0, abs=1e-5)
    assert seen.std() == pytest.approx(1, abs=1e-5)
    assert window["signal"][1].tolist() == [7.0] * 250
    flat = masked.prepare([record(125.0, PPG=np.full(250, 4.0), ECG=noise(250))])
    assert not masked.inputs(flat, masked.cuts(flat)[0])["signal"][0].any()


def test_the_scaler_is_fitted_on_training_recordings_alone_and_travels_as_json():
    channels = ({"name": "PPG", "normalizer": "training"}, {"name": "ECG"})
    bare = WindowPreprocessor(spec(channels=channels))
    train = [record(125.0, PPG=1e6 + k + noise(2500), ECG=noise(2500)) for k in range(3)]
    prepared = [bare.prepare([r]) for r in train]
    with pytest.raises(ConfigError, match="was not fitted"):
        bare.inputs(prepared[0], bare.cuts(prepared[0])[0])
    fitted = bare.fit(prepared, names=["a", "b", "c"], seed=0)
    together = np.concatenate([r.signal[0] for r in train]).astype(np.float64)
    assert fitted.state["scaler"]["mean"][0] == pytest.approx(together.mean(), rel=1e-12)
    assert fitted.state["scaler"]["std"][0] == pytest.approx(together.std(), rel=1e-6)
    assert fitted.fitted_on == ("a", "b", "c")
    again = make_preprocessor(fitted.spec, json.loads(json.dumps(fitted.state)))
    cut = fitted.cuts(prepared[1])[2]
    for name, array in fitted.inputs(prepared[1], cut).items():
        np.testing.assert_array_equal(again.inputs(prepared[1], cut)[name], array)
    assert pickle.loads(pickle.dumps(fitted)) == fitted


def test_windows_overlap_where_the_step_is_shorter():
    overlapping = WindowPreprocessor(spec(step_s=0.5))
    prepared = overlapping.prepare([record(125.0, PPG=noise(500), ECG=noise(500))])
    assert prepared.arrays["start"].tolist() == [0, 62, 124, 186, 248]
    for cut, span in zip(overlapping.cuts(prepared), overlapping.units(prepared), strict=True):
        assert overlapping.reads(prepared, cut) == tuple(span)


SLOW = SequenceSpec(fs=0.2, length=8, channels=({"name": "speed"}, {"name": "altitude", "normalizer": "training"}))


def run(n=60, fs=1.0, **changes):
    channels = {"speed": np.arange(n), "altitude": 100 + noise(n), "heart_rate": np.linspace(90, 150, n)} | changes
    return record(fs, **channels)


def test_a_step_is_the_mean_of_its_samples():
    prepared = SequencePreprocessor(SLOW).prepare([run()])
    np.testing.assert_allclose(prepared.arrays["signal"][:, 0], np.arange(60).reshape(12, 5).mean(axis=1))
    assert SequencePreprocessor(SLOW).units(prepared).tolist()[-1] == [55, 60]


def test_a_pause_is_masked_and_not_bridged():
    """A reader leaves the seconds of a pause empty; they come back as missing, and not as a straight line."""
    speed = np.arange(130.0)
    speed[30:100] = np.nan
    pre, data = SequencePreprocessor(SLOW), [run(130, speed=speed)]
    prepared = pre.prepare(data)
    middle = np.arange(26) * 5 + 2.5
    seen = np.isfinite(prepared.arrays["signal"][:, 0])
    np.testing.assert_array_equal(seen, (middle < 29 + 15) | (middle > 100 - 15))
    # what is near enough to a sample lies on the line between the two sides
    assert prepared.arrays["signal"][7, 0] == pytest.approx(37.5)
    assert prepared.about["gaps"]["speed"] == [1, 40.0]
    with pytest.raises(RecordError, match="40 s further than 15 s from a sample"):
        SequencePreprocessor(SLOW.model_copy(update={"gaps": "refuse"})).prepare(data)


def uphill(n=600, kmh=12.0, slope=0.05):
    """A runner on an even slope, a sample a second."""
    speed = np.full(n, kmh)
    found = record(1.0, speed=speed, altitude=100 + slope * np.cumsum(speed / 3.6), heart_rate=np.full(n, 150.0))
    return dataclasses.replace(found, units=("km/h", "m", "bpm"))


def derived(**changes):
    channels = ({"name": "speed", "unit": "km/h"}, {"name": "altitude", "unit": "m"})
    names = ("grade", "power", "load", "elapsed")
    return SequencePreprocessor(
        SequenceSpec(**({"fs": 0.2, "length": 120, "channels": channels, "derived": names} | changes))
    )


def test_grade_power_load_and_time_follow_from_speed_and_altitude():
    pre = derived()
    data = uphill()
    _, _, grade, power, load, elapsed = pre.prepare([data]).arrays["signal"].T
    np.testing.assert_allclose(grade, 0.05, atol=1e-3)
    # Minetti's polynomial at a slope of 5 %, times 12 km/h
    cost = 155.4 * 0.05**5 - 30.4 * 0.05**4 - 43.3 * 0.05**3 + 46.3 * 0.05**2 + 19.5 * 0.05 + 3.6
    np.testing.assert_allclose(power, cost * 12 / 3.6, rtol=1e-2)
    assert load[-1] == pytest.approx(cost * 12 / 3.6 * 600 / 1000, rel=1e-2)
    assert elapsed[-1] == pytest.approx(119 * 5 / 60)


def test_a_pause_costs_nothing_and_a_still_barometer_has_no_grade():
    still = uphill()
    signal = still.signal.copy()
    signal[0, 200:400] = np.nan
    signal[0, 400:] = 0
    signal[1] += np.random.default_rng(0).normal(0, 1, 600)
    pre = derived()
    x = pre.prepare([dataclasses.replace(still, signal=signal)]).arrays["signal"]
    assert not x[90:, 2].any()
    assert x[-1, 4] == x[85, 4]
    assert pre.spec.names == ("speed", "altitude", "grade", "power", "load", "elapsed")
    fitted = pre.fit([pre.prepare([uphill()])], names=["a"], seed=0)
    assert len(fitted.state["scaler"]["mean"]) == 6


def test_what_cannot_be_derived_is_refused():
    with pytest.raises(ValidationError, match="derived: grade needs a channel altitude with the unit m"):
        derived(channels=({"name": "speed", "unit": "km/h"},))


def test_a_sequence_is_padded_and_its_steps_keep_their_place():
    pre = SequencePreprocessor(SLOW)
    prepared = pre.prepare([run()])
    pre = pre.fit([prepared], names=["a"], seed=0)
    cuts = [pre.inputs(prepared, cut) for cut in pre.cuts(prepared)]
    assert [cut["valid"].sum() for cut in cuts] == [8, 4]
    assert cuts[1]["unit"].tolist() == [8, 9, 10, 11, -1, -1, -1, -1]
    assert not cuts[1]["measured"][4:].any()
    altitude = np.concatenate([cut["signal"][cut["valid"], 1] for cut in cuts])
    assert altitude.mean() == pytest.approx(0, abs=1e-5)
    assert altitude.std() == pytest.approx(1, abs=1e-5)


def test_a_channel_is_a_target_at_its_horizon_with_a_mask_and_never_an_input():
    rate = np.linspace(90, 150, 60)
    rate[20:] = np.nan
    pre, data = SequencePreprocessor(SLOW), [run(heart_rate=rate)]
    prepared = pre.prepare(data)
    target = ChannelAt(Channel(name="heart_rate", aliases=("HR",)), horizon_s=10.0)
    target.check(SLOW)
    found = target.of(Entry("a", (), "p"), data, prepared, pre.units(prepared))
    np.testing.assert_allclose(found["target"][:2], np.nanmean(rate[10:20].reshape(2, 5), axis=1), rtol=1e-6)
    # the last sample is that of 19 s: 15 s after it nothing was measured
    np.testing.assert_array_equal(found["mask"], np.arange(12) * 5 + 12.5 <= 19 + 15)
    leaks = SLOW.model_copy(update={"channels": (*SLOW.channels, Channel(name="hr"))})
    with pytest.raises(ConfigError, match="target: heart_rate is the input channel hr too"):
        dataclasses.replace(target, horizon_s=0.0).check(leaks)
    target.check(leaks)  # lagged by a stated horizon it is allowed


def test_a_recording_out_of_the_limits_of_its_target_is_refused_by_name():
    rate = np.linspace(90, 150, 60)
    rate[7:9] = 230, 0
    pre, data = SequencePreprocessor(SLOW), [run(heart_rate=rate)]
    target = ChannelAt(Channel(name="heart_rate", unit="mV"), limits=(50, 220))
    with pytest.raises(
        RecordError, match="r: heart_rate: got 2 of 60 values out of it, from 0 to 230, wanted 50 to 220"
    ):
        target.of(Entry("a", (), "p"), data, pre.prepare(data), np.zeros((0, 2), np.int64))


def labelled(*stretches):
    return Entry("a", (), "p", labels=tuple(Labelled(a, b, values) for a, b, values in stretches))


def test_a_window_takes_the_label_that_covers_more_than_half_of_it():
    pre = WindowPreprocessor(spec())
    prepared = pre.prepare([record(125.0, PPG=noise(1250), ECG=noise(1250))])
    target = WindowClass("quality", {"good": "good", "poor": "poor", "fair": "poor"})
    assert target.labels == ("good", "poor")
    entry = labelled((0, 3.5, {"quality": "good"}), (3.5, 6, {"quality": "fair"}), (8, 9, {"quality": "poor"}))
    found = target.of(entry, [], prepared, pre.units(prepared))
    # 2-4 s: 1.5 s good; 6-8 s: nothing; 8-10 s: poor in half of it
    assert found["labels"].tolist() == [0, 0, 1, -2, -2]
    with pytest.raises(RecordError, match="a: labels: got rate, wanted a column 'quality'"):
        target.of(labelled((0, 9, {"rate": "7"})), [], prepared, pre.units(prepared))


def test_a_value_that_is_no_number_is_masked():
    pre = WindowPreprocessor(spec())
    prepared = pre.prepare([record(125.0, PPG=noise(750), ECG=noise(750))])
    entry = labelled((0, 2, {"rate": "71.5"}), (2, 4, {"rate": "?"}), (4, 6, {"rate": "80"}))
    found = WindowValue("rate").of(entry, [], prepared, pre.units(prepared))
    assert found["target"].tolist() == [71.5, 0, 80]
    assert found["mask"].tolist() == [True, False, True]


def test_an_annotation_rule_takes_the_last_class_that_a_window_holds():
    pre = WindowPreprocessor(spec())
    zeros = np.zeros(6, np.int8)
    marks = Annotations(
        np.array([100, 300, 400, 700, 800, 900]),
        np.array(["N", "N", "V", "[", "]", "+"]),
        ("",) * 6,
        zeros,
        zeros,
        zeros,
    )
    data = dataclasses.replace(record(125.0, PPG=noise(1250), ECG=noise(1250)), annotations={"atr": marks})
    prepared = pre.prepare([data])
    target = WindowClass(annotator="atr", classes={"V": "abnormal", "[": "abnormal"}, otherwise="normal")
    found = target.of(Entry("a", (), "p"), [data], prepared, pre.units(prepared))
    # the flutter reaches from 5.6 to 6.4 s; the last window holds no beat
    assert found["labels"].tolist() == [0, 1, 1, 1, -2]


@pytest.mark.slow
def test_a_hundred_thousand_windows_stream_with_flat_memory(tmp_path):
    """100 recordings of 10,000 s prepare and are drawn in hardly more memory of their own than 30 of them."""
    code = """
import sys
from pathlib import Path
import numpy as np
from biotl.datasets.labels import Itself
from biotl.datasets.manifest import Entry
from biotl.datasets.prepare import prepare_store
from biotl.datasets.samples import Samples, fit
from biotl.datasets.spec_kinds import WindowSpec
from biotl.datasets.splits import Part
from biotl.datasets.windows import WindowPreprocessor

def own():
    return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1]) / 1024

folder, n = Path(sys.argv[1]), int(sys.argv[2])
x = np.random.default_rng(0).integers(-999, 999, (2, 1_250_000), np.int16)
np.savez(folder / "long.npz", x=x, scale=0.001, fs=125.0, channels=["PPG", "ECG"])
entries = [Entry(f"r{k}", (folder / "long.npz" / "0",), f"s{k}") for k in range(n)]
band = {"name": "bandpass", "options": {"low": 0.5, "high": 8.0}}
channels = tuple({"name": name, "normalizer": "training", "filters": [band]} for name in ("PPG", "ECG"))
plain = WindowPreprocessor(WindowSpec(fs=125, length_s=10, channels=channels, gaps="mask"))
most = []
store, refused = prepare_store(entries, plain, Itself(), folder / "store", done=lambda _: most.append(own()))
parts = [Part(entry.id) for entry in entries]
samples = Samples(store, fit(store, plain, parts, seed=0), parts)
for k in range(0, len(samples), 5):
    assert samples[k]["signal"].shape == (2, 1250)
    if k % 10_000 == 0:
        most.append(own())
print(len(samples), len(refused), max(most))
"""
    found = {}
    for n in (30, 100):
        folder = tmp_path / str(n)
        folder.mkdir()
        words = [sys.executable, "-c", code, str(folder), str(n)]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        assert said[:2] == [str(n * 1000), "0"]
        found[n] = float(said[2])
        shutil.rmtree(folder)
    assert found[100] < found[30] + 60  # MiB; the store of all of them is a gigabyte


def test_windows_of_an_archive_that_is_not_compressed_are_mapped_and_read_the_same(tmp_path):
    x = np.random.default_rng(0).normal(size=(300, 2, 1250)).astype(np.float32)
    np.savez(tmp_path / "plain.npz", data=x, labels=np.arange(300))
    np.savez_compressed(tmp_path / "packed.npz", data=x)
    for name, mapped in (("plain", True), ("packed", False)):
        held = open_members(tmp_path / f"{name}.npz")["data"]
        assert isinstance(held, np.memmap) == mapped
        np.testing.assert_array_equal(held, x)
        np.testing.assert_array_equal(read_member(tmp_path / f"{name}.npz" / "299").signal, x[299])
    data = (tmp_path / "plain.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(RecordError, match=r"cut\.npz: archive"):
        open_members(tmp_path / "cut.npz")
