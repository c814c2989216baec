"""Types of the compiled kernels; `python -m mypy.stubtest biotl._core` holds them to the binary."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

_Floats: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
_Path: TypeAlias = str | PathLike[str]
_About: TypeAlias = tuple[float, list[tuple[str, str, int]], list[str]]
_Marks: TypeAlias = tuple[
    NDArray[np.int64],
    tuple[int, NDArray[np.uint32]],
    list[tuple[int, str]],
    NDArray[np.int8],
    NDArray[np.uint8],
    NDArray[np.int8],
    float | None,
]

__all__ = [
    "ResampleStream",
    "SosStream",
    "assign",
    "baseline_level",
    "count_windows",
    "delineate",
    "design_notch",
    "design_sos",
    "empty",
    "kmeans_fit",
    "median_filter",
    "ppg_peaks",
    "remove_median",
    "remove_wavelet_baseline",
    "resample",
    "resample_segments",
    "rpeak_features",
    "rpeaks",
    "segment",
    "sos_reach",
    "sosfilt",
    "sosfiltfilt",
    "wave_complexes",
    "wave_surroundings",
    "wavedec",
    "waverec",
    "wfdb_annotations",
    "wfdb_codes",
    "wfdb_native",
    "wfdb_read",
    "zscore_windows",
]

def assign(x: _Floats, centroids: _Floats) -> NDArray[np.int64]: ...
def baseline_level(fs: float, cutoff: float) -> int: ...
def count_windows(n: int, size: int, hop: int) -> int: ...
def design_notch(freq: float, q: float, fs: float) -> NDArray[np.float64]: ...
def design_sos(
    order: int,
    fs: float,
    *,
    low: float | None = None,
    high: float | None = None,
    stop: bool = False,
    rs: float | None = None,
) -> NDArray[np.float64]: ...
def empty(shape: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]: ...
def kmeans_fit(x: _Floats, k: int, seed: int, iterations: int) -> tuple[_Floats, float]: ...
def median_filter(x: NDArray[Any], size: int, out: NDArray[Any]) -> None: ...
def remove_median(x: NDArray[Any], short: int, long: int, out: NDArray[Any]) -> None: ...
def remove_wavelet_baseline(x: _Floats, fs: float, cutoff: float, out: NDArray[Any]) -> None: ...
def resample(x: _Floats, up: int, down: int, out: NDArray[Any]) -> None: ...
def resample_segments(
    x: _Floats, start: NDArray[np.int64], stop: NDArray[np.int64], length: int
) -> NDArray[np.float32]: ...
def rpeak_features(
    x: NDArray[np.float64], fs: float, local_net: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]: ...
def rpeaks(x: _Floats, fs: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...
def segment(
    n: int, rpeaks: NDArray[np.int64], fs: float
) -> tuple[NDArray[np.int8], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]: ...
def sos_reach(sos: NDArray[np.float64]) -> int: ...
def sosfilt(x: _Floats, sos: NDArray[np.float64], out: NDArray[Any]) -> None: ...
def sosfiltfilt(x: _Floats, sos: NDArray[np.float64], out: NDArray[Any]) -> None: ...
def wavedec(x: _Floats, wavelet: str, mode: str, level: int) -> list[_Floats]: ...
def waverec(coeffs: Sequence[_Floats], wavelet: str, mode: str) -> _Floats: ...
def wfdb_annotations(path: _Path) -> _Marks: ...
def wfdb_codes(path: _Path, verify: bool) -> tuple[_About, NDArray[np.int32]]: ...
def wfdb_native(path: _Path, verify: bool) -> tuple[_About, list[NDArray[np.float32]]]: ...
def wfdb_read(path: _Path, verify: bool) -> tuple[_About, NDArray[np.float32]]: ...
def delineate(
    x: _Floats, rpeaks: NDArray[np.int64], fs: float
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.float32]]]: ...
def wave_complexes(x: NDArray[np.float64], rpeaks: NDArray[np.int64], fs: float) -> NDArray[np.float32]: ...
def wave_surroundings(
    x: NDArray[np.float64],
    rpeaks: NDArray[np.int64],
    fs: float,
    onset: NDArray[np.float32],
    offset: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]: ...
def ppg_peaks(x: _Floats, motion: NDArray[np.float32], fs: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...
def zscore_windows(x: _Floats, size: int, hop: int, epsilon: float, mask: bool, out: _Floats) -> None: ...

@final
class ResampleStream:
    def __new__(cls, up: int, down: int) -> ResampleStream: ...
    def finish(self) -> NDArray[np.float64]: ...
    def push(self, x: NDArray[np.float64]) -> NDArray[np.float64]: ...

@final
class SosStream:
    def __new__(cls, sos: NDArray[np.float64]) -> SosStream: ...
    def push(self, x: _Floats) -> _Floats: ...
    def reset(self) -> None: ...
