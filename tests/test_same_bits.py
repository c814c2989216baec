"""Results that depend neither on the number of threads nor on the instruction set."""

import os
import subprocess
import sys

import numpy as np
import pytest

WORK = """
import hashlib, sys
import numpy as np
from biotl import signal
rng = np.random.default_rng(0)
x = rng.standard_normal((3, 20_001)).cumsum(-1)
peaks = np.arange(100, 19_900, 290)
out = []
for dtype in (np.float32, np.float64):
    y = x.astype(dtype)
    coeffs = signal.wavedec(y, wavelet="db4", level=8)
    segments = signal.segment(y, peaks, 360.0)
    X = signal.zscore(segments.cut(y[0], 36)).astype(dtype)
    found = signal.kmeans(X, 9, seed=1)
    out += [*coeffs, signal.waverec(coeffs, wavelet="db4"), signal.remove_baseline(y, 360.0, method="wavelet"), X]
    out += [found.centroids, signal.assign(X, found.centroids), signal.windows(y, 512, 64, normalize="zscore")]
if sys.argv[1]:
    np.savez(sys.argv[1], *out)
else:
    print(hashlib.sha256(b"".join(a.tobytes() for a in out)).hexdigest())
"""


def run(out="", **environment):
    command = [sys.executable, "-c", WORK, str(out)]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True).stdout


def test_one_two_and_seven_threads_give_the_same_bits():
    assert len({run(RAYON_NUM_THREADS=threads) for threads in ("1", "2", "7")}) == 1


@pytest.mark.parametrize("level", ["portable", "avx2"])
def test_instruction_sets_agree(tmp_path, level):
    run(tmp_path / "widest.npz")
    run(tmp_path / "narrow.npz", BIOTL_SIMD=level)
    with np.load(tmp_path / "widest.npz") as widest, np.load(tmp_path / "narrow.npz") as narrow:
        # rounding differs in the last digits, fused or not, by the size of the drift that goes in
        size = max(np.abs(wide).max() for wide in widest.values())
        for name, wide in widest.items():
            tolerance = {"int64": 0, "float64": 1e-12, "float32": 1e-6}[wide.dtype.name]
            np.testing.assert_allclose(narrow[name], wide, rtol=0, atol=tolerance * size)
