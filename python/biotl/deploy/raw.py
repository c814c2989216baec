"""A file that takes raw samples, asked from Python: what it is fed with, and which of its rows is which window."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import biotl.signal
from biotl.datasets.channels import Choice, find_all
from biotl.datasets.gaps import bridge
from biotl.datasets.preprocessor import Prepared, Preprocessor
from biotl.datasets.spec_kinds import WindowSpec
from biotl.deploy.answer import Forward
from biotl.records import Record

Run = Callable[[dict[str, NDArray[Any]]], NDArray[Any]]


def rates_of(stored: Mapping[str, str]) -> dict[str, float]:
    """Return the rate in Hz of each input that takes raw samples, by the metadata of a file; none where none does.

    Examples
    --------
    >>> rates_of({"io.biotl.preprocess": "graph", "io.biotl.inputs": '[{"name": "ECG", "fs": 360.0}]'})
    {'ECG': 360.0}
    """
    if stored.get("io.biotl.preprocess", "spec") == "spec":
        return {}
    return {item["name"]: float(item["fs"]) for item in json.loads(stored["io.biotl.inputs"])}


def note_of(stored: Mapping[str, str]) -> str:
    """Return what a reader of its answers must know of a file; nothing of most."""
    if stored.get("io.biotl.preprocess") != "causal":
        return ""
    found = json.loads(stored["io.biotl.deviation"])
    return f"filters run once, forward: {found['answers']} of {found['units']} answers were others than the model's own"


def rates(preprocessor: Preprocessor, records: Sequence[Record]) -> dict[str, float]:
    """Return the rate of each channel of a recording, Hz; one that is not there has that of the first that is."""
    spec = preprocessor.spec
    found = find_all(records, spec.channels)
    first = next((one.record.fs for one in found if one is not None), spec.fs)
    return {c.name: first if one is None else one.record.fs for c, one in zip(spec.channels, found, strict=True)}


def feed(
    preprocessor: Preprocessor, records: Sequence[Record], rates: Mapping[str, float], *, choose: Choice = None
) -> dict[str, NDArray[np.float32]]:
    """Return raw samples of each channel at the rate that a file is for, float32 (1, samples); NaN for one that lacks.

    Gaps stay what they are: see `forward`.
    """
    found = dict(
        zip(preprocessor.spec.names, find_all(records, preprocessor.spec.channels, choose=choose), strict=False)
    )
    first = next(one for one in found.values() if one is not None)
    seconds = len(first.x) / first.record.fs
    fed = {}
    for name, fs in rates.items():
        one = found[name]
        if one is None:
            fed[name] = np.full((1, round(seconds * fs)), np.nan, np.float32)
            continue
        x = one.x if one.record.fs == fs else biotl.signal.resample(bridge(one.x), one.record.fs, fs)
        fed[name] = np.asarray(x, np.float32)[None]
    return fed


def forward(
    run: Run,
    preprocessor: Preprocessor,
    prepared: Prepared,
    records: Sequence[Record],
    rates: Mapping[str, float],
    *,
    choose: Choice = None,
) -> Forward:
    """Return what answers the cuts of a recording from the file's answer to the whole of it.

    Parameters
    ----------
    run : callable
        From raw samples by name to the raw output, (1, windows or steps, ...).
    preprocessor, prepared
        Which windows there are; gaps in them are bridged by straight lines, as the preprocessing does.
    records, rates, choose
        As of `feed`.
    """
    fed, windows = feed(preprocessor, records, rates, choose=choose), preprocessor.unit == "window"
    if windows:  # of steps the file bridges gaps itself, as far as the spec has it
        fed = {name: bridge(x[0])[None] if np.isfinite(x).any() else x for name, x in fed.items()}
    raw = run(fed)[0]
    place = rows(preprocessor, prepared) if windows else np.arange(len(preprocessor.units(prepared)))
    # at another rate a sample less may come out of resampling, and the last window or step is not whole
    short = max(0, int(place.max(initial=-1)) + 1 - len(raw))
    raw = np.concatenate([raw, np.full((short, *raw.shape[1:]), np.nan, np.float32)])
    return lambda inputs: np.asarray(raw[place[np.maximum(inputs["unit"], 0)]])


def rows(preprocessor: Preprocessor, prepared: Prepared) -> NDArray[np.int64]:
    """Return which row of a file that takes raw samples each cut is: it answers windows that are left out as well."""
    if isinstance(preprocessor.spec, WindowSpec):
        return np.asarray(prepared.arrays["start"] // preprocessor.spec.step)
    return np.arange(len(preprocessor.cuts(prepared)))
