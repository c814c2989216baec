"""ISHNE Holter files (Badilini 1998): a header of fixed fields, then samples of two bytes."""

import os
import struct
from pathlib import Path

import numpy as np

from biotl.errors import RecordError
from biotl.records.record import Record

# Badilini, The ISHNE Holter standard output file format, A.N.E. 1998, table of lead specifications
_LEADS = {
    0: "unknown", 1: "generic bipolar", 2: "X", 3: "Y", 4: "Z", 5: "I", 6: "II", 7: "III", 8: "aVR", 9: "aVL",
    10: "aVF", 11: "V1", 12: "V2", 13: "V3", 14: "V4", 15: "V5", 16: "V6", 17: "ES", 18: "AS", 19: "AI",
}  # fmt: skip
_MAGIC = 10  # bytes of magic and checksum before the header proper
_FIXED = 512
_GAP = -32768


def read(path: str | Path) -> Record:
    """Read an ISHNE Holter recording.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Record
        Signal float32 of shape (leads, samples) in mV; NaN where a sample is -32768.

    Raises
    ------
    RecordError
        A file that is missing, cut short, or whose header contradicts itself.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(_MAGIC + _FIXED)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise RecordError(str(path), "file", str(error), "an ISHNE Holter file") from error
    if len(head) < _MAGIC + _FIXED or not head.startswith(b"ISHNE1.0"):
        raise RecordError(str(path), "header", f"{len(head)} bytes", "ISHNE1.0 and its 522 bytes")
    variable, samples, _, at, _ = struct.unpack_from("<iiiih", head, _MAGIC)
    subject = head[108:128].split(b"\0")[0].decode("latin-1").strip()
    n_leads, *rest = struct.unpack_from("<h12h12x12x12h", head, 156)
    leads, resolution = rest[:12], rest[12:]
    (fs,) = struct.unpack_from("<h", head, 272)
    if not (1 <= n_leads <= 12 and fs > 0 and variable >= 0 and at >= _MAGIC + _FIXED):
        raise RecordError(str(path), "header", f"{n_leads} leads at {fs} Hz from byte {at}", "1 to 12 leads, a rate")
    if min(resolution[:n_leads]) <= 0:
        raise RecordError(str(path), "resolution", str(resolution[:n_leads]), "nV a step, above 0")
    frames = (size - at) // (2 * n_leads)
    # older writers count the samples of all leads together
    if frames < 1 or samples not in (frames, frames * n_leads):
        got = f"{size - at} bytes of samples"
        raise RecordError(str(path), "samples", got, f"{2 * n_leads * samples}, {samples} in each of {n_leads} leads")
    codes = np.fromfile(path, "<i2", count=frames * n_leads, offset=at).reshape(frames, n_leads).T
    signal = codes * (np.array(resolution[:n_leads], np.float32)[:, None] * np.float32(1e-6))
    signal[codes == _GAP] = np.nan
    names = [_LEADS.get(lead, f"lead {lead}") for lead in leads[:n_leads]]
    unique = tuple(f"{name} {i + 1}" if names.count(name) > 1 else name for i, name in enumerate(names))
    return Record(
        path.stem, np.ascontiguousarray(signal), float(fs), unique, ("mV",) * n_leads, subject or path.stem, source=path
    )
