"""Damaged model files and recordings that do not fit: one clear error or an abstention that says why, never silence."""

import dataclasses
import re

import numpy as np
import onnx
import pytest

from biotl.cli import main
from biotl.datasets.channels import Found
from biotl.datasets.spec import Channel
from biotl.deploy import metadata, seal
from biotl.deploy.judge import size_note
from biotl.deploy.predictor import Predictor
from biotl.deploy.recordings import predict_files
from biotl.errors import BiotlError, RecordError, SignalError
from biotl.records import Record, ecg, find, read
from biotl.records.write import write_wfdb
from conftest import data_folder
from recipe_models import CONFIGS, spec_of, synthetic

# Model files


def damaged(data, how):
    if how == "empty":
        return b""
    if how == "truncated":
        return data[: len(data) // 2]
    if how == "one bit":
        return data[:500] + bytes([data[500] ^ 1]) + data[501:]
    if how == "grown":
        return data + b"\0"
    model = onnx.load_from_string(data)
    if how == "foreign":
        del model.metadata_props[:]
        return model.SerializeToString()
    for entry in model.metadata_props:
        if entry.key == metadata.BUNDLE and how == "newer":
            entry.value = entry.value.replace("biotl.bundle/1", "biotl.bundle/2")
        if entry.key == metadata.BUNDLE and how == "other field":
            entry.value = entry.value[:-1] + ', "colour": "red"}'
    kept = [entry for entry in model.metadata_props if not entry.key.endswith("sha256")]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    if how == "no graph":
        model.graph.node[0].op_type = "Nonsense"
    return seal.seal(model.SerializeToString())


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("empty", "sha256: got none at its end, wanted a model that biotl exported"),
        ("truncated", "sha256: got none at its end"),
        ("one bit", "sha256: got .*the file was changed or damaged: export or fetch it again"),
        ("grown", "sha256: got none at its end"),
        (
            "foreign",
            "sha256: got none at its end, wanted a model that biotl exported; it was changed, cut short, or not",
        ),
        ("newer", "bundle.format: got 'biotl.bundle/2', wanted biotl.bundle/1, written by this version"),
        ("other field", "bundle.colour: got 'red', wanted no such key"),
        ("no graph", "graph: got .*Nonsense"),
    ],
)
def test_a_model_file_that_is_not_whole_or_not_ours_is_one_error(how, says, models, tmp_path, capsys):
    path = tmp_path / "model.onnx"
    path.write_bytes(damaged(models("mitbih_spiking").read_bytes(), how))
    with pytest.raises(RecordError, match=rf"model\.onnx: {says}"):
        Predictor(path)
    assert main(["predict", str(path), str(tmp_path / "r")]) == 3
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert len(line) < 320


# Recordings


def holding(record, value, start=0.25, stop=0.6):
    x = record.signal.copy()
    n = x.shape[1]
    x[:, int(start * n) : int(stop * n)] = value
    return dataclasses.replace(record, signal=x)


def wrong_unit(record, unit):
    return dataclasses.replace(record, units=(unit,) * len(record.units))


FAULTS = {
    "unit of another quantity": lambda r: wrong_unit(r, "mmHg"),
    "no unit": lambda r: wrong_unit(r, ""),
    "unit a million times off": lambda r: wrong_unit(dataclasses.replace(r, signal=r.signal * 1e6), "mV"),
    "another name": lambda r: dataclasses.replace(r, channels=tuple(f"X{k}" for k, _ in enumerate(r.channels))),
    "rate too low": lambda r: dataclasses.replace(r, signal=r.signal[:, ::50].copy(), fs=r.fs / 50),
    "gap": lambda r: holding(r, np.nan),
    "all missing": lambda r: holding(r, np.nan, 0, 1),
    "flat stretch": lambda r: holding(r, 0.5),
    "all flat": lambda r: holding(r, 0.5, 0, 1),
    "infinite": lambda r: holding(r, np.inf, 0.3, 0.301),
    "too short": lambda r: dataclasses.replace(r, signal=r.signal[:, : max(1, int(0.02 * r.fs))]),
    "nothing": lambda r: dataclasses.replace(r, signal=r.signal[:, :0]),
}


