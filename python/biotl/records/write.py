"""Write recordings as WFDB, through the wfdb package."""

import tempfile
from pathlib import Path

import numpy as np

from biotl.errors import ConfigError, MissingExtraError
from biotl.records.atomic import write_bytes
from biotl.records.record import Annotations, Record


def write_wfdb(record: Record, folder: Path | str) -> Path:
    """Write a record as ``.hea``, ``.dat`` (format 16, each channel's gain fitted to its range) and its annotations.

    The header comes last, so that an interrupted write leaves no record.

    Parameters
    ----------
    record : Record
        Its ``fs`` must be one for all channels, as it always is; NaN becomes a gap.
    folder : Path or str
        Made if need be.

    Returns
    -------
    Path
        The record without extension, as `biotl.records.read` takes it.

    Raises
    ------
    MissingExtraError
        If wfdb is not installed.
    ConfigError
        If the name or an annotator is none that WFDB can hold.
    """
    try:
        import wfdb
    except ImportError:
        raise MissingExtraError("wfdb", "train") from None
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{Path(record.name).name}.") as part:
        try:
            wfdb.wrsamp(
                record.name,
                fs=record.fs,
                units=list(record.units),
                sig_name=list(record.channels),
                p_signal=record.signal.T.astype(np.float64),
                fmt=["16"] * len(record.channels),
                comments=[f"subject: {record.subject}"],
                write_dir=part,
            )
        except ValueError as error:
            raise ConfigError(f"{record.name}: WFDB cannot hold it: {error}") from None
        for annotator, marks in record.annotations.items():
            write_annotations(Path(part) / record.name, annotator, marks, fs=record.fs)
        (folder / f"{record.name}.hea").unlink(missing_ok=True)
        for file in sorted(Path(part).iterdir(), key=lambda file: file.suffix == ".hea"):
            file.replace(folder / file.name)
    return folder / record.name


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
    MissingExtraError
        If wfdb is not installed.
    ConfigError
        If there is no mark, or a name or symbol is none that WFDB can hold.
    """
    try:
        import wfdb
    except ImportError:
        raise MissingExtraError("wfdb", "train") from None
    path = Path(path)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            wfdb.wrann(
                path.name,
                annotator,
                annotations.sample,
                symbol=annotations.symbol.tolist(),
                subtype=annotations.subtype.astype(np.int64),
                chan=annotations.channel.astype(np.int64),
                num=annotations.number.astype(np.int64),
                aux_note=list(annotations.aux),
                fs=fs,
                write_dir=folder,
            )
            write_bytes(
                path.with_name(f"{path.name}.{annotator}"), (Path(folder) / f"{path.name}.{annotator}").read_bytes()
            )
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path}.{annotator}: WFDB cannot hold these marks: {error}") from None
    return path.with_name(f"{path.name}.{annotator}")
