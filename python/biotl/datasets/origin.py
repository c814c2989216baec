"""What a prepared recording was made of: the files that were read, and the code that read them."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path

import biotl
from biotl.datasets.manifest import Entry, wfdb_stem
from biotl.datasets.members import is_member


def origin(entry: Entry, annotators: Sequence[str]) -> str:
    """Return the sha256 of the files that a recording is read from: those named, and its annotators' only.

    Of a WFDB record these are the header, the signal files that it names and the annotation files asked for, whatever
    name of the record was given; a file that something else left beside them has no part in it.
    """
    total = hashlib.sha256()
    for path in entry.files:
        for file in sorted(set(_read_from(path, annotators))):
            member = path.name if is_member(path) else ""
            total.update(f"\0{file.name}\0{member}\0".encode())
            if file.is_file():
                stat = file.stat()
                total.update(_file_digest(file, stat.st_mtime_ns, stat.st_size))
    return total.hexdigest()


@lru_cache(64)  # of a file that holds thousands of windows
def _file_digest(path: Path, _changed: int, _size: int) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _read_from(path: Path, annotators: Sequence[str], *, segment: bool = False) -> Iterator[Path]:
    if is_member(path):
        yield path.parent
        return
    stem = wfdb_stem(path)
    header = stem.with_name(stem.name + ".hea")
    if not header.is_file() or (path.is_file() and path == stem):
        yield path
        return
    yield header
    for name in annotators:
        yield stem.with_name(f"{stem.name}.{name}")
    for line in header.read_bytes().decode("latin-1").splitlines()[1:]:
        words = line.split("#")[0].split()
        if not words or words[0] == "~":
            continue
        named = header.parent / words[0]
        if named.is_file():
            yield named
        elif not segment:  # a line of a multi-segment header names a record
            yield from _read_from(named, (), segment=True)


@cache
def code_digest() -> str:
    """Return the sha256 of the code that prepares: kernels, readers and preprocessing."""
    package = Path(biotl.__file__).parent
    total = hashlib.sha256()
    sources = [path for name in ("signal", "records", "datasets") for path in package.glob(f"{name}/*.py")]
    for path in sorted([*package.glob("_core*"), *sources]):
        total.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return total.hexdigest()