@pytest.mark.parametrize("config", CONFIGS)
def test_a_file_that_is_refused_is_named_once(config, models, tmp_path):
    record, path = synthetic(spec_of(config), 60.0, seed=7), tmp_path / "short.npz"
    step = max(1, int(record.fs / 50))  # a fifth of a second, or ten samples of what is slower
    np.savez(path, signal=record.signal[:, : 10 * step], fs=record.fs, channels=record.channels, units=record.units)
    ((_, made),) = predict_files(Predictor(models(config), threads=1), [path])
    refused = isinstance(made, BiotlError)
    assert refused == (spec_of(config).kind == "windows")
    assert str(made).count(str(path)) == refused


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("config", CONFIGS)
def test_a_recording_that_does_not_fit_is_refused_or_not_answered_where_it_does_not(config, fault, models):
    predictor, spec = Predictor(models(config), threads=1), spec_of(config)
    record = synthetic(spec, 60.0, seed=7)
    bad = FAULTS[fault](record)
    refused, found = "", None
    try:
        found = predictor.predict(bad)
    except (RecordError, SignalError) as error:
        refused = str(error)
    if found is None:
        assert len(refused) < 320
        assert " got " in refused
        assert "wanted " in refused
        return
    whole = predictor.predict(record)
    where = found.span.mean(axis=1) / max(bad.signal.shape[1], 1)
    told = np.array([not why for why in found.abstained], bool)
    judged = [channel for channel in spec.channels if not channel.optional]
    if fault in {"all missing", "all flat", "nothing"} or (fault in {"rate too low"} and spec.kind != "sequences"):
        assert not told.any(), found
    elif fault == "gap":  # what is bridged is not answered; the middle of a beat's window or of a long gap never
        assert not told[(where > 0.4) & (where < 0.45)].any(), found
        assert any("missing" in note for note in found.notes) or "missing" in " ".join(found.abstained)
    elif fault == "flat stretch" and spec.kind != "sequences":  # nobody can tell a steady speed from a stuck sensor
        assert not told[(where > 0.4) & (where < 0.45)].any(), found
    elif fault == "infinite":
        assert len(found) >= 0.9 * len(whole)
        assert any("missing" in note or "no sensor" in note for note in found.notes) or len(found) < len(whole)
    elif fault == "too short":
        assert not len(found) or not told.any() or spec.kind == "sequences"
    elif fault == "another name":
        assert not judged  # no channel is needed
    elif fault in {"unit of another quantity", "no unit", "unit a million times off"}:
        # windows that are brought to mean 0 and deviation 1 mean the same in every unit, and their spec asks for none
        assert not any(channel.unit for channel in judged), found
        np.testing.assert_array_equal(found.span, whole.span)


@pytest.mark.parametrize("config", ["ecgbert_mitbih", "mitbih_spiking", "beats_mitbih"])
@pytest.mark.parametrize("fs", [128.0, 249.89, 360.0, 512.0, 1000.0])
def test_any_real_rate_and_order_of_channels_is_brought_to_the_spec(config, fs, models):
    predictor = Predictor(models(config), threads=1)
    record = ecg(2, 0, duration_s=30.0, fs=fs)
    found = predictor.predict(record)
    turned = dataclasses.replace(record, signal=record.signal[::-1], channels=record.channels[::-1])
    np.testing.assert_array_equal(predictor.predict(turned).value, found.value)
    assert predictor.predict(turned).leads == found.leads
    if found.unit == "beat":
        assert abs(len(found) - len(record.annotations["atr"])) <= 2
    else:
        assert found.span[0].tolist() == [0, round(10 * fs)]


@pytest.mark.parametrize("unit", ["uV", "µV", "μV", "\U0001d6cdV", "\U0001d707V", "\U0001d741V", "㎶", "microvolts"])
def test_every_form_of_microvolts_is_one_unit(unit, models):
    predictor = Predictor(models("ecgbert_mitbih"), threads=1)
    record = ecg(2, 0, duration_s=20.0)
    small = dataclasses.replace(record, signal=record.signal * np.float32(1000), units=(unit,) * 2)
    found, wanted = predictor.predict(small), predictor.predict(record)
    np.testing.assert_array_equal(found.span, wanted.span)
    np.testing.assert_allclose(found.probability, wanted.probability, atol=1e-4)


@pytest.mark.parametrize("config", ["ecgbert_mitbih", "spiking_without_beats"])
@pytest.mark.parametrize("times", [0.001, 0.02, 1, 50, 1000])
def test_a_gain_that_cannot_be_is_told_and_all_is_answered_as_before(config, times, models, tmp_path, capsys):
    path = write_wfdb(dataclasses.replace(ecg(2, 0, duration_s=60.0), name="r"), tmp_path)
    head = tmp_path / "r.hea"
    head.write_text(re.sub(r"[\d.]+(?=\(-?\d+\)/mV)", lambda gain: str(float(gain[0]) / times), head.read_text()))
    code = main(["predict", str(models(config)), str(path)])
    said = capsys.readouterr()
    notes = [line for line in said.err.splitlines() if "MLII: 2 s span about" in line]
    assert (code == 3 and "at most 1000 mV" in said.err) if times == 1000 else code == 0
    assert len(notes) == (code == 0 and times != 1), said.err
    assert all(note.endswith("is the gain or the unit right? --units states another") for note in notes)


def test_no_real_ecg_is_too_small_or_too_large():
    leads = []
    for name in ("ludb", "qtdb_more", "twelvelead"):
        for path in (p for p in find([data_folder(name)]) if p.suffix != ".npz"):
            record = read(path)
            leads += [Found(*lead, record, flat=False) for lead in zip(record.channels, record.signal, strict=True)]
    assert len(leads) > 1000
    assert not [note for found in leads for note in size_note(found, Channel(name="ECG"))]


@pytest.mark.filterwarnings("ignore:.*jitter")
def test_the_speeds_of_real_workouts_are_right_and_a_thousandth_of_them_or_a_thousand_times_as_much_is_told():
    speed = Channel(name="speed", unit="km/h")
    for path in sorted((data_folder("workouts") / "csv").glob("*.csv")):
        record = read(path)
        x = record.channel("speed")
        for times in (1e-3, 1, 1e3):
            scaled = Record("r", x[None] * np.float32(times), record.fs, ("speed",), ("kmh",), "p")
            assert bool(size_note(Found("speed", scaled.signal[0], scaled, flat=False), speed)) == (times != 1), path
