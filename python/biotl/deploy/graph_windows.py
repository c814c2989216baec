"""The preprocessing of windows and of sequences in a graph: each channel from raw samples to what a network reads."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import helper

from biotl.datasets.preprocessor import State
from biotl.datasets.scaler import FLAT
from biotl.datasets.spec import Channel, Filter
from biotl.datasets.spec_kinds import SequenceSpec, Spec, WindowSpec
from biotl.deploy.graph_filter import How, filtered, padding
from biotl.deploy.graph_nodes import FLOAT, INT64, LAST, Nodes
from biotl.deploy.graph_resample import resampled
from biotl.errors import ConfigError
from biotl.signal.filter import sections

HINT = "use --preprocess spec"


@dataclass(frozen=True)
class Front:
    """Names of what a network reads.

    Parameters
    ----------
    signal, measured : str
        float32 and bool, one row a window or sequence.
    nothing : str
        float32 (rows, 1), NaN where a channel that has to be there holds NaN, or no channel holds anything; else 0.
    batch, steps : str
        int64 (1,): recordings, and their steps (sequences only).
    """

    signal: str
    measured: str
    nothing: str
    batch: str
    steps: str = ""


def preprocess(nodes: Nodes, spec: Spec, state: State, rates: Mapping[str, float], *, causal: bool = False) -> Front:
    """Add the preprocessing of windows or sequences.

    Parameters
    ----------
    nodes, spec, state, rates
        As of `windows`.
    causal : bool
        With filters that run once, forward, and so know nothing of what is to come: another phase than the spec's.

    Raises
    ------
    ConfigError
        If the spec is of another kind, or what it asks for cannot stand in a graph.
    """
    if isinstance(spec, WindowSpec):
        return windows(nodes, spec, state, rates, causal=causal)
    if isinstance(spec, SequenceSpec):
        return sequences(nodes, spec, state, rates, causal=causal)
    raise ConfigError(
        f"preprocess: got graph for {spec.kind}, which need R peaks: the file holds network and decision; {HINT}"
    )


def windows(nodes: Nodes, spec: WindowSpec, state: State, rates: Mapping[str, float], *, causal: bool = False) -> Front:
    """Add what `biotl.datasets.windows.WindowPreprocessor` does to recordings without gaps.

    Parameters
    ----------
    nodes : Nodes
        What is added to.
    spec : WindowSpec
        The preprocessing; its gates and quality are not judged.
    state : dict
        The fitted scaler, where a channel needs it.
    rates : mapping of str to float
        Rate of each channel in Hz; a channel is an input of its name, float32 (batch, samples), in the unit of the
        spec.
    causal : bool
        See `preprocess`.
    """
    made = [_signal(nodes, channel, spec, rates[channel.name], causal=causal) for channel in spec.channels]
    counts = [nodes.size(x) for (x, _), c in zip(made, spec.channels, strict=True) if not c.optional]
    shortest = nodes("Min", *(counts or [nodes.size(x) for x, _ in made]))
    # windows that are whole: (samples - length + step) / step, and none of a recording that is shorter
    left = nodes("Max", nodes("Add", shortest, [spec.step - spec.length]), [0])
    count = nodes("Squeeze", nodes("Div", left, [spec.step]), [0])
    start = nodes("Mul", nodes("Range", np.array(0), count, np.array(1)), [spec.step])
    place = nodes("Add", nodes("Unsqueeze", start, [1]), np.arange(spec.length)[None])
    scaler = state.get("scaler", {})
    rows = []
    for k, ((x, level), channel) in enumerate(zip(made, spec.channels, strict=True)):
        own = channel.normalizer == "window"
        y = x if own else _normalized(nodes, x, level, channel, scaler, k)
        y = nodes("Gather", y, place, axis=1)
        level = nodes("Unsqueeze", level, [2]) if level and own else level
        y = _normalized(nodes, y, level, channel, scaler, k) if own else y
        rows.append(nodes("Unsqueeze", y, [2]))
    values = nodes("Reshape", nodes("Concat", *rows, axis=2), [-1, len(rows), spec.length])
    return _front(nodes, values, spec, 1, batch=nodes.size(spec.channels[0].name, 0))


def sequences(
    nodes: Nodes, spec: SequenceSpec, state: State, rates: Mapping[str, float], *, causal: bool = False
) -> Front:
    """Add what `biotl.datasets.sequences.SequencePreprocessor` does to recordings without gaps; see `windows`."""
    if spec.derived:
        raise ConfigError(f"derived: got {', '.join(spec.derived)}, wanted none in a graph: {HINT}")
    scaler, made, far = state.get("scaler", {}), [], []
    for channel in spec.channels:
        fs = rates[channel.name]
        if spec.gaps == "mask" and not channel.filters and channel.normalizer != "recording":
            x, lost = _held(nodes, channel.name, spec, _samples(channel, spec, fs), fs)
            made.append((x, ""))
            far.append(lost)
        else:
            made.append(_signal(nodes, channel, spec, fs, causal=causal))
            far.append(nodes("Mul", made[-1][0], 0.0))
    steps = nodes("Min", *(nodes.size(x) for x, _ in made))
    rows = [
        _normalized(nodes, x, level, channel, scaler, k)
        for k, ((x, level), channel) in enumerate(zip(made, spec.channels, strict=True))
    ]
    values, lost = (_sequences_of(nodes, of, steps, spec.length) for of in (rows, far))
    batch = nodes.size(spec.channels[0].name, 0)
    return _front(nodes, values, spec, 2, batch=batch, steps=steps, far=nodes("Greater", lost, 0.5))


def _sequences_of(nodes: Nodes, rows: list[str], steps: str, length: int) -> str:
    """Return steps of each channel as sequences, the last padded with 0: (sequences, length, channels)."""
    x = nodes("Concat", *(nodes("Unsqueeze", nodes.cut(row, 0, steps), [2]) for row in rows), axis=2)
    short = nodes("Mod", nodes("Sub", [0], steps), [length])
    x = nodes("Pad", x, nodes("Concat", [0, 0, 0, 0], short, [0], axis=0))
    return nodes("Reshape", x, [-1, length, len(rows)])


def _samples(channel: Channel, spec: SequenceSpec, fs: float) -> int:
    """Return how many samples make a step."""
    of = fs / spec.fs
    if of != round(of) or of < 1:
        raise ConfigError(f"rate of {channel.name}: got {fs:g} Hz, wanted a multiple of {spec.fs:g} Hz; {HINT}")
    return int(of)


def _held(nodes: Nodes, x: str, spec: SequenceSpec, of: int, fs: float) -> tuple[str, str]:
    """Add what `biotl.datasets.gaps.onto` does: the mean of the samples in each step, or what lies on the line between.

    Returns the steps, and 1 for each that is further than the spec's reach from every sample, else 0.
    """
    there = nodes("Not", nodes("IsNaN", x))
    value, one = nodes("Where", there, x, 0.0), nodes("Cast", there, to=FLOAT)
    total, count = (
        nodes("Squeeze", nodes("Conv", nodes("Unsqueeze", row, [1]), np.ones((1, 1, of)), strides=[of]), [1])
        for row in (value, one)
    )
    first, last = math.ceil(of / 2 - spec.reach_s * fs), math.floor(of / 2 + spec.reach_s * fs)
    box, pads = np.ones((1, 1, last - first + 1)), [max(0, -first), max(0, last + 1 - of)]
    near = nodes("Squeeze", nodes("Conv", nodes("Unsqueeze", one, [1]), box, strides=[of], pads=pads), [1])
    between = _between(nodes, value, there, one, nodes.size(total), of)
    full = nodes("Greater", count, 0.5)
    mean = nodes("Div", total, nodes("Where", full, count, 1.0))
    return nodes("Where", full, mean, between), nodes("Cast", nodes("Less", near, 0.5), to=FLOAT)


def _between(nodes: Nodes, value: str, there: str, one: str, steps: str, of: int) -> str:
    """Add the line between the samples before and after the middle of each step, level beyond both ends."""
    samples = nodes.size(value)
    place = nodes("Cast", nodes("Range", np.array(0), nodes("Squeeze", samples, [0]), np.array(1)), to=FLOAT)
    last = nodes("Cast", nodes("Sub", samples, [1]), to=FLOAT)
    # places of samples that are there, in order, and then the last place for those that are not
    known = nodes("Where", there, place, last)
    nodes.nodes.append(helper.make_node("TopK", [known, samples], [f"{known}.sorted", f"{known}.at"], largest=0))
    passed = nodes("CumSum", one, np.array(1))
    whole = nodes.cut(passed, -1, LAST)
    passed = nodes.cut(nodes.cut(passed, of // 2, LAST, step=of), 0, steps)
    middle = nodes("Cast", nodes("Range", np.array(0), nodes("Squeeze", steps, [0]), np.array(1)), to=FLOAT)
    middle = nodes("Mul", nodes("Add", middle, 0.5), float(of))
    ends = []
    for rank in (nodes("Sub", passed, 1.0), nodes("Min", passed, nodes("Sub", whole, 1.0))):
        index = nodes("Cast", nodes("Max", rank, 0.0), to=INT64)
        at = nodes("GatherElements", f"{known}.sorted", index, axis=1)
        ends.append((at, nodes("GatherElements", value, nodes("Cast", at, to=INT64), axis=1)))
    (start, low), (stop, high) = ends
    share = nodes("Div", nodes("Sub", middle, start), nodes("Max", nodes("Sub", stop, start), 1.0))
    share = nodes("Min", nodes("Max", share, 0.0), 1.0)
    return nodes("Add", low, nodes("Mul", share, nodes("Sub", high, low)))


def _signal(nodes: Nodes, channel: Channel, spec: Any, fs: float, *, causal: bool) -> tuple[str, str]:
    """Add rate and filters: a channel at the rate of the spec, less its level, and the level."""
    if causal and channel.normalizer == "recording":
        raise ConfigError(f"{channel.name}: got normalizer recording, which needs all of it; wanted another for causal")
    # its first sample off: float32 holds a wave of 1e-3 on a level of 1e3 to 4 digits, and by itself to 7
    level = nodes.cut(channel.name, 0, 1)
    x = nodes("Sub", channel.name, level)
    if isinstance(spec, SequenceSpec):
        of = _samples(channel, spec, fs)
        mean = nodes("Conv", nodes("Unsqueeze", x, [1]), np.full((1, 1, of), 1 / of), strides=[of])
        x = nodes("Squeeze", mean, [1])
    elif fs != spec.fs:
        x = resampled(nodes, x, level, fs, spec.fs)
    for step in channel.filters:
        sos = design(step, spec.fs)
        how: How = "rest" if step.options.get("causal", False) else "steady" if causal else "zero phase"
        if how == "zero phase" and spec.length <= padding(sos):
            raise ConfigError(
                f"{channel.name}: {step.name} extends a signal by {padding(sos)} samples: wanted longer windows"
            )
        x, level = filtered(nodes, x, level, sos, how)
    return x, level


def design(step: Filter, fs: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the sections of a filter of a spec.

    Raises
    ------
    ConfigError
        If it has none: a running median, or a wavelet.
    """
    options: dict[str, Any] = {k: v for k, v in step.options.items() if k not in {"nan_policy", "causal"}}
    if step.name != "remove_baseline":
        return sections(step.name, fs, **options)
    if (method := options.get("method", "highpass")) != "highpass":
        raise ConfigError(f"remove_baseline: got method {method}, wanted highpass in a graph: {HINT}")
    return sections("highpass", fs, cutoff=options.get("cutoff", 0.5))


