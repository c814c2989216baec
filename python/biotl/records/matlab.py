"""The variables of a MATLAB file by name, whatever its version: what readers of ``.mat`` begin with."""

import io
from pathlib import Path
from typing import Any

from biotl.errors import RecordError
from biotl.records import mat5
from biotl.records.foreign import bring, refused


def variables(path: Path) -> dict[str, Any]:
    """Variables of a MATLAB file by name; a structure is a mapping."""
    try:
        with path.open("rb") as file:
            new = b"\x89HDF" in file.read(600)  # at the start, or behind a header of 512 bytes
    except OSError as error:
        raise RecordError(str(path), "file", str(error), "a MATLAB file") from error
    if new:
        from biotl.records import hdf5

        return hdf5.variables(path)
    scipy_io = bring("scipy.io", "mat")
    data = path.read_bytes()
    if data.startswith(b"MATLAB 5.0"):
        mat5.check(path, data)
    with refused(path, "a MATLAB file"), io.BytesIO(data) as file:
        found = scipy_io.loadmat(file, simplify_cells=True)
    return {name: value for name, value in found.items() if not name.startswith("__")}
