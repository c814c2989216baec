"""SCP-ECG (EN 1064): sections by pointers, samples as differences in Huffman code, a reference beat taken out."""

import binascii
import struct
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records.leads import twelve
from biotl.records.record import Record

# EN 1064, table of lead identifications
_LEADS = {
    1: "I",
    2: "II",
    3: "V1",
    4: "V2",
    5: "V3",
    6: "V4",
    7: "V5",
    8: "V6",
    9: "V7",
    10: "V2R",
    11: "V3R",
    12: "V4R",
}
_LEADS |= {61: "III", 62: "aVR", 63: "aVL", 64: "aVF"}
# EN 1064, default Huffman table: so many ones, then 0 and the sign; ten ones, then the number itself in 8 or 16 bits
_ONES = 10
_DEFAULT = 19999
_CONVERTER = "convert it to WFDB or EDF, by BioSig's save2gdf or the ECG Toolkit"
_MOST = 1 << 24  # samples of a lead


def read(path: str | Path) -> Record:
    """Read the rhythm data of an SCP-ECG file.

    Samples as they are, first or second differences, in the default Huffman code or none, with a reference beat
    subtracted or not. The leads that follow from I and II are added.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Record
        Signal float32 of shape (leads, samples) in uV.

    Raises
    ------
    RecordError
        A file that is missing or damaged, or uses Huffman tables of its own or bimodal compression.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        return _parse(path, data)
    except OSError as error:
        raise RecordError(str(path), "file", str(error), "an SCP-ECG file") from error
    except (struct.error, IndexError, ValueError) as error:
        if isinstance(error, RecordError):
            raise
        got = f"{type(error).__name__}: {error}"[:80]
        raise RecordError(str(path), "sections", got, "sections as their pointers say: the file is damaged") from error


def _parse(path: Path, data: bytes) -> Record:
    if binascii.crc_hqx(data[2:], 0xFFFF) != int.from_bytes(data[:2], "little"):
        warnings.warn(f"{path}: checksum: the bytes contradict it; read all the same", stacklevel=3)
    sections = _sections(path, data)
    for number, name in ((3, "leads"), (6, "rhythm")):
        if not sections.get(number):
            raise RecordError(
                str(path), f"section {number}, {name}", "none", "a recording with rhythm data", _CONVERTER
            )
    n_leads, flags = sections[3][0], sections[3][1]
    spans = [struct.unpack_from("<IIB", sections[3], 2 + 9 * lead) for lead in range(n_leads)]
    if not spans or len({(start, end) for start, end, _ in spans}) != 1:
        raise RecordError(str(path), "section 3, leads", f"{n_leads}", "leads recorded at the same time", _CONVERTER)
    n = spans[0][1] - spans[0][0] + 1
    huffman = bool(sections.get(2))
    if huffman and struct.unpack_from("<H", sections[2])[0] != _DEFAULT:
        raise RecordError(str(path), "section 2", "Huffman tables of its own", "the default ones", _CONVERTER)
    nanovolts, step_us, residual = _block(path, 6, sections[6], n_leads, n, huffman=huffman)
    scaled = nanovolts * residual.astype(np.float64)
    if flags & 1:
        scaled = _with_reference(path, sections, scaled, step_us, huffman=huffman)
    microvolts = (scaled / 1000).astype(np.float32)
    rows = {_LEADS.get(lead, f"lead {lead}"): row for (*_, lead), row in zip(spans, microvolts, strict=True)}
    rows = twelve(rows)
    signal = np.stack(list(rows.values()))
    return Record(path.stem, signal, 1e6 / step_us, tuple(rows), ("uV",) * len(rows), path.stem, source=path)


def _sections(path: Path, data: bytes) -> dict[int, bytes]:
    """Bodies of the sections by number, without their heads of 16 bytes."""
    (length,) = struct.unpack_from("<I", data, 10)
    out = {}
    for at in range(22, min(6 + length, 22 + 10 * 64), 10):
        number, size, index = struct.unpack_from("<HII", data, at)
        if size > 16:
            if index < 1 or index - 1 + size > len(data):
                got = f"bytes {index} to {index + size}"
                raise RecordError(str(path), f"section {number}", got, f"within the {len(data)} of the file")
            out[number] = data[index - 1 + 16 : index - 1 + size]
    return out


def _block(
    path: Path, section: int, body: bytes, n_leads: int, n: int, *, huffman: bool
) -> tuple[int, int, NDArray[np.int64]]:
    """Nanovolts of a step, microseconds of a sample, and the samples of each lead."""
    nanovolts, step_us, order, bimodal = struct.unpack_from("<HHBB", body)
    if section == 6 and bimodal:
        raise RecordError(str(path), "section 6", "bimodal compression", "all samples at one rate", _CONVERTER)
    if not (nanovolts and step_us and order <= 2 and 0 < n <= _MOST):
        got = f"{nanovolts} nV, {step_us} us, differences {order}, {n} samples"
        raise RecordError(str(path), f"section {section}", got, "positive numbers, and differences 0 to 2")
    sizes = struct.unpack_from(f"<{n_leads}H", body, 6)
    at, rows = 6 + 2 * n_leads, []
    for size in sizes:
        part = body[at : at + size]
        codes = _decode(part, n) if huffman else np.frombuffer(part[: 2 * (len(part) // 2)], "<i2").astype(np.int64)
        if len(codes) < n:
            raise RecordError(str(path), f"section {section}", f"{len(codes)} samples", f"{n} in each lead")
        rows.append(_summed(codes[:n], order))
        at += size
    return nanovolts, step_us, np.stack(rows)


def _decode(data: bytes, n: int) -> NDArray[np.int64]:
    """At most ``n`` values of a bit stream in the default Huffman code."""
    bits = "".join(f"{byte:08b}" for byte in data)
    out: list[int] = []
    at = 0
    while len(out) < n and at < len(bits):
        zero = bits.find("0", at, at + _ONES)
        ones = (zero if zero >= 0 else min(at + _ONES, len(bits))) - at
        if ones == 0:
            out.append(0)
            at += 1
        elif ones < _ONES - 1:
            sign = bits[at + ones + 1 : at + ones + 2]
            out.append(-ones if sign == "1" else ones)
            at += ones + 2
        else:
            width = 8 if ones == _ONES - 1 else 16
            number = bits[at + _ONES : at + _ONES + width]
            if len(number) < width:
                break
            value = int(number, 2)
            out.append(value - (1 << width) if number[0] == "1" else value)
            at += _ONES + width
    return np.array(out, np.int64)


def _summed(codes: NDArray[np.int64], order: int) -> NDArray[np.int64]:
    """Undo first or second differences; the first one or two samples stand as they are."""
    out = codes.copy()
    if order == 1:
        return np.cumsum(out)
    if order == 2 and len(out) > 1:
        out[1] -= out[0]
        return np.cumsum(np.concatenate([out[:1], np.cumsum(out[1:])]))
    return out


def _smoothed(values: NDArray[np.float64], zones: list[tuple[int, int, int]]) -> NDArray[np.float64]:
    """Mean of three outside the zones of the reference beat, as the reference decoder gives coarse residuals."""
    out = values.copy()
    bounds = [0, *(bound for start, _, end in zones for bound in (start - 1, end)), values.shape[1]]
    for a, b in zip(bounds[::2], bounds[1::2], strict=True):
        part = values[:, max(a, 0) : b]
        if part.shape[1] > 2:
            out[:, max(a, 0) + 1 : b - 1] = (part[:, :-2] + part[:, 1:-1] + part[:, 2:]) / 3
    return out


def _with_reference(
    path: Path, sections: dict[int, bytes], nanovolts: NDArray[np.float64], step_us: int, *, huffman: bool
) -> NDArray[np.float64]:
    """Add the reference beat where section 4 says that it was subtracted; positions count from 1."""
    if not sections.get(4) or not sections.get(5):
        raise RecordError(str(path), "sections 4 and 5", "none", "the reference beat that was subtracted")
    length_ms, fiducial, count = struct.unpack_from("<HHH", sections[4])
    own_us = struct.unpack_from("<HH", sections[5])[1]
    if own_us != step_us:
        got = f"a sample each {own_us} us"
        raise RecordError(str(path), "section 5", got, f"{step_us} us as the rhythm", _CONVERTER)
    n = length_ms * 1000 // step_us
    scale, _, beat = _block(path, 5, sections[5], len(nanovolts), n, huffman=huffman)
    beats = [struct.unpack_from("<HIII", sections[4], 6 + 14 * number) for number in range(count)]
    zones = [(start, centre, end) for kind, start, centre, end in beats if kind == 0]
    out = _smoothed(nanovolts, zones)
    for start, centre, end in zones:
        first = fiducial - (centre - start) - 1
        a, b = max(start - 1, 0), min(end, out.shape[1])
        a, b = max(a, start - 1 - first), min(b, start - 1 - first + n)
        if a < b:
            out[:, a:b] += scale * beat[:, a - (start - 1) + first : b - (start - 1) + first]
    return out
