"""The fast preprocessing module: NumPy arrays in and out."""

from .kmeans import Clusters, assign, kmeans
from .rpeaks import rpeaks
from .segment import WAVES, Segments, resample_segments, segment
from .wavelet import baseline_level, remove_wavelet_baseline, wavedec, waverec
from .windows import windows, zscore

__all__ = [
    "WAVES",
    "Clusters",
    "Segments",
    "assign",
    "baseline_level",
    "kmeans",
    "remove_wavelet_baseline",
    "resample_segments",
    "rpeaks",
    "segment",
    "wavedec",
    "waverec",
    "windows",
    "zscore",
]
