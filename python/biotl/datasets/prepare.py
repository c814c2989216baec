"""From raw files to a store: a pure task a part, on threads, processes, a cluster or the machines of a batch queue."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.labels import Target
from biotl.datasets.manifest import Entry
from biotl.datasets.origin import code_digest, origin
from biotl.datasets.preprocessor import Prepared, Preprocessor
from biotl.datasets.store import ALIGN, FORMAT, INDEX, Store, digest_of, error_to_json, read_json
from biotl.errors import BiotlError, ConfigError, SignalError
from biotl.parallel import in_threads
from biotl.records.atomic import naming, write_text

Targets = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class _Job:
    """Everything that a worker needs to prepare one part; it travels by value."""

    name: str
    folder: Path
    entries: tuple[Entry, ...]
    preprocessor: Preprocessor
    target: Target
    threads: int | None


def prepare_entry(entry: Entry, preprocessor: Preprocessor, target: Target) -> tuple[Prepared, Targets]:
    """Read and prepare one recording, and what is to be learnt of it.

    Raises
    ------
    BiotlError
        If a file, the signal or the labels are refused; the file is named.
    """
    records = entry.read(target.annotators)
    try:
        prepared = preprocessor.prepare(records)
        return prepared, target.of(entry, records, prepared, preprocessor.units(prepared))
    except SignalError as error:
        raise error.at(", ".join(map(str, entry.files))) from error


def prepare_store(
    entries: Sequence[Entry],
    preprocessor: Preprocessor,
    target: Target,
    folder: Path | str,
    *,
    executor: Executor | None = None,
    threads: int | None = None,
    part_size: int = 256,
    shard: tuple[int, int] | None = None,
    done: Callable[[int], object] = lambda _: None,
) -> tuple[Store, list[BiotlError]]:
    """Prepare recordings into a store; those that are refused are listed and the others go on.

    A part that is whole, and made of the same files, labels, code, spec and target, is kept: run again what was
    interrupted, and it is finished. The contents do not depend on who prepared which part.

    Parameters
    ----------
    entries : sequence of Entry
        The recordings, each id once.
    preprocessor : Preprocessor
        Fitted or not: what is stored does not depend on it.
    target : Target
        What is to be learnt.
    folder : Path or str
        Of the store.
    executor : concurrent.futures.Executor, optional
        Does a part a task: processes, `dask.distributed.Client.get_executor`, `mpi4py.futures`, Ray's. Without one the
        recordings of each part are prepared in threads here.
    threads : int, optional
        Recordings at a time in each task; by default one a core, with an executor 1.
    part_size : int
        Recordings a part.
    shard : tuple of (int, int), optional
        ``(i, n)``: do each n-th part from the i-th (from 0), as one job of n of a batch queue. The store holds all
        once every job has ended.
    done : callable
        Called with the number of recordings that were finished, to show progress.

    Returns
    -------
    store : Store
        What is prepared by now.
    refused : list of BiotlError
        One for each recording that is not in it, of the parts that are done.

    Raises
    ------
    ConfigError
        If an id stands twice, the target is an input, or ``shard`` is no job.
    """
    target.check(preprocessor.spec)
    names = [entry.id for entry in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []:
        raise ConfigError(f"entries: the id {twice[0]} stands twice, wanted each recording under an id of its own")
    if shard is not None and not 0 <= shard[0] < shard[1]:
        raise ConfigError(f"shard: got {shard[0]}/{shard[1]}, wanted i/n with i from 0 to n - 1")
    folder = Path(folder)
    groups = [tuple(entries[i : i + part_size]) for i in range(0, len(entries), part_size)]
    threads = threads or (1 if executor else os.cpu_count())
    jobs = [_Job(f"part-{i:05}", folder, group, preprocessor, target, threads) for i, group in enumerate(groups)]
    index = {
        "format": FORMAT,
        "spec": preprocessor.spec.model_dump(mode="json"),
        "target": target.describe(),
        "parts": [job.name for job in jobs],
    }
    text = json.dumps(index, indent=1)
    if not (folder / INDEX).is_file() or (folder / INDEX).read_text() != text:
        write_text(folder / INDEX, text)
    _clear(folder, {job.name for job in jobs})
    mine = jobs if shard is None else jobs[shard[0] :: shard[1]]
    if executor is None:
        for job in mine:
            prepare_part(job, done)
    else:
        tasks = {executor.submit(prepare_part, job): job for job in mine}
        for task in as_completed(tasks):
            task.result()
            done(len(tasks[task].entries))
    store = Store(folder)
    if not store.missing:  # nobody is at work: what workers that were killed left half done
        for path in folder.glob(".part-*.tmp"):
            path.unlink(missing_ok=True)
    return store, list(store.refused.values())


def prepare_part(job: _Job, done: Callable[[int], object] = lambda _: None) -> str:
    """Prepare the recordings of one part, unless it lies there whole; return its name.

    The arrays go to a file of another name while they are made, and the marker is written last: two workers that are
    given the same part, the second because the first was taken for dead, write the same bytes.
    """
    key = part_key(job.entries, job.preprocessor, job.target)
    marker, data = job.folder / f"{job.name}.json", job.folder / f"{job.name}.bin"
    if _is_whole(marker, data, key):
        done(len(job.entries))
        return job.name
    marker.unlink(missing_ok=True)
    partial = data.with_name(f".{data.name}.{uuid4().hex}.tmp")
    rows, total = [], hashlib.sha256()

    def one(entry: Entry) -> tuple[Prepared, Targets] | BiotlError:
        try:
            return prepare_entry(entry, job.preprocessor, job.target)
        except BiotlError as error:
            return error

    try:
        with naming(data), partial.open("wb") as file:
            for entry, found in zip(job.entries, in_threads(one, job.entries, job.threads), strict=True):
                if isinstance(found, BiotlError):
                    rows.append({"id": entry.id, "error": error_to_json(found)})
                else:
                    rows.append(_write(file, total, entry, job.preprocessor, *found))
                done(1)
            _pad(file, total, ALIGN)
            size = file.tell()
            file.flush()
            os.fsync(file.fileno())
        partial.replace(data)
    finally:
        partial.unlink(missing_ok=True)
    tree = {"format": FORMAT, "key": key, "bytes": size, "sha256": total.hexdigest(), "rows": rows}
    write_text(marker, json.dumps(tree))
    return job.name


def _write(
    file: Any, total: Any, entry: Entry, preprocessor: Preprocessor, prepared: Prepared, targets: Targets
) -> Any:
    def put(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        places = {}
        for name, array in arrays.items():
            _pad(file, total, 0)
            places[name] = [file.tell(), array.dtype.str, list(array.shape)]
            data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)  # the bytes themselves, not a copy of them
            file.write(data)
            total.update(data)
        return places

    return {
        "id": entry.id,
        "subject": entry.subject,
        "fs": prepared.fs,
        "samples": prepared.samples,
        "about": prepared.about,
        "cuts": len(preprocessor.cuts(prepared)),
        "arrays": put(prepared.arrays),
        "targets": put(targets),
        "sha256": [digest_of(prepared.arrays), digest_of(targets)],
    }


def _pad(file: Any, total: Any, least: int) -> None:
    """Fill up to the next multiple of `ALIGN`, and to ``least`` bytes: an empty file cannot be mapped."""
    short = max(-file.tell() % ALIGN, least - file.tell())
    file.write(bytes(short))
    total.update(bytes(short))


def _is_whole(marker: Path, data: Path, key: str) -> bool:
    try:
        stated = read_json(marker, "key", "bytes", "sha256")
        if stated["key"] != key or data.stat().st_size != stated["bytes"]:
            return False
        with data.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == str(stated["sha256"])
    except (BiotlError, OSError):
        return False


def _clear(folder: Path, names: set[str]) -> None:
    """Remove parts of a longer list of recordings that lay here before."""
    for path in folder.glob("part-*"):
        if path.stem not in names:
            path.unlink(missing_ok=True)


def part_key(entries: Sequence[Entry], preprocessor: Preprocessor, target: Target) -> str:
    """Return the sha256 of everything that a part is made of: files, labels, code, spec and target."""
    made_of = {
        "code": code_digest(),
        "spec": preprocessor.spec.digest(),
        "target": target.describe(),
        "entries": [[e.id, e.subject, e.fs, e.channels, _stated(e), origin(e, target.annotators)] for e in entries],
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def _stated(entry: Entry) -> list[Any]:
    return [[str(part.start_s), str(part.stop_s), dict(part.values)] for part in entry.labels]
