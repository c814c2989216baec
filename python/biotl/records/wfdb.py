"""WFDB recordings (PhysioNet) by header(5), signal(5) and annot(5): header, signal files, annotations."""

import os
import re
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from biotl import _core
from biotl.errors import MissingExtraError, RecordError
from biotl.records.foreign import refused
from biotl.records.matlab import variables
from biotl.records.record import Annotations, Record

_SUBJECT = re.compile(r"^(?:subject|patient)(?:[ _-]?id)?[^\S\n]*[:=][^\S\n]*(\S+)", re.IGNORECASE | re.MULTILINE)
_FLAC = {"508", "516", "524"}
# rate; name, unit and samples a frame of each channel; comments
_About: TypeAlias = tuple[float, list[tuple[str, str, int]], list[str]]


def read(path: str | Path, *, annotators: Sequence[str] | None = None, strict: bool = False) -> Record:
    """Read a WFDB record: physical values, bit for bit those of ``wfdb.rdrecord(path, return_res=32)``.

    Formats 8, 16, 24, 32, 61, 80, 160, 212, 310 and 311 are decoded here; the FLAC formats 508, 516 and 524 go through
    the wfdb package. Records of several segments come as one, in fixed or variable layout. A channel with several
    samples a frame is averaged to the rate of the record, as wfdb does; :func:`read_native` keeps each at its own rate.
    A header with one signal line per *sample* (BUT PPG 1.0.0) is read as the one channel that it means.

    Parameters
    ----------
    path : str or Path
        Path of the record without extension, or of its ``.hea`` or ``.dat``.
    annotators : sequence of str, optional
        Extensions of the annotation files to read, such as ``("atr",)``; each must exist. By default ``atr`` is read
        where it lies beside the header.
    strict : bool
        Refuse samples that contradict the checksums and initial values of the header, where it has them, instead of a
        warning that names the signal: 11 of the 310 records of ECG-ID do.

    Returns
    -------
    Record
        Signal float32 of shape (channels, samples) in the units of the header. NaN where a sample carries the invalid
        code of its format, where a segment lacks the channel, and where skew reaches past the file; a frame of
        several samples is NaN where all of them are. ``subject`` is what a comment ``subject: NAME`` says, else the
        name of the record.

    Raises
    ------
    RecordError
        A file that is missing, cut short or of an unknown format, a header that contradicts itself or its samples.
    MissingExtraError
        A FLAC format without the wfdb package.

    Examples
    --------
    >>> folder = getfixture("mitdb")
    >>> record = read(folder / "100")
    >>> record.signal.shape, record.fs, record.channels, record.units
    ((2, 650000), 360.0, ('MLII', 'V5'), ('mV', 'mV'))
    >>> record.annotations["atr"].symbol[:3].tolist()
    ['+', 'N', 'N']

    References
    ----------
    G. Moody, WFDB Applications Guide, https://physionet.org/physiotools/wag/
    """
    where = _without_suffix(path)
    try:
        about, signal = _checked(_core.wfdb_read, where, strict=strict)
    except RecordError as error:
        if error.field.endswith("format") and error.got in _FLAC:
            about, signal = _read_flac(where, strict=strict)
        elif error.field == "MATLAB version" and Path(error.path) == Path(f"{where}.mat"):
            about, signal = _read_matlab(where, strict=strict)
        else:
            raise
    header = Path(f"{where}.hea")
    name = header.name.removesuffix(".hea")
    fs, channels, comments = about
    names, units, _ = zip(*channels, strict=True) if channels else ((), (), ())
    if signal.shape[1] == 1 < len(signal) and names == tuple(f"signal {i}" for i in range(len(names))):
        signal, names, units = signal.T, (comments[0] if comments else name,), units[:1]
    if annotators is None:
        annotators = ("atr",) if os.path.exists(f"{where}.atr") else ()  # noqa: PTH110  # as for _without_suffix
    marks = {name: read_annotations(where, name, fs=fs) for name in annotators}
    stated = _SUBJECT.search("\n".join(comments))
    return Record(name, signal, fs, names, units, stated[1] if stated else name, marks, header)


def read_native(path: str | Path, *, strict: bool = False) -> dict[str, tuple[NDArray[np.float32], float]]:
    """Read each channel of a WFDB record at its own rate.

    Parameters
    ----------
    path : str or Path
        As in :func:`read`.
    strict : bool
        As in :func:`read`.

    Returns
    -------
    dict of str to (ndarray of float32, shape (samples,), float)
        Physical values, NaN in gaps, and rate in Hz of each channel, by name. Not averaged, not resampled.

    Raises
    ------
    RecordError
        As in :func:`read`; two channels of one name; a FLAC format.
    """
    where = _without_suffix(path)
    (fs, channels, _), rows = _checked(_core.wfdb_native, where, strict=strict)
    names = [name for name, _, _ in channels]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RecordError(f"{where}.hea", "signal names", f"{', '.join(twice)} twice", "each once", "use read")
    return {name: (row[0], fs * per_frame) for (name, _, per_frame), row in zip(channels, rows, strict=True)}


def read_codes(path: str | Path, *, strict: bool = False) -> NDArray[np.int32]:
    """Read the ADC codes of a WFDB record, int32 of shape (channels, samples), as ``wfdb.rdrecord(physical=False)``.

    A gap holds the invalid code of its format, -2048 in format 212. Raises as :func:`read`, and on a FLAC format.
    """
    return _checked(_core.wfdb_codes, _without_suffix(path), strict=strict)[1]


