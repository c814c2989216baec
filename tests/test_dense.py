"""Dense targets: what the synthetic source knows, what the detectors say, and that an encoder learns from both."""

import json
import pickle

import numpy as np
import pytest

from biotl.datasets.dense import MAPS, RATES_BPM, STEP_S, UNKNOWN, VALUES, SyntheticPulses, TaughtMaps, taught, truth
from biotl.datasets.kinds import make_preprocessor
from biotl.errors import ConfigError
from biotl.recipes import registry, run, synthetic
from biotl.recipes.pulses import pulses as write
from biotl.records.pulse import pulses
from biotl.training.data import Batches


@pytest.fixture(scope="module")
def windows():
    return make_preprocessor(registry.load("ssl_dense", ["data.manifest=none.csv"]).data.spec)


def test_pulses_follow_the_beats_and_movement_is_in_the_accelerometer():
    made = pulses(3, 5, duration_s=60.0, moves_s=((10.0, 20.0),))
    again = pulses(3, 5, duration_s=60.0, moves_s=((10.0, 20.0),))
    assert made.record.signal.tobytes() == again.record.signal.tobytes()
    assert np.flatnonzero(made.moving)[[0, -1]].tolist() == [1250, 2499]
    acc = made.record.signal[2:]
    assert acc[:, 1250:2500].std() > 5 * acc[:, 2500:].std()
    marks = made.record.annotations["pulses"]
    crests = marks.sample[marks.symbol == "p"]
    beats = made.record.annotations["atr"].sample
    before = beats[np.searchsorted(beats, crests[1:-1]) - 1]
    transit = (crests[1:-1] - before) / 125
    assert np.ptp(transit) < 0.08
    assert 0.1 < transit.mean() < 0.4
    apart = np.diff(crests)
    # after an early beat the pulse is small, and may be a shoulder of the one before
    for crest in crests[1:-1][(apart[:-1] > 0.9 * np.median(apart)) & (crests[1:-1] > 100)]:
        assert abs(made.clean[0, crest - 25 : crest + 26].argmax() - 25) < 12


def test_the_cadence_of_the_ppg_is_that_of_the_accelerometer():
    made = pulses(4, 1, duration_s=40.0, rate_bpm=50.0, moves_s=((0.0, 40.0),))
    moved = made.record.signal[0] - made.clean[0]
    power = [np.abs(np.fft.rfft(x * np.hanning(len(x))))[10:200] for x in (moved, made.record.signal[2])]
    assert abs(power[0].argmax() - power[1].argmax()) <= 1


@pytest.mark.parametrize("bpm", [35.0, 70.0, 190.0])
def test_the_rate_is_the_one_asked_for(bpm):
    beats = np.concatenate(
        [np.diff(pulses(1, k, duration_s=60.0, rate_bpm=bpm).record.annotations["atr"].sample) for k in range(6)]
    )
    assert 60 * 125 / beats.mean() == pytest.approx(bpm, rel=0.08)
    with pytest.raises(ConfigError, match="rate_bpm: got 5, wanted 20 to 240"):
        pulses(1, rate_bpm=5.0)


def test_the_truth_of_a_window_lies_where_its_marks_are():
    made = pulses(3, 8, duration_s=10.0)
    found = truth(made)
    assert found["maps"].shape == (len(MAPS), 250)
    assert found["maps"].min() >= 0
    for sample in made.record.annotations["atr"].sample:
        assert found["maps"][0, min(int(sample / 125 / STEP_S), 249)] > 0.8
    waves = made.record.annotations["waves"]
    qrs = int(np.flatnonzero(waves.symbol == "N")[2])
    assert found["maps"][2, int(waves.sample[qrs] / 125 / STEP_S)] == 1
    beats = made.record.annotations["atr"].sample
    assert RATES_BPM[found["rate"].argmax()] == pytest.approx(60 * 125 / np.diff(beats).mean(), abs=2)
    assert found["rate"].sum() == pytest.approx(1, abs=1e-5)
    still = truth(pulses(3, 8, duration_s=10.0, moves_s=()))["values"][VALUES.index("PPG SNR")]
    moved = truth(pulses(3, 8, duration_s=10.0, moves_s=((0.0, 10.0),)))["values"][VALUES.index("PPG SNR")]
    assert still > moved + 0.3


def test_ectopy_is_told_where_there_is_some():
    said = {bool(truth(pulses(1, k, duration_s=10.0))["values"][0]) for k in range(12)}
    assert said == {True, False}


def test_the_detectors_say_what_the_truth_says_where_they_agree():
    apart = []
    for k in range(12):
        made = pulses(6, k, duration_s=10.0, moves_s=())
        told, true = taught(*made.record.signal[:2], 125.0), truth(made)
        if told["values"][4]:
            apart.append(abs(float(RATES_BPM @ told["rate"]) - float(RATES_BPM @ true["rate"])))
            assert np.corrcoef(told["maps"][0], true["maps"][0])[0, 1] > 0.8
    assert len(apart) > 6
    assert np.mean(apart) < 1


