"""What a file is, by its first bytes: its name only where these say nothing."""

import gzip
import re
import struct
import zlib
from pathlib import Path

from biotl.errors import RecordError
from biotl.records import apple, empatica, text

_HEAD = 1 << 16
_MAGIC = (
    (0, b"PK\x03\x04", "npz"),
    (0, b"\x93NUMPY", "npy"),
    (0, b"\x89HDF\r\n\x1a\n", "hdf5"),
    (0, b"MATLAB ", "mat"),
    (0, b"0       ", "edf"),
    (0, b"\xffBIOSEMI", "edf"),
    (0, b"ISHNE1.0", "ishne"),
    (128, b"DICM", "dicom"),
    (8, b".FIT", "fit"),
)
_ROOTS = {
    "AnnotatedECG": "aecg",
    "RestingECG": "muse",
    "restingecgdata": "philips",
    "gpx": "gpx",
    "TrainingCenterDatabase": "tcx",
    "HealthData": "healthkit",
}
_RATES = re.compile(r'"heart_rate"\s*:\s*\[')
_SUFFIXES = {".mat": "mat", ".acq": "acq", ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".vital": "vital"}
# what else people have, and what would read it
_FOREIGN = {
    ".xlsx": ("an Excel workbook", "save the sheet as CSV"),
    ".xls": ("an Excel workbook", "save the sheet as CSV"),
    ".parquet": ("a Parquet table", "write it as CSV or .npz, by pandas"),
    ".feather": ("a Feather table", "write it as CSV or .npz, by pandas"),
    ".pkl": ("a Python pickle, which may run code", "save arrays as .npz"),
    ".pickle": ("a Python pickle, which may run code", "save arrays as .npz"),
    ".pt": ("PyTorch tensors of many", "the adapters windows and workouts list them; or save arrays as .npz"),
    ".pth": ("PyTorch tensors", "save arrays as .npz"),
    ".json": ("a JSON text", "write the samples as CSV or .npz"),
    ".zip": ("a zip archive", "unpack it"),
    ".gz": ("a gzip archive", "unpack it"),
    ".pdf": ("a PDF", "export the signal as EDF, DICOM or XML"),
    ".cnt": ("a Neuroscan or ANT recording", "convert it to EDF, by EDFbrowser or MNE"),
    ".vhdr": ("a BrainVision header", "convert it to EDF, by MNE"),
    ".adicht": ("a LabChart recording", "export it as MATLAB or EDF in LabChart"),
    ".rec": ("a recording of unknown make", "convert it to EDF, by EDFbrowser"),
    ".trc": ("a Micromed recording", "convert it to EDF, by EDFbrowser"),
    ".hl7": ("an HL7 message", "export the waveform as aECG XML, DICOM or SCP"),
    ".xdf": ("a LabStreamingLayer recording", "write it as .npz, by pyxdf"),
}


def kind_of(path: Path) -> str:
    """Name of the module of `biotl.records` that reads a file.

    Parameters
    ----------
    path : Path
        A file that is there.

    Raises
    ------
    RecordError
        A format that has no reader: what it is and what would read it.
    OSError
        A file that cannot be opened.

    Examples
    --------
    >>> kind_of(getfixture("mitdb") / "100.hea")
    'wfdb'
    """
    suffix = path.suffix.lower()
    if suffix == ".hea" or (suffix in {".dat", ".atr"} and path.with_suffix(".hea").is_file()):
        return "wfdb"
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"PK\x03\x04") and (b"[Content_Types].xml" in head[:2000] or suffix in {".pt", ".pth", ".zip"}):
        raise _refusal(path, *_FOREIGN[suffix if suffix in {".pt", ".pth", ".zip"} else ".xlsx"])
    for offset, magic, kind in _MAGIC:
        if head[offset:].startswith(magic):
            return "mat" if suffix == ".mat" and kind == "hdf5" else kind
    if path.with_name(f"{path.name}.hea").is_file():
        return "wfdb"
    if head.startswith(b"\x1f\x8b") and _unpacked(path).startswith(b"VITA"):
        return "vital"
    if _is_scp(path, head):
        return "scp"
    if head.startswith(b"ANN  1.0"):
        raise _refusal(path, "an ISHNE file of annotations", "name the .ecg file, which holds the signal")
    if suffix in {".mat", ".acq"}:
        return _SUFFIXES[suffix]
    encoding = text.encoding_of(head)
    if head and (encoding.startswith("utf-16") or b"\0" not in head):
        return _kind_of_text(path, suffix, head.decode(encoding, "replace"))
    if suffix in _FOREIGN:
        raise _refusal(path, *_FOREIGN[suffix])
    if not head and suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    hint = "convert it to WFDB, EDF, .npz, .mat or CSV, or name its header"
    begins = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in head[:16])
    raise _refusal(path, f"an unknown format {suffix!r} that begins {begins!r}" if head else "an empty file", hint)


def _kind_of_text(path: Path, suffix: str, head: str) -> str:
    lines = head.lstrip("\ufeff").splitlines()
    first = next((line.strip() for line in lines if line.strip()), "")
    if first.startswith("<"):
        root = re.search(
            r"<([A-Za-z_][\w.:-]*)", re.sub(r"<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^<>\[]*(\[.*?\])?>", "", head, flags=re.S)
        )
        name = root[1].rpartition(":")[2] if root else "nothing"
        if name in _ROOTS:
            return _ROOTS[name]
        raise _refusal(
            path, f"an XML text of <{name[:40]}>", "of XML, aECG, MUSE, Philips, GPX, TCX and HealthKit are read"
        )
    if first.startswith("#") and any(word in first for word in ("OpenSignals", "Simple Text Format")):
        return "opensignals"
    if first == "[Params]":
        return "hrm"
    if (first.startswith("{'") and "heart_rate" in head) or (first.startswith('{"') and _RATES.search(head)):
        return "endomondo"
    if first.startswith(("{", "[{")):
        raise _refusal(path, *_FOREIGN[".json"])
    if apple.about(lines):
        return "apple"
    if empatica.is_empatica(lines):
        return "empatica"
    if suffix in _SUFFIXES or any(char.isdigit() for char in head[:200]):
        return "csv"
    raise _refusal(path, f"an unknown format {suffix!r}", "convert it, or name its header")


def _is_scp(path: Path, head: bytes) -> bool:
    if len(head) < 32:
        return False
    size, section = struct.unpack_from("<IxxH", head, 2)
    first, _, index = struct.unpack_from("<HII", head, 22)  # the first entry of section 0 points to itself
    return bool(size == path.stat().st_size and section == first == 0 and index == 7)


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(4)
    except (OSError, EOFError, zlib.error):
        return b""


def _refusal(path: Path, got: str, hint: str) -> RecordError:
    return RecordError(str(path), "file", got, "a recording that biotl reads", hint)
