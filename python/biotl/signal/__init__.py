"""The fast preprocessing module: NumPy arrays in and out."""

from .rpeaks import rpeaks

__all__ = ["rpeaks"]
