"""WFDB recordings (PhysioNet) by header(5), signal(5) and annot(5): header, signal files, annotations."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biotl import _core
from biotl.errors import MissingExtraError, RecordError
from biotl.records.record import Annotations, Record

_SUBJECT = re.compile(r"(?:subject|patient)(?:[ _-]?id)?\s*[:=]\s*(\S+)", re.IGNORECASE)
_FLAC = {"508", "516", "524"}


def read(path: str | Path, *, annotators: Sequence[str] | None = None, verify: bool = True) -> Record:
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
    verify : bool
        Hold the samples to the checksums and initial values of the header, where it has them.

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
    path = stem(path)
    try:
        about, signal = _core.wfdb_read(path, verify)
    except RecordError as error:
        if not error.field.endswith("format") or error.got not in _FLAC:
            raise
        about, signal = _read_flac(path, verify=verify)
    fs, channels, comments = about
    names, units = tuple(name for name, _, _ in channels), tuple(unit for _, unit, _ in channels)
    if signal.shape[1] == 1 < len(signal) and set(names) == {f"signal {i}" for i in range(len(names))}:
        signal, names, units = signal.T, (comments[0] if comments else path.name,), units[:1]
    if annotators is None:
        annotators = ("atr",) if path.with_name(path.name + ".atr").exists() else ()
    marks = {name: read_annotations(path, name, fs=fs) for name in annotators}
    subject = next((match[1] for text in comments if (match := _SUBJECT.match(text))), path.name)
    return Record(path.name, signal, fs, names, units, subject, marks, path.with_name(path.name + ".hea"))


def read_native(path: str | Path, *, verify: bool = True) -> dict[str, tuple[NDArray[np.float32], float]]:
    """Read each channel of a WFDB record at its own rate.

    Parameters
    ----------
    path : str or Path
        As in :func:`read`.
    verify : bool
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
    (fs, channels, _), rows = _core.wfdb_native(stem(path), verify)
    names = [name for name, _, _ in channels]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RecordError(f"{stem(path)}.hea", "signal names", f"{', '.join(twice)} twice", "each once", "use read")
    return {name: (row[0], fs * per_frame) for (name, _, per_frame), row in zip(channels, rows, strict=True)}


def read_codes(path: str | Path, *, verify: bool = True) -> NDArray[np.int32]:
    """Read the ADC codes of a WFDB record, int32 of shape (channels, samples), as ``wfdb.rdrecord(physical=False)``.

    A gap holds the invalid code of its format, -2048 in format 212. Raises as :func:`read`, and on a FLAC format.
    """
    return _core.wfdb_codes(stem(path), verify)[1]


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
    path = stem(path)
    file = path.with_name(f"{path.name}.{annotator}")
    sample, (width, symbols), texts, subtype, channel, number, resolution = _core.wfdb_annotations(file)
    if fs is not None and resolution is not None and resolution != fs:
        with np.errstate(all="ignore"):
            moved = np.rint(sample * (fs / resolution))
        if not np.all(np.abs(moved) < 2.0**63):
            raise RecordError(
                str(file), "time resolution", f"{resolution:g} Hz", f"one near the {fs:g} Hz of the record"
            )
        sample = moved.astype(np.int64)
    aux = [""] * len(sample)
    for index, text in texts:
        aux[index] = text
    return Annotations(sample, symbols.view(f"<U{width}"), tuple(aux), subtype, channel, number)


def stem(path: str | Path) -> Path:
    """Path of a record without the extension of one of its files."""
    path = Path(path)
    return path.with_suffix("") if path.suffix in {".hea", ".dat", ".atr"} else path


def _read_flac(
    path: Path, *, verify: bool
) -> tuple[tuple[float, list[tuple[str, str, int]], list[str]], NDArray[np.float32]]:
    try:
        import wfdb
    except ImportError as error:
        raise MissingExtraError("wfdb (for FLAC-coded formats)", "train") from error
    try:
        record = wfdb.rdrecord(str(path), return_res=32)
        names = [name or f"signal {i}" for i, name in enumerate(record.sig_name)]
        channels = list(zip(names, record.units, record.samps_per_frame, strict=True))
        wanted = getattr(wfdb.rdheader(str(path)), "checksum", None) or []  # segments have theirs apart
        if verify and any(total is not None for total in wanted):
            codes = wfdb.rdrecord(str(path), physical=False, smooth_frames=False, ignore_skew=True)
            sums = codes.calc_checksum(expanded=True)
        else:
            sums = wanted
    except Exception as error:  # wfdb and libsndfile meet damage with whatever exception comes first
        got = f"{type(error).__name__}: {error}"
        raise RecordError(str(path), "FLAC signals", got, "a record that wfdb can read") from error
    for name, got_, said in zip(names, sums, wanted, strict=False):
        if said is not None and (got_ - said) % 65536:
            raise RecordError(str(path), f'checksum of signal "{name}"', str(got_), f"{said} as the header says")
    return (float(record.fs), channels, record.comments), np.ascontiguousarray(record.p_signal.T)
