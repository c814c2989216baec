"""Recordings: one reader a format, found by the content of a file, and synthetic signals.

`read` reads one, `read_many` several in parallel, `find` lists those of folders; `docs/files.md` lists the formats.
"""

from biotl.records.reader import find, read, read_many
from biotl.records.record import Annotations, Record
from biotl.records.synthetic import ecg

__all__ = ["Annotations", "Record", "ecg", "find", "read", "read_many"]
