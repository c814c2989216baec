"""Print the README's table, each function beside its peer: `python benches/table.py [name ...]`.

One thread, both sides of a row called in turn, median of CPU time: read ratios, not times. A row is an entry of
`rows`: (function, peer, what biotl does, what the peer does).
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median

os.environ.update(dict.fromkeys(("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import numpy as np
import pywt
import scipy.ndimage
import scipy.signal
from scipy.ndimage import median_filter

from biotl import signal

Row = tuple[str, str, Callable[[], object], Callable[[], object]]
ROUNDS = 9


def rows() -> Iterator[Row]:
    """Yield the rows of the table: half an hour of a lead at 360 Hz."""
    rng = np.random.default_rng(0)
    adc = np.clip(rng.standard_normal((2, 650_000)).cumsum(1) % 400 + rng.normal(0, 20, (2, 650_000)), 0, 2047)
    adc = adc.astype(np.int16)
    sos = scipy.signal.butter(4, [50, 60], "bandstop", fs=360, output="sos")
    high = scipy.signal.butter(4, 0.5, "highpass", fs=360, output="sos")
    for dtype in (np.float64, np.float32):
        for leads in (1, 2):
            x = (adc[:leads] / 200 + rng.normal(0, 0.001, (leads, 650_000))).astype(dtype)
            name = f"{np.dtype(dtype)}, {leads} lead{'s' * (leads - 1)}"
            yield (
                f"bandstop {name}",
                "scipy.sosfiltfilt",
                lambda x=x: signal.bandstop(x, 360, low=50, high=60),
                lambda x=x: scipy.signal.sosfiltfilt(sos, x),
            )
            yield (
                f"highpass {name}",
                "scipy.sosfiltfilt",
                lambda x=x: signal.highpass(x, 360, cutoff=0.5),
                lambda x=x: scipy.signal.sosfiltfilt(high, x),
            )
        x = x[:1]
        yield (
            f"remove_baseline median {np.dtype(dtype)}",
            "scipy.ndimage.median_filter",
            lambda x=x: signal.remove_baseline(x, 360, method="median"),
            lambda x=x: two_medians(x[0]),
        )
        yield (
            f"resample 360 to 125 {np.dtype(dtype)}",
            "scipy.resample_poly",
            lambda x=x: signal.resample(x, 360, 125),
            lambda x=x: scipy.signal.resample_poly(x, 25, 72, axis=1),
        )
        yield (
            f"remove_baseline wavelet {np.dtype(dtype)}",
            "pywt",
            lambda x=x: signal.remove_baseline(x, 360, method="wavelet"),
            lambda x=x: without_approximation(x),
        )
    yield (
        "remove_baseline median int16",
        "scipy.ndimage.median_filter",
        lambda: signal.remove_baseline(adc[:1], 360, method="median"),
        lambda: two_medians(adc[0]),
    )


def two_medians(x):
    """Return the signal less its medians over 200 and 600 ms."""
    return x - median_filter(median_filter(x, 73, mode="nearest"), 217, mode="nearest")


def without_approximation(x):
    """Return the signal less its db4 approximation."""
    coeffs = pywt.wavedec(x, "db4", level=signal.baseline_level(360, 0.5))
    coeffs[0][:] = 0
    return pywt.waverec(coeffs, "db4")


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Time the rows whose name holds one of the arguments, or all."""
    print("| function | peer | times as fast | command |\n|---|---|---|---|")
    for name, peer, ours, theirs in rows():
        if sys.argv[1:] and not any(part in name for part in sys.argv[1:]):
            continue
        ours(), theirs()
        pairs = [(seconds(theirs), seconds(ours)) for _ in range(ROUNDS)]
        ratio = median(a for a, _ in pairs) / median(b for _, b in pairs)
        print(f"| {name} | {peer} | {ratio:.1f} | `python benches/table.py '{name}'` |", flush=True)


if __name__ == "__main__":
    main()