def _normalized(nodes: Nodes, x: str, level: str, channel: Channel, scaler: Mapping[str, Any], k: int) -> str:
    """Add the normalizer of a channel along the last axis."""
    if channel.normalizer == "none":
        return nodes("Add", x, level) if level else x
    if channel.normalizer == "training":
        mean, std = (float(scaler[key][k]) for key in ("mean", "std"))
        if std <= FLAT * abs(mean):
            return nodes("Mul", x, 0.0)
        away = nodes("Add", x, nodes("Sub", level, mean) if level else -mean)
        return nodes("Div", away, std)
    middle = nodes.mean(x)
    away = nodes("Sub", x, middle)
    spread = nodes("Sqrt", nodes.mean(nodes("Mul", away, away)))
    size = nodes("Mul", nodes("Abs", nodes("Add", middle, level) if level else middle), FLAT)
    # NaN is not flat: it has to stay what it is
    flat = nodes("LessOrEqual", spread, size)
    return nodes("Where", flat, nodes("Mul", away, 0.0), nodes("Div", away, nodes("Where", flat, 1.0, spread)))


def _front(nodes: Nodes, values: str, spec: Any, axis: int, *, batch: str, steps: str = "", far: str = "") -> Front:
    """Return the front of normalised values: NaN is not answered, what is ``far`` from all samples is masked."""
    lost = nodes("IsNaN", values)
    measured = nodes("Not", nodes("Or", lost, far) if far else lost)
    signal = nodes("Where", measured, values, 0.0)
    values = nodes("Where", far, 0.0, values) if far else values
    needed = [k for k, channel in enumerate(spec.channels) if not channel.optional]
    held = len(spec.channels) * spec.length
    if not needed:  # any of them will do, but one there has to be: 0 of n samples is 0, of none NaN
        seen = nodes("Reshape", nodes("Cast", measured, to=FLOAT), [-1, held])
        return Front(signal, measured, nodes("Div", 0.0, nodes("ReduceSum", seen, [1], keepdims=1)), batch, steps)
    nothing = nodes("Gather", values, needed, axis=axis) if len(needed) < len(spec.channels) else values
    nothing = nodes("Mul", nodes("Reshape", nothing, [-1, len(needed) * spec.length]), 0.0)
    nothing = nodes("ReduceSum", nothing, [1], keepdims=1)
    return Front(signal, measured, nothing, batch, steps)
