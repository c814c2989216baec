"""Work in several threads, which Ctrl-C ends."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from biotl.errors import ConfigError

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 4
"""Results a thread that may wait for the caller: a slow disk must not fill the memory with prepared recordings."""


def in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None
) -> Iterator[Result]:
    """Yield ``function(item)`` for each item, in the order of the items.

    At most `AHEAD` results a thread wait to be taken. What is raised in a thread is raised here when its turn comes.
    When the caller stops early, by that, by Ctrl-C or by asking for no more, nothing further is begun, and the
    interpreter waits only for the items in work.

    ``concurrent.futures`` takes a lock for each item on both sides, and a Ctrl-C that comes between the taking of one
    and its ``with`` leaves it taken: its threads then wait for ever, and the process never ends (2 % of interrupts).
    A ``deque`` and a ``SimpleQueue`` are handled in single calls that a signal cannot divide.

    Parameters
    ----------
    function : callable
        What is done; it runs in another thread than the caller's.
    items : iterable
        What it is done to.
    threads : int, optional
        How many at a time, at least 1; by default one a core.

    Yields
    ------
    object
        Results, as soon as all before them are there.

    Raises
    ------
    ConfigError
        If `threads` is below 1: nobody would do the work.

    Examples
    --------
    >>> list(in_threads(abs, [-3, 2, -1], threads=2))
    [3, 2, 1]
    """
    if threads is not None and threads < 1:
        raise ConfigError(f"threads: got {threads}, wanted at least 1, or None for one a core")
    todo = deque(enumerate(items))
    done: SimpleQueue[tuple[int, Any, BaseException | None]] = SimpleQueue()
    free: SimpleQueue[None] = SimpleQueue()  # places for results that nobody has taken yet

    def work() -> None:
        while todo:
            try:
                free.get(timeout=0.1)  # seldom waits; whoever asks for no more puts nothing in, and clears `todo`
                place, item = todo.popleft()
            except (Empty, IndexError):  # all places are taken, or another thread took the last item
                continue
            try:
                done.put((place, function(item), None))
            except BaseException as error:
                done.put((place, None, error))

    early: dict[int, tuple[Any, BaseException | None]] = {}
    total = len(todo)
    workers = min(threads or os.cpu_count() or 1, total)
    for _ in range(AHEAD * workers):
        free.put(None)
    try:
        for _ in range(workers):
            Thread(target=work).start()
        for turn in range(total):
            while turn not in early:
                place, result, error = done.get()
                early[place] = result, error
            result, error = early.pop(turn)
            if error is not None:
                raise error
            free.put(None)
            yield result
    finally:
        todo.clear()
