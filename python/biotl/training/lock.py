"""One run a folder: two that write into one would interleave, and both would end well."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from biotl.errors import ConfigError, TrainingError

NAME = ".lock"


class Lock:
    """A lock on a folder, held until it is released, or this object or its process is gone."""

    def __init__(self, handle: int | None) -> None:
        self._handle = handle

    def release(self) -> None:
        """Let others in."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __del__(self) -> None:
        self.release()


def lock(folder: Path) -> Lock:
    """Keep every other process out of a run folder; within one process the second lock is the first.

    Raises
    ------
    ConfigError
        If another process holds it, with its number.
    TrainingError
        If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        reason = "Not a directory" if isinstance(error, FileExistsError) else error.strerror
        raise TrainingError(f"{folder}: cannot be written: {reason}; choose another run folder") from error
    try:
        import fcntl
    except ImportError:  # Windows keeps a file from others by opening it at all
        return Lock(handle)
    try:
        # the kernel lets go with the process, however it ends: no stale lock is possible
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 32).decode(errors="replace").strip()
        os.close(handle)
        if holder == str(os.getpid()):
            return Lock(None)
        raise ConfigError(
            f"{folder}: process {holder or 'of another'} runs in this folder; wait for it, or choose another run folder"
        ) from None
    except OSError:  # a file system without locks
        return Lock(handle)
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return Lock(handle)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `lock` for a while."""
    held = lock(folder)
    try:
        yield
    finally:
        held.release()
