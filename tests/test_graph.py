"""Preprocessing inside a graph is that of the spec: filters by SciPy in double precision, the rest by biotl."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.spec import Filter
from biotl.datasets.spec_kinds import BeatSpec, SequenceSpec, WindowSpec
from biotl.deploy import graph, raw
from biotl.deploy.answer import batches
from biotl.deploy.graph_filter import filtered, padding, realise
from biotl.deploy.graph_nodes import FLOAT, OPSET, Nodes
from biotl.deploy.graph_resample import resampled
from biotl.deploy.graph_windows import design
from biotl.errors import ConfigError
from biotl.records import Record, ecg, read
from conftest import data_folder

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
scipy_signal = pytest.importorskip("scipy.signal")

CLOSE = 2e-6
"""Of the largest sample."""
KINDS = [("butter", 20.0), ("cheby2", 20.0), ("cheby2", 60.0)]


def session(proto):
    onnx.checker.check_model(proto, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(proto.SerializeToString(), options)


def alone(build):
    """Return a session of one step of preprocessing, from ``x`` to ``y``."""
    nodes = Nodes("raw")
    level = nodes.cut("x", 0, 1)
    x, level = build(nodes, nodes("Sub", "x", level), level)
    nodes("Add" if level else "Identity", *([x, level] if level else [x]), name="y")
    ends = [onnx.helper.make_tensor_value_info(name, FLOAT, ["rows", f"{name} samples"]) for name in "xy"]
    made = onnx.helper.make_graph(nodes.nodes, "g", ends[:1], ends[1:], nodes.initializers())
    return session(onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=8))


def wave(fs, seconds, rows=2):
    t = np.arange(round(fs * seconds)) / fs
    noise = np.random.default_rng(0).normal(size=(rows, len(t)))
    return (np.sin(7 * t) + 0.3 * noise + 1 + t / max(t[-1], 1)).astype(np.float32)


def error_of(sos, fs, durations_s, *, causal=False):
    run = alone(lambda nodes, x, level: filtered(nodes, x, level, sos, "rest" if causal else "zero phase"))
    found = [0.0]
    for seconds in durations_s:
        x = wave(fs, seconds)
        wanted = (scipy_signal.sosfilt if causal else scipy_signal.sosfiltfilt)(sos, x.astype(np.float64))
        found.append(np.abs(run.run(None, {"x": x})[0] - wanted).max() / np.abs(x).max())
    return max(found)


PAIRS = [
    (fs, *chain)
    for fs in (100, 125, 250, 360, 500)
    for chain in (
        ("bandpass", {"low": 0.5, "high": 40.0}),
        ("bandpass", {"low": 0.4, "high": 7.0, "kind": "cheby2"}),
        ("highpass", {"cutoff": 0.5}),
        ("notch", {"freq": 49.0}),
    )
]


@pytest.mark.parametrize(("fs", "name", "options"), PAIRS)
def test_filters_are_those_of_scipy_edges_included(fs, name, options):
    sos = design(Filter(name=name, options=options), fs)
    assert error_of(sos, fs, (3, 10, 100)) <= CLOSE


@given(
    name=st.sampled_from(["bandpass", "bandstop", "highpass", "lowpass", "notch", "remove_baseline"]),
    order=st.integers(1, 8),
    kind=st.sampled_from(KINDS),
    fs=st.sampled_from([32.0, 100.0, 125.0, 360.0, 1000.0]),
    low=st.floats(0.01, 0.6),
    width=st.floats(0.1, 0.35),
    causal=st.booleans(),
)
@settings(max_examples=40)
def test_any_filter_that_a_spec_can_name_is_that_of_scipy(name, order, kind, fs, low, width, causal):
    # edges as shares of the band below half the rate, the low one on a logarithmic scale from 0.05 Hz
    at = 0.05 * (0.2 * fs / 0.05) ** low
    options = {
        "notch": {"freq": at, "q": 30.0},
        "remove_baseline": {"cutoff": at},
        "highpass": {"cutoff": at},
        "lowpass": {"cutoff": max(at, 0.01 * fs)},
    }.get(name, {"low": at, "high": at + width * fs})
    if name not in {"notch", "remove_baseline"}:
        options |= {"order": order, "kind": kind[0], "rs": kind[1]}
    sos = design(Filter(name=name, options=options), fs)
    seconds = max(10.0, 2 * padding(sos) / fs)
    x = wave(fs, seconds).astype(np.float64)
    scipys = scipy_signal.sosfilt if causal else scipy_signal.sosfiltfilt
    # where a part in 1e12 of the signal is a part in 1e6 of the result, double precision has none to compare with
    if np.abs(scipys(sos, x * (1 + 1e-12 * np.cos(np.arange(x.shape[1])))) - scipys(sos, x)).max() > 1e-7:
        return
    assert error_of(sos, fs, (seconds,), causal=causal) <= CLOSE


@pytest.mark.parametrize("poles", [[-1.8, 0.81], [-1.98, 0.9801], [-1.9, 0.9025 + 1e-9], [-1.9, 0.9025 - 1e-9]])
def test_poles_that_are_equal_or_nearly_are_one_block_a_section(poles):
    section = [0.1, -0.2, 0.1, 1.0, *poles]
    sos = np.array([section, section])
    assert [len(one.A) for one in realise(sos)] == [2, 2]
    assert error_of(sos, 100, (3, 10)) <= CLOSE
    assert error_of(sos, 100, (10,), causal=True) <= CLOSE


def test_a_pass_that_begins_steady_is_that_of_scipy():
    x = wave(125, 20) + 5
    for name, options in (("bandpass", {"low": 0.5, "high": 20.0}), ("lowpass", {"cutoff": 20.0})):
        sos = design(Filter(name=name, options=options), 125)
        run = alone(lambda nodes, x, level, sos=sos: filtered(nodes, x, level, sos, "steady"))
        start = scipy_signal.sosfilt_zi(sos)[:, None] * x[None, :, :1].astype(np.float64)
        wanted, _ = scipy_signal.sosfilt(sos, x.astype(np.float64), zi=start)
        assert np.abs(run.run(None, {"x": x})[0] - wanted).max() <= CLOSE * np.abs(x).max()


@pytest.mark.parametrize(("fs", "new"), [(360, 125), (1000, 125), (30, 125), (250, 360), (500, 100), (130, 125)])
def test_another_rate_is_that_of_biotl_edges_included(fs, new):
    import biotl.signal

    run = alone(lambda nodes, x, level: (resampled(nodes, x, level, fs, new), level))
    for seconds in (3, 9.97):
        x = wave(fs, seconds)
        wanted = biotl.signal.resample(x.astype(np.float64), fs, new)
        got = run.run(None, {"x": x})[0]
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).max() <= CLOSE * np.abs(x).max()


def test_a_level_a_million_times_the_wave_takes_none_of_its_digits():
    sos = design(Filter(name="bandpass", options={"low": 0.5, "high": 8.0}), 125)
    run = alone(lambda nodes, x, level: filtered(nodes, x, level, sos, "zero phase"))
    x = (2.0**20 + np.rint(64 * np.sin(np.arange(2000) / 9))[None]).astype(np.float32)
    wanted = scipy_signal.sosfiltfilt(sos, x.astype(np.float64))
    assert np.abs(run.run(None, {"x": x})[0] - wanted).max() <= 64 * CLOSE


def chain(*names, **options):
    """Channels of a window spec, with one normalizer each."""
    filters = [{"name": "bandpass", "options": {"low": 0.5, "high": 20.0}}]
    return tuple({"name": name, "normalizer": how, "filters": filters} | options for name, how in names)


def fitted(spec, records):
    preprocessor = make_preprocessor(spec)
    prepared = preprocessor.prepare(records)
    return preprocessor.fit([prepared], names=["a"], seed=0), prepared


def read_by_graph(preprocessor, records):
    front = session(graph.preprocessing(preprocessor, rates := raw.rates(preprocessor, records)))
    signal, measured = front.run(None, raw.feed(preprocessor, records, rates))
    return signal, measured


def compared(spec, records):
    """Return what a network reads, by the graph and by the preprocessor."""
    preprocessor, prepared = fitted(spec, records)
    wanted = [batch["signal"] for batch in batches(preprocessor, prepared, 64)]
    signal, measured = read_by_graph(preprocessor, records)
    assert measured.all()
    return signal, np.concatenate(wanted)


@pytest.mark.parametrize("how", ["none", "window", "recording", "training"])
@pytest.mark.parametrize("step_s", [None, 2.5])
def test_windows_are_those_of_the_preprocessor(how, step_s):
    record = ecg(0, 1, duration_s=31.7)
    spec = WindowSpec(fs=125, length_s=5, step_s=step_s, channels=chain(("ECG", how)))
    got, wanted = compared(spec, [record])
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= 1e-5


@pytest.mark.parametrize(("folder", "name", "channel"), [("mitdb", "200", "ECG"), ("ecgppg", "bidmc_01.npz", "PPG")])
def test_on_real_ecg_and_ppg_the_network_reads_the_same(folder, name, channel):
    record = read(data_folder(folder) / name)
    spec = WindowSpec(fs=100, length_s=10, channels=chain((channel, "window")))
    got, wanted = compared(spec, [record])
    assert np.abs(got - wanted).max() <= 2e-5


def test_channels_of_two_rates_are_inputs_of_two_lengths():
    fast, slow = ecg(0, 1, duration_s=30.0), ecg(0, 2, duration_s=31.0)
    slow = Record("slow", slow.signal[:1, ::3], slow.fs / 3, ("PPG",), ("",), "slow")
    spec = WindowSpec(fs=125, length_s=10, channels=chain(("ECG", "window"), ("PPG", "window")))
    got, wanted = compared(spec, [fast, slow])
    assert got.shape == wanted.shape == (3, 2, 1250)
    assert np.abs(got - wanted).max() <= 1e-5
    takes = graph.preprocessing(make_preprocessor(spec), {"ECG": 360.0, "PPG": 120.0}).graph.input
    assert [graph.shape_of(item) for item in takes] == [["batch", "samples_ECG"], ["batch", "samples_PPG"]]


def test_steps_are_those_of_the_preprocessor():
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(size=(2, 3333)), axis=1).astype(np.float32) + 50
    record = Record("run", walk, 1.0, ("speed", "altitude"), ("km/h", "m"), "run")
    channels = ({"name": "speed", "normalizer": "training"}, {"name": "altitude", "normalizer": "recording"})
    spec = SequenceSpec(fs=0.2, length=200, channels=channels)
    preprocessor, prepared = fitted(spec, [record])
    wanted = np.concatenate([batch["signal"] for batch in batches(preprocessor, prepared, 64)])
    signal, _ = read_by_graph(preprocessor, [record])
    valid = np.arange(signal.shape[0] * 200).reshape(-1, 200) < 666
    assert signal.shape == wanted.shape == (4, 200, 2)
    assert np.abs(np.where(valid[..., None], signal - wanted, 0)).max() <= 1e-5


def test_no_operator_is_one_that_a_browser_or_a_reduced_build_lacks():
    spec = WindowSpec(fs=125, length_s=5, channels=chain(("ECG", "window"), ("PPG", "training")))
    preprocessor = make_preprocessor(spec, {"scaler": {"mean": [0, 1.0], "std": [1.0, 2.0]}})
    proto = graph.preprocessing(preprocessor, {"ECG": 360.0, "PPG": 125.0})
    used = {node.op_type for node in proto.graph.node}
    assert not used & {"DFT", "STFT", "Scan", "Loop", "If", "NonZero"}
    assert {"Conv", "MatMul"} <= used
    assert [(item.domain, item.version) for item in proto.opset_import] == [("", 17)]


def test_nan_is_never_answered_and_an_optional_channel_may_be_nan_throughout():
    record = ecg(0, 1, duration_s=60.0)
    channels = (*chain(("ECG", "window")), *chain(("ACC", "window"), optional=True))
    spec = WindowSpec(fs=100, length_s=5, gaps="mask", channels=channels)
    preprocessor, prepared = fitted(spec, [record])
    signal, measured = read_by_graph(preprocessor, [record])
    wanted = np.concatenate([batch["signal"] for batch in batches(preprocessor, prepared, 64)])
    assert np.abs(signal - wanted).max() <= 1e-5
    assert measured[:, 0].all()
    assert not measured[:, 1].any()


def test_a_recording_shorter_than_a_window_gives_none():
    spec = WindowSpec(fs=100, length_s=10, channels=chain(("ECG", "window")))
    front = session(graph.preprocessing(make_preprocessor(spec), {"ECG": 100.0}))
    for seconds, windows in ((9.99, 0), (10, 1), (25, 2)):
        assert front.run(None, {"ECG": wave(100, seconds, rows=1)})[0].shape == (windows, 1, 1000)


@pytest.mark.parametrize(
    ("spec", "rates", "says"),
    [
        (BeatSpec(), {"ECG": 360.0, "ECG_2": 360.0}, "beats, which need R peaks"),
        (WindowSpec(fs=125, length_s=5, channels=({"name": "ECG", "filters": [
            {"name": "remove_baseline", "options": {"method": "median"}}]},)), {"ECG": 360.0}, "got method median"),
        (WindowSpec(fs=125, length_s=5, channels=({"name": "ECG"},)), {"ECG": 249.89}, "wanted a smaller ratio"),
        (WindowSpec(fs=125, length_s=0.2, channels=chain(("ECG", "none"))), {"ECG": 125.0}, "wanted longer windows"),
        (WindowSpec(fs=125, length_s=5, channels=({"name": "ECG"},)), {}, "rate of ECG: got None"),
        (SequenceSpec(fs=0.2, length=9, channels=({"name": "speed"},)), {"speed": 0.3}, "wanted a multiple of 0.2 Hz"),
        (SequenceSpec(fs=0.2, length=9, derived=("elapsed",), channels=({"name": "speed", "unit": "km/h"},)),
         {"speed": 1.0}, "derived: got elapsed"),
    ],
)  # fmt: skip
def test_what_cannot_stand_in_a_graph_is_refused_in_one_line(spec, rates, says):
    with pytest.raises(ConfigError, match=says) as caught:
        graph.preprocessing(make_preprocessor(spec), rates)
    assert len(str(caught.value)) < 300
