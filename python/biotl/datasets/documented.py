"""A spec of windows from the ``channels.yaml`` and ``windows.yaml`` of the documented pipelines."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from biotl.config import nearest, read_tree
from biotl.errors import ConfigError

_CHANNEL = {"vitaldb_track", "sampling_rate", "original_rate", "type", "axis", "filter", "quality_metrics"}
_CHANNEL |= {"min_quality"}
_KINDS = {"ecg": "ecg", "ppg": "ppg", "accelerometer": ""}
_NORMALIZERS = {"zscore": "training", "patient_zscore": "recording"}


def window_spec(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec in which what names a documented file is what that file says.

    Parameters
    ----------
    tree : mapping
        Of a `WindowSpec`; ``channels`` may be ``channels.yaml/pretrain`` (a section of the file), and ``windows`` the
        path of ``windows.yaml``. What the tree states itself wins.

    Returns
    -------
    dict
        Of a `WindowSpec`: each channel with its filter, normalised by the training recordings (``zscore``), those of an
        accelerometer optional, gaps masked; ``min_cycles`` as a gate on each ECG and PPG. The rate that a file of
        recordings states counts, and not ``original_rate``: PLETH is 500 Hz in VitalDB, and not 100.

    Raises
    ------
    ConfigError
        For a key, filter or normalisation that is not the documented one.

    Warns
    -----
    UserWarning
        That ``min_quality`` is not applied: the documented sSQI keeps 10 % of the windows of BIDMC at 0.8, of good ones
        of TROIKA 28 %; `biotl.signal.quality` at 0.5 keeps 88 % and 86 %.
    """
    own = {key: value for key, value in tree.items() if key not in ("channels", "windows")}
    made: dict[str, Any] = {"kind": "windows", "gaps": "mask"}
    kinds: dict[str, str] = {}
    if isinstance(tree.get("channels"), str):
        made |= _channels(tree["channels"], kinds)
    elif "channels" in tree:
        made["channels"] = tree["channels"]
    if "windows" in tree:
        made |= _windows(str(tree["windows"]), made.get("channels", ()), kinds)
    return made | own


def _channels(place: str, kinds: dict[str, str]) -> dict[str, Any]:
    file, _, section = place.rpartition("/")
    tree = read_tree(file or place, environment={})
    if not file or not isinstance(tree.get(section), dict):
        raise ConfigError(f"data.spec.channels: got {place!r}, wanted FILE/SECTION{nearest(section, tree)}")
    held = tree[section]
    names = list(held.get("channels", ()))
    where = f"{file}: {section}"
    _known(where, held, {"channels", "n_channels", "fs", *names})
    fs, made, unused = float(held.get("fs", 125)), [], []
    for name in names:
        of = held.get(name)
        if not isinstance(of, dict) or of.get("type") not in _KINDS:
            got = of.get("type") if isinstance(of, dict) else of
            raise ConfigError(f"{where}.{name}: got type {got!r}, wanted one of {', '.join(_KINDS)}")
        _known(f"{where}.{name}", of, _CHANNEL)
        if float(of.get("sampling_rate", fs)) != fs:
            raise ConfigError(f"{where}.{name}: got sampling_rate {of['sampling_rate']}, wanted the fs of all, {fs:g}")
        track = str(of.get("vitaldb_track", ""))
        aliases = [track, *([] if "/" in track else [f"SNUADC/{track}"])] if track else []
        filters = [_filter(f"{where}.{name}.filter", of["filter"])] if of.get("filter") else []
        kinds[name] = _KINDS[of["type"]]
        made.append(
            {
                "name": name,
                "aliases": aliases,
                "filters": filters,
                "normalizer": "training",
                "optional": not kinds[name],
            }
        )
        unused += [name] if "min_quality" in of else []
    if unused:
        gates = ", ".join(f"{{channel: {name}, kind: {kinds[name]}, least: 0.5}}" for name in unused if kinds[name])
        warnings.warn(
            f"{file}: min_quality is not applied to {', '.join(unused)}: the documented sSQI of 0.8 throws away nearly "
            f"all good PPG (90 % of BIDMC); data.spec.gates=[{gates}] keeps 88 % of it",
            stacklevel=2,
        )
    return {"fs": fs, "channels": made}


def _filter(where: str, of: Mapping[str, Any]) -> dict[str, Any]:
    _known(where, of, {"type", "order", "lowcut", "highcut", "ripple_db"})
    if of.get("type") not in ("butter", "cheby2") or "lowcut" not in of or "highcut" not in of:
        raise ConfigError(f"{where}: got {dict(of)}, wanted type butter or cheby2, lowcut and highcut")
    options = {"low": of["lowcut"], "high": of["highcut"], "order": of.get("order", 4), "kind": of["type"]}
    # edges of a Chebyshev filter of type 2 are those of its stop band, here and in the document
    return {"name": "bandpass", "options": options | ({"rs": of["ripple_db"]} if "ripple_db" in of else {})}


def _windows(file: str, channels: Iterable[Mapping[str, Any]], kinds: Mapping[str, str]) -> dict[str, Any]:
    tree = read_tree(file, environment={})
    _known(file, tree, {"window", "quality", "normalization"})
    window, quality = dict(tree.get("window") or {}), dict(tree.get("quality") or {})
    _known(f"{file}: window", window, {"size_seconds", "step_seconds", "window_length_sec", "stride_sec"})
    _known(f"{file}: quality", quality, {"min_cycles"})
    size = window.get("size_seconds", window.get("window_length_sec"))
    if size is None:
        raise ConfigError(f"{file}: window: got no size_seconds, wanted the length of a window, such as 10.0")
    cycles = int(quality.get("min_cycles", 3))
    made: dict[str, Any] = {"length_s": size, "step_s": window.get("step_seconds", window.get("stride_sec"))}
    made["gates"] = [{"channel": name, "kind": kind, "cycles": cycles} for name, kind in kinds.items() if kind]
    method = dict(tree.get("normalization") or {}).get("method", "zscore")
    if method not in _NORMALIZERS:
        raise ConfigError(f"{file}: normalization.method: got {method!r}, wanted {' or '.join(_NORMALIZERS)}")
    made["channels"] = [{**channel, "normalizer": _NORMALIZERS[method]} for channel in channels]
    return made


def _known(where: str, tree: Mapping[str, Any], keys: Iterable[str]) -> None:
    if strange := [key for key in tree if key not in keys]:
        raise ConfigError(f"{where}: {strange[0]}: unknown key{nearest(str(strange[0]), keys)}")
