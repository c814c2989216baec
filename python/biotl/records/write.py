"""Write recordings as WFDB: a header and samples by header(5) and signal(5), annotations by annot(5)."""

import re
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biotl.errors import ConfigError
from biotl.records.atomic import naming, write_bytes
from biotl.records.record import Annotations, Record

_NAME = re.compile(r"[\w-]+", re.ASCII)
_GAP = -32768  # in format 16
_LOW, _HIGH = -32767, 32767
_MOST = 2**31 - 1
# the code of each symbol is its place (annot(5))
_CODES = {symbol: code for code, symbol in enumerate(' NLRaVFJASEj/Q~ | sT*D"=pB^t+u?![]en@xf()r') if symbol != " "}
_NOTE, _SKIP, _NUM, _SUB, _CHN, _AUX = 22, 59, 60, 61, 62, 63
_LONGEST_NOTE = 255  # bytes: its length is one


def write_wfdb(record: Record, folder: Path | str) -> Path:
    """Write a record as ``.hea``, ``.dat`` (format 16, each channel's gain fitted to its range) and its annotations.

    The header comes last, so that an interrupted write leaves no record.

    Parameters
    ----------
    record : Record
        NaN becomes a gap, a channel of nothing else as well. A unit of ``""`` is written as ``NU``, which WFDB has for
        "no unit": without any, a reader would take it for mV.
    folder : Path or str
        Made if need be.

    Returns
    -------
    Path
        The record without extension, as `biotl.records.read` takes it.

    Raises
    ------
    ConfigError
        A name, unit, value or annotation that WFDB cannot hold, or that reads back as another one.

    Examples
    --------
    >>> from biotl.records import ecg, read
    >>> path = write_wfdb(ecg(7, duration_s=10.0), getfixture("tmp_path"))
    >>> read(path).channels
    ('MLII', 'V1')
    """
    name = record.name
    if not _NAME.fullmatch(name):
        raise ConfigError(f"record name: got {name[:80]!r}, wanted letters, digits, _ and -: WFDB holds no others")
    for channel, unit in zip(record.channels, record.units, strict=True):
        if re.search(r"\s", unit) or re.search(r"[\r\n]", channel):
            raise ConfigError(f"{name}: WFDB cannot hold the unit {unit[:40]!r} of channel {channel[:40]!r}")
    codes, lines = [], []
    for row, channel, unit in zip(record.signal, record.channels, record.units, strict=True):
        code, gain, baseline = _quantized(row, f"{name}, {channel}")
        first, total = (int(code[0]), int(code.sum(dtype=np.int64))) if len(code) else (0, 0)
        lines.append(f"{name}.dat 16 {gain!r}({baseline})/{unit or 'NU'} 16 0 {first} {total % 65536} 0 {channel}\n")
        codes.append(code)
    fs = int(record.fs) if float(record.fs).is_integer() else float(record.fs)
    header = f"{name} {len(lines)} {fs} {record.signal.shape[1]}\n{''.join(lines)}# subject: {_line(record.subject)}\n"
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with naming(folder / name), tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}.") as part:
        (Path(part) / f"{name}.dat").write_bytes(np.array(codes, "<i2").T.tobytes())
        (Path(part) / f"{name}.hea").write_text(header, encoding="utf-8")
        for annotator, marks in record.annotations.items():
            write_annotations(Path(part) / name, annotator, marks, fs=record.fs)
        (folder / f"{name}.hea").unlink(missing_ok=True)
        for file in sorted(Path(part).iterdir(), key=lambda file: file.suffix == ".hea"):
            file.replace(folder / file.name)
    return folder / name


