"""The fast preprocessing module: NumPy arrays in and out."""

from .baseline import median_filter, remove_baseline
from .delineate import Wave, Waves, delineate
from .filter import bandpass, bandstop, highpass, lowpass, notch
from .heart_rate import HeartRate, HeartRateStream, heart_rate
from .kmeans import Clusters, assign, kmeans
from .ppg import PulseStream, ppg_peaks
from .quality import Quality, quality
from .resample import resample
from .rpeaks import RPeakStream, rpeaks
from .segment import WAVES, Segments, resample_segments, segment
from .stream import FilterStream, ResampleStream, WindowStream
from .wavelet import baseline_level, wavedec, waverec
from .windows import windows, zscore

__all__ = [
    "WAVES",
    "Clusters",
    "FilterStream",
    "HeartRate",
    "HeartRateStream",
    "PulseStream",
    "Quality",
    "RPeakStream",
    "ResampleStream",
    "Segments",
    "Wave",
    "Waves",
    "WindowStream",
    "assign",
    "bandpass",
    "bandstop",
    "baseline_level",
    "delineate",
    "heart_rate",
    "highpass",
    "kmeans",
    "lowpass",
    "median_filter",
    "notch",
    "ppg_peaks",
    "quality",
    "remove_baseline",
    "resample",
    "resample_segments",
    "rpeaks",
    "segment",
    "wavedec",
    "waverec",
    "windows",
    "zscore",
]
