"""HDF5, through h5py: OpenSignals, waveforms with times by block, MATLAB 7.3, and plain named arrays."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records import clock
from biotl.records.arrays import from_arrays
from biotl.records.foreign import bring, refused
from biotl.records.mixed import Channel, one_rate
from biotl.records.record import Record

_FREE = 1 << 28  # bytes that any file may unpack to
_RATIO = 2000  # and bytes for each of its own: deflate reaches about 1,000
_DEPTH = 12


def read(path: str | Path, *, fs: float | None = None, channels: Sequence[str] | None = None) -> Record:
    """Read an HDF5 file.

    OpenSignals: the raw codes of one device. Groups ``Waveforms/NAME`` with ``data`` and ``time`` (the research layout
    of monitor archives): real values, gaps where blocks are missing. Otherwise named arrays, as
    :func:`biotl.records.arrays.from_arrays` understands them; attributes such as ``fs`` and ``units`` count as arrays
    beside the one that carries them.

    Parameters
    ----------
    path : str or Path
        The file.
    fs : float, optional
        Rate in Hz, where the file states none.
    channels : sequence of str, optional
        Names of channels of one rate.

    Returns
    -------
    Record
        Signal float32 of shape (channels, samples).

    Raises
    ------
    RecordError
        A file that is missing or damaged, lacks a signal or its rate, or unpacks to more than it may hold.
    MissingExtraError
        If h5py is not installed.
    """
    path = Path(path)
    with _opened(path) as file:
        if len(file) == 1 and (device := next(iter(file.values()))).attrs.get("sampling rate") is not None:
            return _opensignals(path, device)
        if "Waveforms" in file:
            waves = [_waveform(path, name, group) for name, group in file["Waveforms"].items() if "data" in group]
            return one_rate(path, waves, channels)
        arrays = _arrays(path, file)
    record = from_arrays(path, arrays, fs=fs)
    return record if channels is None else record.select(*channels)


def variables(path: Path) -> dict[str, Any]:
    """Variables of a MATLAB 7.3 file: as MATLAB shows them, structures as mappings, cells of texts as arrays of str."""
    with _opened(path) as file:
        return {name: _matlab(path, file, node) for name, node in file.items() if not name.startswith("#")}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    h5py = bring("h5py", "hdf5")
    with refused(path, "an HDF5 file"), h5py.File(path, "r") as file:
        yield file


def _load(path: Path, data: Any) -> NDArray[Any]:
    """All of a dataset, unless the file lies about its size."""
    if data.nbytes > max(_FREE, _RATIO * path.stat().st_size):
        raise RecordError(str(path), data.name, f"{data.nbytes} bytes", f"what {path.stat().st_size} bytes can hold")
    values: NDArray[Any] = np.asarray(data[()])
    return values


def _opensignals(path: Path, device: Any) -> Record:
    fs, found = float(np.ravel(device.attrs["sampling rate"])[0]), []
    if not 0 < fs < 1e6:
        raise RecordError(str(path), "sampling rate", f"{fs:g}", "a positive rate in Hz")
    for name, data in device["raw"].items():
        if name.startswith("channel"):
            label = str(data.attrs.get("sensor", "") or data.attrs.get("label", "") or name)
            found.append(Channel(label, "", fs, partial(_values, path, data)))
    return one_rate(path, found, None)


def _values(path: Path, data: Any) -> NDArray[np.float32]:
    return np.ravel(_load(path, data)).astype(np.float32)


def _waveform(path: Path, name: str, group: Any) -> Channel:
    """Blocks of ``Readings Per Sample`` values, each with its time in ms, scaled by a power of ten."""
    about = {**group.attrs, **group["data"].attrs}
    per_block, period_ms = (float(np.ravel(about[key])[0]) for key in ("Readings Per Sample", "Sample Period (ms)"))
    if not (per_block >= 1 and period_ms > 0):
        got = f"{per_block:g} readings a block of {period_ms:g} ms"
        raise RecordError(str(path), name, got, "at least one reading in a positive time")
    fs = 1000 * per_block / period_ms
    return Channel(
        name, str(about.get("Unit of Measure", "")), fs, partial(_blocks, path, group, about, int(per_block))
    )


def _blocks(path: Path, group: Any, about: Mapping[str, Any], per_block: int) -> NDArray[np.float32]:
    codes, times = np.ravel(_load(path, group["data"])), np.ravel(_load(path, group["time"])).astype(np.float64)
    if "wfdb-gain" in about:  # codes of the record that it was made from
        zero, gain = (float(np.ravel(about.get(key, 0))[0]) for key in ("wfdb-baseline", "wfdb-gain"))
        values = ((codes.astype(np.float64) - zero) / gain).astype(np.float32)
    else:
        values = (codes / 10.0 ** float(np.ravel(about.get("Scale", 0))[0])).astype(np.float32)
    if "Missing Value Marker" in about:
        values[codes == np.ravel(about["Missing Value Marker"])[0]] = np.nan
    if len(times) * per_block != len(values):
        got = f"{len(values)} values in {len(times)} blocks"
        raise RecordError(str(path), group.name, got, f"{per_block} values a block")
    _, place = clock.lattice(path, times / 1000, field=f"{group.name}/time")
    return clock.spread(values.reshape(len(times), per_block).T, place).T.ravel()


def _arrays(path: Path, group: Any, depth: int = 0) -> dict[str, Any]:
    """Named arrays and, beside them, the attributes that state a rate, a unit or names."""
    if depth > _DEPTH:
        raise RecordError(str(path), group.name[:80], f"more than {_DEPTH} levels", "a file of named arrays")
    out: dict[str, Any] = {str(key): np.asarray(value) for key, value in group.attrs.items() if np.size(value) < 1000}
    for key, node in group.items():
        name = key if isinstance(key, str) else key.decode("latin-1")
        if hasattr(node, "dtype"):
            out[name] = _load(path, node)
            out |= {
                f"{name}_{about}": np.asarray(value) for about, value in node.attrs.items() if np.size(value) < 1000
            }
        else:
            out[name] = _arrays(path, node, depth + 1)
    return {key: _text(value) for key, value in out.items()}


def _text(value: Any) -> Any:
    """Texts as NumPy's own, where HDF5 gives objects."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        return np.array(
            [cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell) for cell in value.flat]
        )
    return value


def _matlab(path: Path, file: Any, node: Any, depth: int = 0) -> Any:
    if depth > _DEPTH:
        raise RecordError(str(path), node.name[:80], f"more than {_DEPTH} levels", "a file of named arrays")
    if not hasattr(node, "dtype"):
        return {name: _matlab(path, file, inner, depth + 1) for name, inner in node.items()}
    kind = node.attrs.get("MATLAB_class", b"")
    if node.attrs.get("MATLAB_empty", 0):
        return np.zeros(0)
    if node.dtype.kind == "O":
        cells = [_matlab(path, file, file[cell], depth + 1) for cell in np.ravel(node[()].T)[:100_000]]
        texts = all(isinstance(cell, str) for cell in cells)
        return np.array(cells) if texts else {str(i): cell for i, cell in enumerate(cells)}
    values = _load(path, node)
    if kind == b"char":
        return "".join(map(chr, np.ravel(values.T).astype(np.uint32) % 0x110000))
    return values.T
