"""One run a folder: two that write into one would interleave, and both would end well."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from biotl.errors import ConfigError, TrainingError

NAME = ".lock"


class Lock:
    """A lock on a folder, held until it is released, or this object or its process is gone."""

    def __init__(self, handle: int | None, *, holder: int = 0) -> None:
        self._handle, self._holder = handle, holder

    def release(self) -> None:
        """Let others in."""
        if self._handle is not None:
            # who holds it next may share it and leave no number; a process forked from the holder lets go of nothing
            if self._holder == os.getpid():
                os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None

    def __del__(self) -> None:
        self.release()


def lock(folder: Path, *, shared: bool = False) -> Lock:
    """Keep every other process out of a run folder; within one process the second lock is the first.

    Parameters
    ----------
    folder : Path
        Made if need be.
    shared : bool
        Let those in who share it as well: each prepares its own part.

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
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        who = _named(handle)
        os.close(handle)
        if who == f"process {os.getpid()}":
            return Lock(None)
        raise ConfigError(f"{folder}: {who} runs in this folder; wait for it, or choose another run folder") from None
    except OSError:  # a file system without locks
        return Lock(handle)
    if shared:
        return Lock(handle)
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return Lock(handle, holder=os.getpid())


def holder(folder: Path) -> str:
    """Return which process holds the lock of a folder, nothing if none does; nothing is written."""
    try:
        import fcntl

        handle = os.open(folder / NAME, os.O_RDONLY)
    except (ImportError, OSError):
        return ""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return ""
    except BlockingIOError:
        return _named(handle)
    except OSError:  # a file system without locks
        return ""
    finally:
        os.close(handle)


def _named(handle: int) -> str:
    number = os.read(handle, 32).decode(errors="replace").strip()
    return f"process {number}" if number else "another process"


@contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold `lock` for a while."""
    held = lock(folder, shared=shared)
    try:
        yield
    finally:
        held.release()
