"""Philips (Sierra) resting ECG as XML, 1.03 and 1.04: twelve leads, differences packed by LZW in codes of ten bits."""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records import xml
from biotl.records.record import Record

_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_BITS = 10
_MOST = 1 << 20  # samples of a lead: 35 minutes at 500 Hz


def read(path: str | Path) -> Record:
    """Read the waveforms of a Philips resting ECG.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Record
        Signal float32 of shape (12, samples) in uV.

    Raises
    ------
    RecordError
        A file that is missing, not well formed, or whose waveforms are of another make.
    """
    path = Path(path)
    root = xml.parse(path)
    waves = root.find(".//parsedwaveforms")
    about = root.find(".//signalcharacteristics")
    if waves is None or about is None:
        raise RecordError(str(path), "parsedwaveforms", "none", "waveforms and signal characteristics")
    method = waves.get("compression") or waves.get("compressmethod") or "none"
    if method not in {"XLI", "none"} or waves.get("dataencoding") != "Base64":
        got = f"{method}, {waves.get('dataencoding')}"[:60]
        raise RecordError(str(path), "compression", got, "XLI or none, in Base64", "export it as DICOM or aECG")
    fs = xml.number(path, "samplingrate", waves.get("samplespersecond") or about.findtext("samplingrate"))
    resolution = about.findtext("resolution") or about.findtext("signalresolution")
    scale = xml.number(path, "resolution", waves.get("resolution") or resolution)
    labels = tuple((waves.get("leadlabels") or " ".join(_LEADS)).split())
    n_leads = int(xml.number(path, "channels", waves.get("numberofleads") or about.findtext("numberchannelsvalid")))
    duration_ms = xml.number(path, "durationperchannel", waves.get("durationperchannel"))
    if not (0 < fs < 1e5 and 0 < scale < np.inf and 1 <= n_leads <= len(labels) and 0 < duration_ms * fs < 1e3 * _MOST):
        got = f"{n_leads} leads of {duration_ms:g} ms at {fs:g} Hz"
        raise RecordError(str(path), "signalcharacteristics", got, "leads of a positive length and rate")
    data = xml.base64_bytes(path, "parsedwaveforms", waves.text)
    n = round(duration_ms * fs / 1000)
    codes = _chunks(path, data, n_leads, n) if method == "XLI" else _plain(path, data, n_leads, n)
    if method == "XLI" and labels[:6] == _LEADS[:6] and n_leads >= 6:
        codes = _limbs(codes)
    subject = (root.findtext(".//generalpatientdata/patientid") or "").strip() or path.stem
    signal = (codes * scale).astype(np.float32)
    return Record(path.stem, signal, fs, labels[:n_leads], ("uV",) * n_leads, subject, source=path)


def _plain(path: Path, data: bytes, n_leads: int, n: int) -> NDArray[np.int64]:
    if len(data) < 2 * n * n_leads:
        raise RecordError(str(path), "parsedwaveforms", f"{len(data)} bytes", f"{2 * n * n_leads}")
    return np.frombuffer(data, "<i2", count=n * n_leads).reshape(n_leads, n).astype(np.int64)


def _chunks(path: Path, data: bytes, n_leads: int, n: int) -> NDArray[np.int64]:
    """Unpack each lead: its size, a start value, then the packed bytes, high ones first and low ones after."""
    rows, at = [], 0
    for lead in range(n_leads):
        if at + 8 > len(data):
            raise RecordError(str(path), "parsedwaveforms", f"{lead} leads", f"{n_leads}: the data are cut short")
        size, _, start = struct.unpack_from("<ihh", data, at)
        at += 8
        if size <= 0 or at + size > len(data):
            raise RecordError(str(path), f"lead {lead + 1}", f"{size} bytes", f"some of {len(data) - at} left")
        raw = np.frombuffer(_unpacked(data[at : at + size], 2 * n + 2), np.uint8)
        at += size
        if len(raw) < 2 * n:
            raise RecordError(str(path), f"lead {lead + 1}", f"{len(raw)} bytes unpacked", f"{2 * n} for {n} samples")
        half = len(raw) // 2
        codes = (raw[:half].astype(np.uint16) << 8 | raw[half : 2 * half]).view(np.int16)
        rows.append(_summed(codes[:n].astype(np.int64), start))
    return np.stack(rows)


def _unpacked(data: bytes, at_most: int) -> bytes:
    """Undo LZW with codes of ten bits, high bits first; little more than ``at_most`` bytes come out."""
    table = [bytes([value]) for value in range(256)]
    out, before = bytearray(), b""
    held = bits = 0
    for byte in data:
        held, bits = (held << 8 | byte) & 0xFFFFFF, bits + 8
        if bits < _BITS:
            continue
        bits -= _BITS
        code = held >> bits & (1 << _BITS) - 1
        if code < len(table):
            entry = table[code]
        elif before and code == len(table) < (1 << _BITS) - 1:
            entry = before + before[:1]
        else:
            break  # the mark of the end
        out += entry
        if before and len(table) < (1 << _BITS) - 1:
            table.append(before + entry[:1])
        before = entry
        if len(out) > at_most:
            break
    return bytes(out)


def _summed(codes: NDArray[np.int64], start: int) -> NDArray[np.int64]:
    """Undo second differences that lean on the code before, less 64."""
    out = codes.tolist()
    last = start
    for i in range(2, len(out)):
        value = (2 * out[i - 1] - out[i - 2] - last + 32768) % 65536 - 32768
        last = out[i] - 64
        out[i] = value
    return np.array(out, np.int64)


def _limbs(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Four leads are stored as what I and II leave of them."""
    out = codes.copy()
    one, two = out[0], out[1]
    out[2] = two - one - out[2]
    out[3] = -out[3] - (one + two) // 2
    out[4] = (one - out[2]) // 2 - out[4]
    out[5] = (two + out[2]) // 2 - out[5]
    return out
