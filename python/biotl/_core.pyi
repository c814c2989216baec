"""Types of the compiled kernels; `python -m mypy.stubtest biotl._core` holds them to the binary."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["rpeaks"]

def rpeaks(x: NDArray[np.float32] | NDArray[np.float64], fs: float) -> NDArray[np.int64]: ...
