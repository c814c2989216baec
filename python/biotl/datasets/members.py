"""Files that hold many recordings, in the shapes that the documented pipelines write: each is a member by its number.

``windows.npz/17`` is window 17 of such a file: what a manifest can name, and every room reads as a file of its own.
A ``.pt`` file holds the same arrays as tensors; of a ``.json`` file of Endomondo or FitRec each line is a workout.
"""

import os
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records import Record, endomondo
from biotl.records.foreign import bring, refused

SUFFIXES = {".npz", ".pt"}
LINES = ".json"
_MAPPED = 1 << 20  # bytes; below, a map costs more than it spares
WINDOW_S = 10.0
"""Duration of the documented windows, for a file that states no rate."""
_FIVE = ("ACC_X", "ACC_Y", "ACC_Z", "PPG", "ECG")
_NAMES = {1: ("signal",), 2: ("PPG", "ECG"), 5: _FIVE}
"""Channels in the documented order, for a file that does not name them; of a single one nobody knows what it is."""
_STEPS = {"speed": "km/h", "altitude": "m", "heart_rate": "bpm"}
_COARSE = 2.0**24
"""Seconds from which on float32 has no whole ones left: of times since 1970 it keeps one in 128, in steps."""
_WANTED = "signals, data or x (windows, channels, samples), or speed, altitude and heart_rate (workouts, steps)"


def is_member(path: Path) -> bool:
    """Return whether a path names a member of a file."""
    return path.name.isdigit() and path.parent.suffix in {*SUFFIXES, LINES} and path.parent.is_file()


def read_member(path: Path) -> Record:
    """Read one member of a file of many.

    Parameters
    ----------
    path : Path
        Of the file, and in it the number of the member from 0.

    Returns
    -------
    Record
        Of ``signals``, ``data`` or ``x`` its channels (rows, or columns where these are fewer), times ``scale`` or over
        ``gain`` where the file states one; of one long ``x`` (samples,) what lies between two of its ``offsets``. Of
        the documented dictionary of workouts ``speed``, ``altitude`` and ``heart_rate``, at the mean rate of its
        ``timestamps``, as long as they rise; of times since 1970, which float32 holds to 128 s, from first to last. Of
        lines of Endomondo what `biotl.records.endomondo` reads.

    Raises
    ------
    RecordError
        If the file is damaged, is of another shape, or has no such member.
    """
    index = int(path.name)
    if path.parent.suffix == LINES:
        return replace(endomondo.member(path.parent, index), source=path)
    arrays, n = open_members(path.parent), count(path.parent)
    if index >= n:
        raise RecordError(str(path), "member", str(index), f"less than the {n} of the file")
    name = f"{path.parent.stem}/{index}"
    if "speed" in arrays:
        names = tuple(name for name in _STEPS if name in arrays)
        x = np.stack([np.ravel(arrays[key][index]) for key in names]).astype(np.float32)
        time = np.ravel(arrays["timestamps"][index]).astype(np.float64) if "timestamps" in arrays else None
        fs = 1.0
        if time is not None and time.max() < _COARSE:
            steps = 1 + int(np.argmax(np.append(np.diff(time) <= 0, True)))
            x, fs = x[:, :steps], (steps - 1) / float(time[steps - 1] - time[0]) if steps > 1 else 1.0
        elif time is not None and time[-1] > time[0]:
            fs = (len(time) - 1) / float(time[-1] - time[0])
        return Record(name, x, fs, names, tuple(_STEPS[key] for key in names), "", source=path)
    held = _windows(path.parent, arrays)
    if held.ndim == 1:
        held = held[None, slice(*arrays["offsets"][index : index + 2].tolist())]
    elif not _is_one(held, arrays):
        held = held[index]
    if held.ndim == 2 and held.shape[0] > held.shape[1]:  # one documented tool writes (windows, samples, channels)
        held = held.T
    factor = float(arrays.get("scale", 1.0)) / float(arrays.get("gain", 1.0))
    x = np.atleast_2d(held).astype(np.float32) * np.float32(factor)
    names = tuple(map(str, arrays["channels"])) if "channels" in arrays else _NAMES.get(len(x), ())
    if len(names) != len(x):
        raise RecordError(str(path.parent), "channels", f"{len(x)} and {len(names)} names", "a name for each")
    fs = float(arrays["fs"]) if "fs" in arrays else x.shape[1] / WINDOW_S
    return Record(name, x, fs, names, ("",) * len(x), "", source=path)


def count(path: Path) -> int:
    """Return how many members a file has."""
    arrays = open_members(path)
    if "speed" in arrays:
        return len(arrays["speed"])
    held = _windows(path, arrays)
    return len(arrays["offsets"]) - 1 if held.ndim == 1 else 1 if _is_one(held, arrays) else len(held)


def open_members(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the arrays of a file of many, never a pickle; the last file stays open.

    Large arrays that are not compressed (``np.savez``) are mapped, those that are stay in memory.

    Raises
    ------
    RecordError
        If it is no such file.
    """
    try:
        stat = path.stat()
        return _load(path, stat.st_mtime_ns, stat.st_size)
    except RecordError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise RecordError(str(path), "archive", str(error)[:150], f"an {path.suffix} with {_WANTED}") from error


@lru_cache(1)
def _load(path: Path, _changed: int, _size: int) -> dict[str, NDArray[Any]]:
    if path.suffix == ".pt":
        return _tensors(path)
    # a damaged file stays open where NumPy opens it
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        mapped = {name: _mapped(path, file, archive.zip.getinfo(f"{name}.npy")) for name in archive.files}
        return {name: archive[name] if of is None else of for name, of in mapped.items()}


def _mapped(path: Path, file: BinaryIO, member: zipfile.ZipInfo) -> NDArray[Any] | None:
    """Map an array of an archive that is not compressed, so that windows stream; None where it has to be unpacked."""
    if member.compress_type != zipfile.ZIP_STORED or member.file_size < _MAPPED:
        return None
    file.seek(
        member.header_offset + 26
    )  # lengths of the name and of what follows it, which the directory may not share
    file.seek(sum(struct.unpack("<HH", file.read(4))), os.SEEK_CUR)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        return None
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject or file.tell() + dtype.itemsize * int(np.prod(shape)) > path.stat().st_size:
        return None
    return np.memmap(path, dtype, "r", file.tell(), shape, "F" if fortran else "C")


def _tensors(path: Path) -> dict[str, NDArray[Any]]:
    # the one place above models/ that may bring torch, and late: a .pt file is a pickle, which only torch's reader of
    # weights opens without running what is in it; save as .npz to do without
    torch = bring("torch", "train")
    with refused(path, "a .pt of plain tensors", "save arrays as .npz; nothing in the file was run", field="archive"):
        content = torch.load(path, map_location="cpu", weights_only=True)
        content = content if isinstance(content, Mapping) else {"signals": content}
        tensors = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
        listed = {str(name): value for name, value in content.items() if isinstance(value, list | tuple | int | float)}
        return {name: of.numpy() for name, of in tensors.items()} | {name: np.array(of) for name, of in listed.items()}


def _windows(path: Path, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    found = next((arrays[key] for key in ("signals", "data", "x", "X") if key in arrays), None)
    if found is None or not (found.ndim in (2, 3) or (found.ndim == 1 and "offsets" in arrays)):
        held = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())[:150]
        raise RecordError(str(path), "arrays", held, _WANTED)
    return found


def _is_one(held: NDArray[Any], arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Whether the rows are the channels of one recording, and not windows of one channel."""
    return held.ndim == 2 and len(arrays.get("channels", ())) == len(held) > 1
