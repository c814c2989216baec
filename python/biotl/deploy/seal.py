"""The digest of a model file in the file itself: whatever is changed afterwards, in weights or in words, is seen."""

import hashlib
from pathlib import Path

from biotl.errors import RecordError

# an ONNX file is a protobuf message, in which a repeated field may come at any place: the digest is a last entry of
# metadata_props (field 14), whose key and value are fields 1 and 2, and covers every byte before it
_KEY = b"io.biotl.sha256"
_HEAD = bytes((0x72, len(_KEY) + 68, 0x0A, len(_KEY))) + _KEY + b"\x12\x40"
_LENGTH = len(_HEAD) + 64


def seal(data: bytes) -> bytes:
    """Return an ONNX file with its digest."""
    return data + _HEAD + hashlib.sha256(data).hexdigest().encode()


def check(data: bytes, path: Path) -> str:
    """Return the digest of a sealed file.

    Raises
    ------
    RecordError
        If it has none, or another than its contents.
    """
    body, tail = data[:-_LENGTH], data[-_LENGTH:]
    if not tail.startswith(_HEAD):
        hint = "it was changed, cut short, or not exported by biotl: export it again with `biotl export`"
        raise RecordError(str(path), "sha256", "none at its end", "a model that biotl exported", hint)
    found, stated = hashlib.sha256(body).hexdigest(), tail[len(_HEAD) :].decode(errors="replace")
    if found != stated:
        hint = "the file was changed or damaged: export or fetch it again"
        raise RecordError(str(path), "sha256", f"{found[:16]}...", f"{stated[:16]}...", hint)
    return found
