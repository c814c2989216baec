"""Recordings: one reader a format, and synthetic signals."""

from biotl.records.record import Annotations, Record

__all__ = ["Annotations", "Record"]