def write_annotations(path: Path | str, annotator: str, annotations: Annotations, *, fs: float | None = None) -> Path:
    """Write one annotation file in the MIT format, whole or not at all.

    Parameters
    ----------
    path : Path or str
        The record without extension.
    annotator : str
        Extension of the file: letters only.
    annotations : Annotations
        In order of time.
    fs : float, optional
        Rate in Hz of the sample indices, stated in the file.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ConfigError
        If there is no mark, or a time, symbol, field or note that the format cannot hold: notes have at most 255
        characters of Latin-1, fields one byte.
    """
    path = Path(path)
    where = f"{path}.{annotator}"
    if not annotator.isascii() or not annotator.isalpha():
        raise ConfigError(f"{where}: annotator: got {annotator[:40]!r}, wanted letters only")
    steps = np.diff(annotations.sample, prepend=0)
    if not len(steps) or steps.min() < 0:
        got = f"{int(annotations.sample[int(steps.argmin())])} after a later one" if len(steps) else "none"
        raise ConfigError(f"{where}: marks: got {got}, wanted marks in order of time, from 0")
    words = bytearray()
    if fs is not None:
        text = f"## time resolution: {int(fs) if float(fs).is_integer() else float(fs)}".encode()
        # the mark that carries it stands at time 0; a step back and an empty mark end it
        words += _word(_NOTE, 0) + _word(_AUX, len(text)) + _even(text) + _word(_SKIP, 0) + b"\xff" * 4 + _word(0, 1)
    number = channel = 0
    for i, step in enumerate(steps.tolist()):
        symbol = str(annotations.symbol[i])
        if symbol not in _CODES:
            raise ConfigError(f"{where}: mark {i}: got symbol {symbol[:40]!r}, wanted one of WFDB's")
        while step > 1023:
            skip = min(step, 0x7FFFFFFF)
            words += _word(_SKIP, 0) + (skip >> 16).to_bytes(2, "little") + (skip & 0xFFFF).to_bytes(2, "little")
            step -= skip
        words += _word(_CODES[symbol], step)
        fields = (annotations.number[i], annotations.subtype[i], annotations.channel[i])
        if not all(-128 <= int(field) <= 255 for field in fields):
            raise ConfigError(f"{where}: mark {i}: got num, subtype, chan {fields}, wanted one byte each")
        if int(annotations.number[i]) != number:
            number = int(annotations.number[i])
            words += _word(_NUM, number & 0xFF)
        if int(annotations.subtype[i]):
            words += _word(_SUB, int(annotations.subtype[i]) & 0xFF)
        if int(annotations.channel[i]) != channel:
            channel = int(annotations.channel[i])
            words += _word(_CHN, channel & 0xFF)
        if annotations.aux[i]:
            words += _note(f"{where}: mark {i}", annotations.aux[i])
    write_bytes(Path(where), bytes(words) + b"\0\0")
    return Path(where)


def _word(code: int, low: int) -> bytes:
    return (code << 10 | low).to_bytes(2, "little")


def _even(text: bytes) -> bytes:
    return text + b"\0" * (len(text) % 2)


def _note(where: str, note: str) -> bytes:
    try:
        text = note.encode("latin-1")
    except UnicodeEncodeError:
        raise ConfigError(f"{where}: got the note {note[:40]!r}, wanted characters of Latin-1") from None
    if len(text) > _LONGEST_NOTE:
        raise ConfigError(f"{where}: got a note of {len(text)} characters, wanted at most {_LONGEST_NOTE}")
    return _word(_AUX, len(text)) + _even(text)


def _line(text: str) -> str:
    return " ".join(text.split())


def _quantized(row: NDArray[np.float32], where: str) -> tuple[NDArray[np.int16], float, int]:
    """Codes, gain and baseline that use all of 16 bits: the fit of the wfdb package, so that files are the same."""
    there = ~np.isnan(row)
    values = row[there].astype(np.float64)
    codes = np.full(len(row), _GAP, np.int16)
    if not len(values):
        return codes, 1.0, 0
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(low) or not np.isfinite(high):
        raise ConfigError(f"{where}: got an infinite value, wanted finite ones, or NaN for a gap")
    if low == high:
        gain, baseline = (1.0, 1) if low == 0 else (abs(1 / low), 0)
    else:
        gain = (_HIGH - _LOW) / (high - low)
        exact = _LOW - gain * low
        baseline = int(np.ceil(exact) if low > 0 else np.floor(exact))
        if baseline != _LOW:
            gain = (_LOW - baseline) / low
        if baseline > _MOST:  # a small range far from zero: the baseline stays what 32 bits hold
            gain, baseline = (_MOST - _LOW) / abs(low), _MOST
        elif baseline < -_MOST - 1:
            gain, baseline = (_HIGH + _MOST + 1) / high, -_MOST - 1
    if not 0 < gain < np.inf:
        raise ConfigError(f"{where}: got values from {low:g} to {high:g}, wanted ones that 16 bits can tell apart")
    codes[there] = np.round(values * gain + baseline)
    return codes, gain, baseline