def test_where_they_do_not_agree_nothing_is_taught_but_that():
    made = pulses(6, 2, duration_s=10.0, moves_s=())
    other = pulses(6, 2, duration_s=10.0, rate_bpm=150.0, moves_s=())
    told = taught(other.record.signal[0], made.record.signal[1], 125.0)
    assert (told["values"][4], told["known"][4]) == (0, True)
    assert (told["maps"] == UNKNOWN).all()
    assert not told["rate_known"].any()


def test_a_window_without_one_channel_is_taught_the_other(windows):
    made = pulses(6, 2, duration_s=10.0, moves_s=())
    x = made.record.signal[:2]
    sample = {"signal": x, "measured": np.stack([np.zeros(1250, bool), np.ones(1250, bool)])}
    told = TaughtMaps(125.0, 0, 1)(sample, np.random.default_rng(0))
    assert told["known"].tolist() == [False, True, False, False, False, True]
    assert told["rate_known"].all()
    nothing = TaughtMaps(125.0, 0, None)(sample, np.random.default_rng(0))
    assert not nothing["known"].any()


def test_the_source_has_no_end_and_its_validation_stays(windows):
    source = SyntheticPulses(windows, 4, seed=1)
    one, other = (source.draw(0, np.random.default_rng([0, epoch, 0])) for epoch in range(2))
    assert not np.array_equal(one["signal"], other["signal"])
    for name, value in source[2].items():
        np.testing.assert_array_equal(value, pickle.loads(pickle.dumps(source))[2][name])
    first, second = (next(Batches(source, [np.arange(4)], (7, 0, 1)).load(workers=n)) for n in (0, 1))
    assert all(bool((first[name] == second[name]).all()) for name in first)
    with pytest.raises(IndexError):
        source[4]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "SUBJECTS", {"train": 3, "validation": 2, "test": 1})
        write(folder, 0)
    return folder / "manifest.csv"


def test_dense_pretraining_runs_on_both_and_is_watched(manifest, tmp_path):
    own = [f"data.manifest={manifest}", f"run={tmp_path}", "data.dense=48", "stages[0].epochs=2"]
    done = run.pretrain(registry.load("ssl_dense", [*own, "data.probe=heart_rate", "data.probe_every=1"]))
    assert done.model.is_file()
    env = json.loads((tmp_path / "env.json").read_text())
    assert env["data"]["both.train"]["samples"] == 3 * 6 + 48
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    probes = [row for row in rows if row["kind"] == "probe"]
    assert [row["epoch"] for row in probes] == [0, 1]
    assert {"pretrained", "random initialisation", "simple features", "mean"} <= probes[0].keys()
    assert probes[0]["random initialisation"] == probes[1]["random initialisation"]
    report = (tmp_path / "report.html").read_text()
    assert "The same probe while it was trained" in report
    assert "no gain shown" in report  # of so few windows nothing is learnt


def test_a_fast_run_leaves_the_documented_history_and_says_what_was_restored(manifest, tmp_path, monkeypatch):
    monkeypatch.setattr("biotl.recipes.ssl_pretrain.FAST", (12, 6))
    own = [
        f"data.manifest={manifest}",
        f"run={tmp_path}",
        "data.fast=true",
        "stages[0].epochs=2",
        "data.probe=heart_rate",
    ]
    run.pretrain(registry.load("ssl_pretrain", own))
    tree = json.loads((tmp_path / "training_history.json").read_text())
    assert set(tree) == {f"{side}_{name}" for side in ("train", "val") for name in ("loss", "msm", "stft")}
    assert all(len(of) == 2 and all(value > 0 for value in of) for of in tree.values())
    env = json.loads((tmp_path / "env.json").read_text())
    assert {name: of["samples"] for name, of in env["data"].items()} == {"main.train": 12, "main.validation": 6}
    epochs = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines() if '"epoch",' in line]
    assert epochs[0]["r2.PPG.line"] == epochs[1]["r2.PPG.line"]  # the same patches are hidden in every validation
    assert epochs[0]["embedding.rank"] > 1
    assert "No better than the mean, or a straight line" in (tmp_path / "report.html").read_text()


def test_maps_do_not_turn_with_the_signal(manifest, tmp_path):
    own = [f"data.manifest={manifest}", f"run={tmp_path}", "data.augment.shift=0.1"]
    with pytest.raises(ConfigError, match=r"data\.augment\.shift: got 0\.1, wanted 0 with data\.dense"):
        run.pretrain(registry.load("ssl_dense", own))
