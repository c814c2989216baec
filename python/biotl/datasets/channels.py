"""Which channel of a recording a spec means: by name, alias or choice, and never a flat one beside a good one."""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.spec import BaseSpec, Channel
from biotl.errors import RecordError, SignalError
from biotl.records import Record

_CHEST = ("I", "III", "V5", "V6", "V4", "V3", "V2", "V1", "aVF", "aVL", "aVR")
KNOWN = {
    "ECG": (
        "MLII",
        "II",
        "D2",
        "DII",
        "ECG II",
        "SNUADC/ECG II",
        "SNUADC/ECG V5",
        "MLI",
        "ECG1",
        "ECG2",
        "D1",
        "DI",
        "EKG",
        *_CHEST,
    ),
    "II": ("MLII", "D2", "DII", "ECG II"),
    "I": ("MLI", "D1", "DI", "ECG I"),
    "III": ("MLIII", "D3", "DIII", "ECG III"),
    "PPG": ("PLETH", "SNUADC/PLETH", "BVP", "PPG1", "PPG IR", "Pulse"),
    "ACC_X": ("ACCX", "accelerometer x", "X"),
    "ACC_Y": ("ACCY", "accelerometer y", "Y"),
    "ACC_Z": ("ACCZ", "accelerometer z", "Z"),
    "ABP": ("ART", "SNUADC/ART", "BP"),
    "heart_rate": ("HR", "BPM", "heart rate"),
}
"""What common recorders call a channel, tried after the aliases that a spec states itself."""
_LISTED = 70  # characters of names in a message: a Holter's own and those of a spec fit one line with the file
Choice = str | Mapping[str, str] | None
"""The lead of a spec's first channel; or, by the names of the spec, all leads: what is not among them is not there."""
_UNITS = (
    {"v": 1.0, "mv": 1e-3, "uv": 1e-6, "nv": 1e-9, "volt": 1.0, "millivolt": 1e-3, "microvolt": 1e-6},
    {"g": 1.0, "mg": 1e-3, "m/s2": 1 / 9.80665, "m/s^2": 1 / 9.80665, "m/s**2": 1 / 9.80665},
    {"km/h": 1.0, "kmh": 1.0, "kph": 1.0, "m/s": 3.6, "mps": 3.6, "mph": 1.609344},
    {"m": 1.0, "km": 1e3, "ft": 0.3048},
    {"bpm": 1.0, "/min": 1.0, "1/min": 1.0, "hz": 60.0},
    {"mmhg": 1.0, "kpa": 7.50062},
    {"s": 1.0, "ms": 1e-3},
)


@dataclass(frozen=True)
class Found:
    """A channel of a recording that a spec asked for.

    Parameters
    ----------
    lead : str
        Its name in the recording.
    x : ndarray of float32, shape (samples,)
        In the unit of the spec, NaN where a sample is missing.
    record : Record
        The file that it comes from; ``record.fs`` is its rate.
    flat : bool
        It holds one value throughout, and there was no better one.
    """

    lead: str
    x: NDArray[np.float32]
    record: Record
    flat: bool


def find_all(
    records: Record | Sequence[Record], channels: Sequence[Channel], *, choose: Choice = None
) -> list[Found | None]:
    """Find every channel of a spec, each a lead of its own; ``choose`` is the name of the first, see `find`.

    Where ``choose`` names the lead of every channel these are taken as they are, flat or empty: of a stretch of a
    recording the lead is that of the whole.

    Examples
    --------
    >>> record = Record("a", np.eye(2, dtype=np.float32), 360.0, ("II", "V1"), ("mV", "mV"), "a")
    >>> two = (Channel(name="ECG"), Channel(name="ECG_2", aliases=("II", "V1"), optional=True))
    >>> [found.lead for found in find_all(record, two)]
    ['II', 'V1']
    """
    if isinstance(choose, Mapping):
        return [_known(records, channel, choose.get(channel.name)) for channel in channels]
    found: list[Found | None] = []
    for k, channel in enumerate(channels):
        taken = [one for one in found if one is not None]
        found.append(find(records, channel, choose=None if k else choose, taken=taken))
    return found


def find(
    records: Record | Sequence[Record], channel: Channel, *, choose: str | None = None, taken: Sequence[Found] = ()
) -> Found | None:
    """Find a channel by name, alias and case, in one or several files; the first that is neither missing nor flat.

    Parameters
    ----------
    records : Record or sequence of Record
        The files of one recording.
    channel : Channel
        What is wanted. Its name is tried first, its aliases next, then what common recorders call it (`KNOWN`). Case,
        spaces and underscores do not count.
    choose : str, optional
        The name that the user says, instead of all of these.
    taken : sequence of Found
        Leads that serve other channels.

    Returns
    -------
    Found or None
        None where an optional channel is not there, or flat.

    Raises
    ------
    RecordError
        If there is none, naming the channels that there are; if those there are without a sample, naming them; if the
        unit cannot be converted.

    Examples
    --------
    >>> record = Record("a", np.array([[0, 0], [1, 2]], np.float32), 360.0, ("II", "ecg1"), ("mV", "uV"), "a")
    >>> found = find(record, Channel(name="ECG", unit="mV"))
    >>> found.lead, found.x.tolist()
    ('ecg1', [0.0010000000474974513, 0.0020000000949949026])
    """
    records = [records] if isinstance(records, Record) else list(records)
    empty: list[str] = []
    spare: Found | None = None
    for record, index in _candidates(records, channel, choose):
        lead, x = record.channels[index], record.signal[index]
        if any(one.record is record and one.lead == lead for one in taken):
            continue
        finite = x[np.isfinite(x)]
        if not len(finite):
            empty.append(lead)
            continue
        flat = bool(finite.min() == finite.max())
        if flat and spare is not None:
            continue
        found = Found(lead, _converted(record, index, channel.unit), record, flat)
        if not flat:
            return found
        spare = found
    if channel.optional:
        return None
    if spare is not None:
        return spare
    where = ", ".join(str(record.source or record.name) for record in records)
    if empty:
        got = f"{', '.join(empty)} without a single sample"
        raise RecordError(where, f"channel {choose or channel.name}", got, "a lead that was recorded")
    there = [name for record in records for name in record.channels]
    names = (choose,) if choose else (channel.name, *channel.aliases)
    fits = next((name for record in records for name in _of_unit(record, channel.unit)), "NAME")
    # of the channels of a model a command names the first, a recipe all
    lead = "" if taken else f"--lead {json.dumps(fits, ensure_ascii=False)}, or "
    hint = f"say which one it is: {lead}aliases of {channel.name} in the recipe"
    raise RecordError(where, "channels", _some(there) or "nothing", f"one of {_some(names)}", hint)


