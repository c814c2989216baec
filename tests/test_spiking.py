"""The spiking recipe: the documented windows to the unit, beats beside samples, loss, selection, stages, demo."""

import json

import numpy as np
import pytest
import torch

from biotl.cli import main
from biotl.config import validate
from biotl.datasets.adapters import windows
from biotl.datasets.documented_windows import write_documented
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.labels import WindowClass
from biotl.datasets.manifest import Entry
from biotl.datasets.prepare import prepare_store
from biotl.datasets.samples import Samples
from biotl.datasets.spec_kinds import BeatSpec, WindowSpec, parse_spec
from biotl.datasets.splits import Part
from biotl.datasets.window_beats import COLUMNS, REACH
from biotl.errors import ConfigError, RecordError
from biotl.models.energy import cost
from biotl.models.foreign_spiking import documented, import_spiking
from biotl.models.registry import build
from biotl.recipes import demo
from biotl.records import ecg
from biotl.records.write import write_wfdb
from biotl.training.checkpoint import load
from biotl.training.losses import LOSSES
from biotl.training.metrics import METRICS
from biotl.training.stages import Stage, Term, one_of
from conftest import data_folder
from test_demo import few

COUNTS = {"train": (1482, 916, 566, 26), "val": (329, 100, 229, 7), "test": (379, 133, 246, 4)}
QUALITY = {"train": 0.8331, "val": 0.8282, "test": 0.8336}
"""What the document and an independent reading of its code give."""
SPEC = WindowSpec(
    fs=250,
    length_s=10,
    channels=({"name": "ECG", "unit": "mV", "normalizer": "window"},),
    gates=({"channel": "ECG", "kind": "ecg", "least": 0},),
    beats=BeatSpec(),
)
CLASSES = {"V": "abnormal", "A": "abnormal", "[": "abnormal"}


def test_the_documented_windows_are_those_of_the_document_to_the_unit(tmp_path):
    stats = write_documented(data_folder("mitdb"), tmp_path)
    found = {
        side: tuple(of[key] for key in ("windows", "normal", "arrhythmia", "records")) for side, of in stats.items()
    }
    assert found == COUNTS
    assert {side: round(of["sqi"], 4) for side, of in stats.items()} == QUALITY
    assert json.loads((tmp_path / "dataset_stats.json").read_text()) == stats
    entries = windows(tmp_path)
    assert sum(entry.split == "test" for entry in entries) == 379
    assert {entry.subject for entry in entries if entry.split == "test"} == {"119", "107", "228", "207"}
    assert set(entries[0].labels[0].values) == {"label", "segment_confidence", "sqi_scores", "patient_ids"}
    (one,) = entries[0].read()
    assert (one.signal.shape, one.fs, one.channels) == ((1, 2500), 250.0, ("ECG",))


def test_a_folder_without_the_database_is_refused(tmp_path):
    with pytest.raises(RecordError, match="got 0, wanted the 48"):
        write_documented(tmp_path, tmp_path / "out")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spiking")
    paths = [write_wfdb(ecg(0, subject, duration_s=60, fs=250), folder) for subject in range(3)]
    entries = [Entry(f"e{k}", (path,), f"p{k}") for k, path in enumerate(paths)]
    target = WindowClass(annotator="atr", classes=CLASSES, otherwise="normal")
    made, refused = prepare_store(entries, make_preprocessor(SPEC), target, folder / "store")
    assert not refused
    return made


def test_a_window_carries_what_its_beats_are_within_the_recording(store):
    plain = make_preprocessor(SPEC)
    names = ("e0", "e1")
    fitted = plain.fit((store[name] for name in names), names=names, seed=0)
    again = make_preprocessor(parse_spec(SPEC.model_dump_json()), json.loads(json.dumps(fitted.state)))
    rows = {
        name: np.stack([again.inputs(store[name], cut)["beats"] for cut in again.cuts(store[name])]) for name in store
    }
    assert all(row.shape == (6, len(COLUMNS)) and row.dtype == np.float32 for row in rows.values())
    learnt = np.concatenate([rows[name] for name in names])
    assert np.abs(learnt).max() <= REACH
    assert np.abs(learnt.mean(0)).max() < 0.5
    count = np.array([[store[name].arrays["beats"][k, -1] for k in range(6)] for name in store])
    assert ((count >= 5) & (count <= 30)).all()
    with pytest.raises(ConfigError, match="was not fitted"):
        plain.inputs(store["e0"], plain.cuts(store["e0"])[0])


def test_patient_quality_and_confidence_of_a_window_are_reached_from_the_data_set(store):
    preprocessor = make_preprocessor(SPEC).fit((store[name] for name in store), names=tuple(store), seed=0)
    samples = Samples(store, preprocessor, [Part("e1"), Part("e2")])
    known = samples.metadata(7)
    assert {key: known[key] for key in ("subject", "recording")} == {"subject": "p2", "recording": "e2"}
    assert 0 < known["quality"] <= 1
    targets = store.targets("e2")
    assert known["confidence"] == pytest.approx(targets["confidence"][1])
    assert ((targets["confidence"] > 0) == (targets["labels"] >= 0)).all()


