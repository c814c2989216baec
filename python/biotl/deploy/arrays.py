"""An array, or a stretch of a record, as a record that a model can read."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.spec_kinds import Spec
from biotl.errors import ConfigError
from biotl.records import Record


def as_record(x: NDArray[Any], fs: float | None, channels: Sequence[str], spec: Spec) -> Record:
    """Return an array, shape (samples,) or (channels, samples), as a record in the units that a model reads."""
    if fs is None:
        raise ConfigError("fs: got nothing, wanted the rate of the array in Hz")
    x = np.asarray(x, np.float32)
    x = x[None] if x.ndim == 1 else x
    if x.ndim != 2 or len(x) != len(channels):
        transposed = x.ndim == 2 and x.shape[1] == len(channels)
        hint = "; pass x.T" if transposed else "; name its channels with channels="
        raise ConfigError(f"array: got shape {x.shape}, wanted ({len(channels)}, samples), one row a channel{hint}")
    known = {channel.name: channel.unit for channel in spec.channels}
    return Record("array", x, float(fs), tuple(channels), tuple(known.get(name, "") for name in channels), "array")


def between(record: Record, start: int, stop: int) -> Record:
    """Return the samples of a record from ``start`` to before ``stop``, without its annotations."""
    return replace(record, signal=record.signal[:, start:stop], annotations={})


def stated(records: Sequence[Record], units: Sequence[str] | str | None) -> list[Record]:
    """Return records with the units that the user states, one of all channels or one each."""
    if units is None:
        return list(records)
    out = []
    for record in records:
        given = (units,) * len(record.channels) if isinstance(units, str) else tuple(units)
        if len(given) != len(record.channels):
            wanted = f"{len(record.channels)}, one each for {', '.join(record.channels)}, or one for all"
            raise ConfigError(f"units: got {len(given)}, wanted {wanted}")
        out.append(replace(record, units=given))
    return out
