"""Types of the compiled kernels; `python -m mypy.stubtest biotl._core` holds them to the binary."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

_Floats: TypeAlias = NDArray[np.float32] | NDArray[np.float64]

__all__ = [
    "assign",
    "baseline_level",
    "count_windows",
    "kmeans_fit",
    "remove_wavelet_baseline",
    "resample_segments",
    "rpeaks",
    "segment",
    "wavedec",
    "waverec",
    "zscore_windows",
]

def assign(x: _Floats, centroids: _Floats) -> NDArray[np.int64]: ...
def baseline_level(fs: float, cutoff: float) -> int: ...
def count_windows(n: int, size: int, hop: int) -> int: ...
def kmeans_fit(x: _Floats, k: int, seed: int, iterations: int) -> tuple[_Floats, float]: ...
def remove_wavelet_baseline(x: _Floats, fs: float, cutoff: float) -> _Floats: ...
def resample_segments(
    x: _Floats, start: NDArray[np.int64], stop: NDArray[np.int64], length: int
) -> NDArray[np.float32]: ...
def segment(
    n: int, rpeaks: NDArray[np.int64], fs: float
) -> tuple[NDArray[np.int8], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]: ...
def wavedec(x: _Floats, wavelet: str, mode: str, level: int) -> list[_Floats]: ...
def waverec(coeffs: Sequence[_Floats], wavelet: str, mode: str) -> _Floats: ...
def zscore_windows(x: _Floats, size: int, hop: int, out: _Floats) -> None: ...
def rpeaks(x: NDArray[np.float32] | NDArray[np.float64], fs: float) -> NDArray[np.int64]: ...