@pytest.mark.parametrize("right", [True, False])
def test_the_loss_of_any_spike_counts_has_a_gradient(right):
    model = build("spiking")
    most = model.steps / model.temperature  # one cell at every step, the other at none
    logits = torch.tensor([[0.0, most]], requires_grad=True)
    loss = LOSSES.build(Term(name="focal", gamma=2.0, alpha=0.75))(
        {"logits": logits}, {"labels": torch.tensor([int(right)])}
    )
    loss.backward()
    assert loss > 0
    assert logits.grad.abs().min() > 1e-6


def test_screening_is_g_mean_until_both_targets_are_met():
    def figures(sensitive, specific):
        metric = METRICS.build(Term(name="screening"))
        labels = np.repeat([1, 0], 100)
        said = np.concatenate([np.arange(100) < sensitive, np.arange(100) >= specific]).astype(int)
        metric.update({"logits": np.eye(2)[said]}, {"labels": labels})
        return metric.compute()

    assert figures(90, 90) == {"screening": pytest.approx(0.9), "targets_met": 0.0}
    assert figures(96, 84) == {"screening": pytest.approx(np.sqrt(0.96 * 0.84)), "targets_met": 0.0}
    assert figures(96, 86) == {"screening": pytest.approx(1.96), "targets_met": 1.0}


def test_one_stage_alone_runs_by_number_or_name_and_says_what_it_begins_with(capsys):
    tree = {"loss": "focal", "epochs": 1}
    first, second = (validate(Stage, {"name": name} | tree) for name in ("top", "all"))
    told = second.model_copy(update={"init": "runs/a/checkpoints/best-top.safetensors"})
    assert one_of((first, second), "both") == (first, second)
    assert one_of((first, told), "2") == one_of((first, told), "all") == (told,)
    assert main(["finetune", "mitbih_spiking", "--stage", "2"]) == 2
    assert "--set stages[1].init=RUN/checkpoints/best-top.safetensors" in capsys.readouterr().err


def test_weights_of_the_documented_script_come_in_and_anything_else_is_refused(tmp_path):
    torch.manual_seed(0)
    model = build("spiking", length=50, hidden=(8, 6), encoding="rate").eval()
    state = {f"fc{k}.{n}": v for k, of in enumerate(model.layers, 1) for n, v in of.state_dict().items()}
    torch.save({"model_state_dict": {**state, "lif1.beta": torch.tensor(0.9)}, "epoch": 7}, tmp_path / "best_model.pt")
    found, report = import_spiking(tmp_path / "best_model.pt")
    assert len(report.matched) == 6
    x = torch.rand(4, 1, 50)
    assert torch.equal(found(x)["logits"], model(x)["logits"])
    torch.save({"model_state_dict": {"conv.weight": torch.zeros(3)}}, tmp_path / "other.pt")
    with pytest.raises(RecordError, match="wanted fc1, fc2 and fc3"):
        import_spiking(tmp_path / "other.pt")


def test_additions_are_spikes_times_the_synapses_that_they_reach():
    torch.manual_seed(0)
    model = build("spiking", length=50, hidden=(8, 6), steps=20, beats=3, gain=300.0)
    x, beats = torch.rand(5, 1, 50), torch.randn(5, 3)
    spikes = model.eval()(x, beats)["spikes"].mean(0).detach()
    found = cost(model, x, beats)
    assert found.additions == pytest.approx(float(spikes[0] * 6 + spikes[1] * 2), rel=1e-5)
    assert spikes[0] > 0
    assert found.products == 50 * 8 + 3 * 8
    assert found.twin == 50 * 8 + 3 * 8 + 8 * 6 + 6 * 2
    assert "no saving is claimed" in found.lines()[-1]
    drawn = cost(build("spiking", length=50, hidden=(8, 6), steps=20, encoding="rate"), x)
    assert drawn.products == 0
    assert drawn.additions > 0


def test_the_demo_goes_from_synthetic_recordings_to_a_model_file(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        few(patch)
        done = demo.run(tmp_path / "run", name="mitbih_spiking", say=lambda _: None)
    assert done.agrees
    assert len(done.prediction) == 6
    assert {"spiking", "majority", "gradient boosting"} <= {row["model"] for row in done.published.scores}
    # an own manifest, one stage alone, what it begins with and the augmentation of the document: by the command line
    first = tmp_path / "run" / "run" / "checkpoints" / "best-top.safetensors"
    command = ["finetune", "mitbih_spiking", "--stage", "2", "--epochs", "1", "--run", str(tmp_path / "again")]
    options = [
        f"data.manifest={tmp_path / 'run' / 'manifest.csv'}",
        "data.split={by: split}",
        f"stages[1].init={first}",
    ]
    options.append("data.augment={warp: 0.1, scale: [0.8, 1.2], noise: 0.05}")
    assert main([*command, *(word for option in options for word in ("--set", option))]) == 0
    best = load(first)
    keys = documented(best.tensors, best.state)
    assert set(keys) == {
        "model_state_dict", "epoch", "stage", "val_acc", "val_loss", "val_sensitivity", "val_specificity", "val_g_mean",
        "history", "targets_met", "config",
    }  # fmt: skip
    assert (keys["epoch"], keys["stage"]) == (1, 1)
    assert keys["model_state_dict"]["fc1.weight"].shape == (256, 2500)
    assert keys["val_g_mean"] == pytest.approx((keys["val_sensitivity"] * keys["val_specificity"]) ** 0.5)
    history = [json.loads(line) for line in (tmp_path / "again" / "metrics.jsonl").read_text().splitlines()]
    assert {row["stage"] for row in history if row.get("kind") == "epoch"} == {"all"}
