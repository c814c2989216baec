"""The documented channels.yaml and windows.yaml: what they say is the spec, and what they cannot mean is refused."""

from pathlib import Path

import numpy as np
import pytest

from biotl.cli import main
from biotl.datasets.documented import window_spec
from biotl.datasets.spec_kinds import WindowSpec
from biotl.datasets.windows import WindowPreprocessor
from biotl.errors import ConfigError
from biotl.recipes import pulses, registry, synthetic
from biotl.records import Record, ecg

HERE = Path(__file__).parents[1] / "examples" / "documented"
BOTH = {"channels": f"{HERE}/channels.yaml/pretrain", "windows": f"{HERE}/windows.yaml"}


def spec(**changes):
    with pytest.warns(UserWarning, match="min_quality is not applied to PPG, ECG: the documented sSQI of 0.8 throws"):
        return WindowSpec.model_validate(window_spec(BOTH | changes))


def test_the_documented_files_are_a_spec():
    found = spec()
    assert (found.names, found.fs, found.length, found.step) == (("PPG", "ECG"), 125, 1250, 1250)
    ppg, heart = found.channels
    assert ppg.filters[0].options == {"low": 0.4, "high": 7, "order": 4, "kind": "cheby2", "rs": 20}
    assert heart.filters[0].options == {"low": 0.5, "high": 40, "order": 4, "kind": "butter"}
    assert heart.aliases == ("ECG_II", "SNUADC/ECG_II")
    assert {channel.normalizer for channel in found.channels} == {"training"}
    assert [(gate.channel, gate.cycles) for gate in found.gates] == [("PPG", 3), ("ECG", 3)]
    own = spec(length_s=5.0, gates=[{"channel": "PPG", "kind": "ppg", "least": 0.5}])
    assert (own.length, own.gates[0].least) == (625, 0.5)


def test_the_five_channels_of_fine_tuning_take_a_recording_without_acceleration():
    found = WindowSpec.model_validate(window_spec({"channels": f"{HERE}/channels.yaml/finetune", "length_s": 10}))
    assert [channel.optional for channel in found.channels] == [True] * 3 + [False] * 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("cheby2", "bessel"), r"pretrain\.PPG\.filter: got .*bessel.* wanted type butter or cheby2"),
        (("highcut: 7", "hicut: 7"), r"filter: hicut: unknown key; did you mean 'highcut'"),
        (("sampling_rate: 125", "sampling_rate: 64"), r"got sampling_rate 64, wanted the fs of all, 125"),
        (("type: ppg", "type: eeg"), r"pretrain\.PPG: got type 'eeg', wanted one of ecg, ppg, accelerometer"),
        (("channels: [PPG, ECG]", "channels: [PPG, ABP]"), r"pretrain: ECG: unknown key"),
        (("pretrain:", "pretain:"), r"got '.*/pretrain', wanted FILE/SECTION; did you mean 'pretain'"),
    ],
)
def test_what_is_not_documented_is_refused_by_place(tmp_path, changed, message):
    (tmp_path / "c.yaml").write_text((HERE / "channels.yaml").read_text().replace(*changed))
    with pytest.raises(ConfigError, match=message):
        window_spec({"channels": f"{tmp_path}/c.yaml/pretrain"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("window: {size: 10}", "window: size: unknown key; did you mean"),
        ("window: {step_seconds: 10}", "window: got no size_seconds"),
        (
            "window: {size_seconds: 10}\nnormalization: {method: minmax}",
            "got 'minmax', wanted zscore or patient_zscore",
        ),
        ("window: {size_seconds: 10}\nsupervised: {}", "supervised: unknown key"),
    ],
)
def test_windows_that_are_not_documented_are_refused(tmp_path, text, message):
    (tmp_path / "w.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        window_spec({"channels": [{"name": "PPG"}], "windows": f"{tmp_path}/w.yaml"})


def test_prep_takes_the_documented_files_and_fits_on_training_subjects(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(synthetic, "SUBJECTS", {"train": 2, "validation": 1, "test": 1})
    pulses.pulses(tmp_path, 0)
    own = [f"data.spec.{key}={value}" for key, value in BOTH.items()]
    own += [f"data.manifest={tmp_path / 'manifest.csv'}", f"run={tmp_path / 'run'}"]
    with pytest.warns(UserWarning, match="min_quality"):
        assert main(["prep", "ssl_pretrain", *(word for value in own for word in ("--set", value))]) == 0
    said = capsys.readouterr().out
    assert "fitted on 2 recordings" in said
    assert "left out" in said  # what a movement spoils has too few beats, or codes that jump
    with pytest.warns(UserWarning, match="min_quality"):
        assert registry.load("ssl_pretrain", own).data.spec.gates[0].cycles == 3


def spoilt(kind):
    """Half a minute of PPG at 125 Hz whose second window is spoilt."""
    record = pulses.recording(0, 1)[0]
    x = ecg(0, 1, duration_s=30.0, fs=125.0)
    t = np.arange(3750) / 125
    ppg = np.sin(2 * np.pi * 1.2 * t) + 0.3 * np.sin(2 * np.pi * 2.4 * t + 1)
    part = slice(1250, 2500)
    if kind == "missing":
        ppg[1400:1900] = np.nan
    elif kind == "flat":
        ppg[1400:1900] = ppg[1400]
    elif kind == "clipped":
        ppg[part] = np.clip(ppg[part], -0.3, 0.3)
    elif kind == "jumps":
        ppg[part] = (ppg[part] + 0.75) % 1.5  # codes that wrapped
    signal = np.stack([ppg, x.signal[0][:3750]]).astype(np.float32)
    return Record(record.name, signal, 125.0, ("PPG", "ECG"), ("NU", "mV"), "")


@pytest.mark.parametrize("kind", ["missing", "flat", "clipped", "jumps", "few beats"])
def test_what_spoils_a_window_is_seen_and_named(kind):
    gates = [{"channel": "PPG", "kind": "ppg", "cycles": 30 if kind == "few beats" else 3}]
    channels = ({"name": "PPG"}, {"name": "ECG"})
    made = WindowPreprocessor(WindowSpec(fs=125, length_s=10, gaps="mask", channels=channels, gates=gates))
    prepared = made.prepare([spoilt(kind)])
    assert f"PPG {kind}" in prepared.about["left out"]
    assert prepared.arrays["start"].tolist() == ([] if kind == "few beats" else [0, 2500])