def read_annotations(path: str | Path, annotator: str, *, fs: float | None = None) -> Annotations:
    """Read one annotation file in the MIT format (``.atr``, ``.q1c``, ``.pu0``), as ``wfdb.rdann`` does.

    Parameters
    ----------
    path : str or Path
        As in :func:`read`.
    annotator : str
        Extension of the file.
    fs : float, optional
        Rate of the record in Hz. A file that states a time resolution of its own is converted to it.

    Returns
    -------
    Annotations
        In the order of the file. Codes without a symbol read as ``[47]``. Notes that define symbols or the time
        resolution are taken up, not returned. Text is Latin-1, without the NUL that pads it.

    Raises
    ------
    RecordError
        A file that is missing or cut short, or a mark before the start of the record.
    """
    file = f"{_without_suffix(path)}.{annotator}"
    sample, (width, symbols), texts, subtype, channel, number, resolution = _core.wfdb_annotations(file)
    if fs is not None and resolution is not None and resolution != fs:
        with np.errstate(all="ignore"):
            moved = np.rint(sample * (fs / resolution))
        if not np.all(np.abs(moved) < 2.0**63):
            raise RecordError(file, "time resolution", f"{resolution:g} Hz", f"one near the {fs:g} Hz of the record")
        sample = moved.astype(np.int64)
    aux = [""] * len(sample)
    for index, text in texts:
        aux[index] = text
    return Annotations(sample, symbols.view(f"<U{width}"), tuple(aux), subtype, channel, number)


def segments(header: Path) -> set[Path]:
    """Return the paths, without extension, of the segments that a header names; none for a record in one piece."""
    try:
        text = header.read_text(encoding="latin-1")
    except OSError:  # reading it says why
        return set()
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = re.fullmatch(r"(.*)/(\d+)", lines[0][0]) if lines else None
    if not found or len(lines) - 1 != int(found[2]):
        return set()
    return {header.with_name(line[0]) for line in lines[1:] if line[0] != "~" and "/" not in line[0]}


def stem(path: str | Path) -> Path:
    """Path of a record without the extension of one of its files."""
    return Path(_without_suffix(path))


def _without_suffix(path: str | Path) -> str:
    # text: a process that comes back from other work takes longer to take a Path to pieces than to parse a header
    text = os.fspath(path).rstrip("/")
    return text[:-4] if text.endswith((".hea", ".dat", ".atr")) and text[-5:-4] not in {"", "/"} else text


_Read = TypeVar("_Read")


def _checked(read: Callable[[str, bool], _Read], path: str, *, strict: bool) -> _Read:
    """Read, and say of samples that contradict their header: by a warning, or if strict by a refusal."""
    try:
        return read(path, True)  # noqa: FBT003  # the compiled core takes no names
    except RecordError as error:
        if not error.field.startswith(("checksum of signal", "initial value of signal")):
            raise
        _complain(error, strict=strict)
    return read(path, False)  # noqa: FBT003


def _complain(error: RecordError, *, strict: bool) -> None:
    if strict:
        raise error
    warnings.warn(f"{error}; read all the same, strict=True refuses it", stacklevel=4)


def _read_matlab(path: str, *, strict: bool) -> tuple[_About, NDArray[np.float32]]:
    """Read a record whose ``.mat`` is of version 5 or later, while its header counts on version 4.

    ``scipy.io.savemat`` and MATLAB write version 5, where the samples lie elsewhere and may be compressed: variable
    ``val`` of such a file is laid out anew, in a temporary folder.
    """
    mat, hea = Path(f"{path}.mat"), Path(f"{path}.hea")
    codes = np.atleast_2d(variables(mat).get("val", np.zeros(0)))
    if codes.size == 0 or codes.dtype.kind not in "iuf" or not np.array_equal(codes, codes.astype(np.int16)):
        got = "no variable val of whole numbers in 16 bits"
        hint = "in a file of version 5 beside a header; name the file without its header, or save it with -v4"
        raise RecordError(str(mat), "val", got, "the samples", hint)
    with tempfile.TemporaryDirectory(prefix="biotl-") as folder:
        Path(folder, hea.name).write_bytes(hea.read_bytes())
        # a header of version 4: type (int16), rows, columns, real, and the length of the name that follows
        head = np.array([30, *codes.shape, 0, 4], "<i4").tobytes() + b"val\0"
        Path(folder, mat.name).write_bytes(head + codes.T.astype("<i2").tobytes())
        try:
            return _checked(_core.wfdb_read, f"{folder}/{mat.stem}", strict=strict)
        except RecordError as error:
            error.path = error.path.replace(folder, str(mat.parent))
            raise


def _read_flac(path: str, *, strict: bool) -> tuple[_About, NDArray[np.float32]]:
    try:
        import wfdb
    except ImportError as error:
        raise MissingExtraError("wfdb (for FLAC-coded formats)", "wfdb") from error
    with refused(path, "a record that wfdb can read", field="FLAC signals"):
        record = wfdb.rdrecord(path, return_res=32)
        names = [name or f"signal {i}" for i, name in enumerate(record.sig_name)]
        channels = list(zip(names, record.units, record.samps_per_frame, strict=True))
        wanted = getattr(wfdb.rdheader(path), "checksum", None) or []  # segments have theirs apart
        if any(total is not None for total in wanted):
            codes = wfdb.rdrecord(path, physical=False, smooth_frames=False, ignore_skew=True)
            sums = codes.calc_checksum(expanded=True)
        else:
            sums = wanted
    for name, got_, said in zip(names, sums, wanted, strict=False):
        if said is not None and (got_ - said) % 65536:
            stale = RecordError(path, f'checksum of signal "{name}"', str(got_), f"{said} as the header says")
            _complain(stale, strict=strict)
    return (float(record.fs), channels, record.comments), np.ascontiguousarray(record.p_signal.T)