def of_beats(leads: Mapping[str, str]) -> dict[str, str]:
    """Return the leads that beats within windows are measured on: those whose names begin with ``beats.``.

    Examples
    --------
    >>> of_beats({"PPG": "pleth", "beats.ECG": "II"})
    {'ECG': 'II'}
    """
    return {name.removeprefix("beats."): lead for name, lead in leads.items() if name.startswith("beats.")}


def leads_of(records: Record | Sequence[Record], spec: BaseSpec, *, choose: str | None = None) -> dict[str, str]:
    """Return the lead of every channel of a spec that is there, such that `find_all` finds these again in any part."""
    parts = {"": spec.channels}
    if beats := getattr(spec, "beats", None):
        parts["beats."] = beats.channels
    return {
        f"{prefix}{channel.name}": one.lead
        for prefix, channels in parts.items()
        for channel, one in zip(channels, find_all(records, channels, choose=choose), strict=True)
        if one is not None
    }


def _known(records: Record | Sequence[Record], channel: Channel, lead: str | None) -> Found | None:
    """Return the lead of this very name, or None where the channel is not there."""
    if lead is None:
        return None
    records = [records] if isinstance(records, Record) else records
    record, index = next((r, r.channels.index(lead)) for r in records if lead in r.channels)
    return Found(lead, _converted(record, index, channel.unit), record, flat=False)


def _candidates(records: Sequence[Record], channel: Channel, choose: str | None) -> Iterator[tuple[Record, int]]:
    """Yield the channels that may be meant, best first, each once."""
    names = (choose,) if choose else (channel.name, *channel.aliases, *KNOWN.get(channel.name, ()))
    seen: set[tuple[int, int]] = set()
    for name in names:
        # a name as it stands goes before one that differs in case or spacing
        for same in (str, _plain):
            for r, record in enumerate(records):
                for index, lead in enumerate(record.channels):
                    if same(lead) == same(name) and (r, index) not in seen:
                        seen.add((r, index))
                        yield record, index


def _of_unit(record: Record, wanted: str) -> list[str]:
    """Return the channels whose unit says that they may be meant: where none is wanted, none."""
    one, known = np.ones(1, np.float32), []
    for name, unit in zip(record.channels, record.units, strict=True):
        with suppress(SignalError):
            known += [name] if wanted and len(convert_unit(one, unit, wanted)) else []
    return known


def _some(names: Sequence[str]) -> str:
    """Return as many names as one reads at once."""
    shown = [name for k, name in enumerate(names) if k == 0 or len(", ".join(names[: k + 1])) <= _LISTED]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def _plain(name: str) -> str:
    return re.sub(r"^lead|[\W_]", "", name.casefold())


def _converted(record: Record, index: int, wanted: str) -> NDArray[np.float32]:
    try:
        return convert_unit(record.signal[index], record.units[index], wanted)
    except SignalError:
        field = f"unit of {record.channels[index]}"
        got = record.units[index] or "nothing"
        hint = "state the unit of the channel"
        raise RecordError(str(record.source or record.name), field, got, f"one that is {wanted}", hint) from None


def convert_unit(x: NDArray[Any], unit: str, wanted: str) -> NDArray[np.float32]:
    """Return values in another unit of the same quantity.

    Parameters
    ----------
    x : ndarray of float32
        Values in ``unit``.
    unit, wanted : str
        Units of voltage, acceleration, speed, length, rate, pressure or time, whatever their case and micro sign:
        ``uV`` and every form that Unicode has of it (µV, μV, 𝛍V, 𝜇V, 𝝁V, 𝝻V, 𝞵V, ㎶). Where ``wanted`` is empty nothing
        is changed.

    Raises
    ------
    SignalError
        If the two are not of one quantity.

    Examples
    --------
    >>> convert_unit(np.array([1.5], np.float32), "V", "mV").tolist()
    [1500.0]
    """
    if not wanted or unit == wanted:
        return np.asarray(x, np.float32)
    a, b = map(_unit, (unit, wanted))
    for family in _UNITS:
        if a in family and b in family:
            return np.asarray(x * np.float32(family[a] / family[b]), np.float32)
    if a == b:
        return np.asarray(x, np.float32)
    raise SignalError(f"unit: got {unit or 'nothing'}, wanted one that converts to {wanted}")


def _unit(text: str) -> str:
    """Return a unit as `_UNITS` spells it: Unicode's compatible forms of one sign are one sign."""
    plain = unicodedata.normalize("NFKC", text.strip()).casefold().replace("μ", "u")
    return plain.removesuffix("s") if plain.endswith("volts") else plain
