"""Recordings: one reader a format, and synthetic signals."""

from biotl.records.reader import find, read, read_many
from biotl.records.record import Annotations, Record
from biotl.records.synthetic import ecg

__all__ = ["Annotations", "Record", "ecg", "find", "read", "read_many"]
