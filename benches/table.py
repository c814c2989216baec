"""Print the README's table, each function beside its peer: `python benches/table.py [name ...]`.

One thread, both sides of a row called in turn, median of CPU time: read ratios, not times. A row is an entry of
`rows`: (function, peer, what biotl does, what the peer does). Rows on real records need MIT-BIH under BIOTL_DATA.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

os.environ.update(dict.fromkeys(("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import numpy as np
import pywt
import scipy.ndimage
import scipy.signal
from bench_kmeans import by_gemm
from bench_segment import by_biotl, by_gather
from bench_windows import in_place
from scipy.ndimage import median_filter

from biotl import signal
from biotl.records import wfdb

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))

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
    if (DATA / "mitdb" / "100.hea").exists():
        yield from real_rows(DATA / "mitdb")
    else:
        print(f"no mitdb under {DATA}: set BIOTL_DATA for the other rows", file=sys.stderr)


def real_rows(folder: Path) -> Iterator[Row]:
    """Yield the rows that real records make: files, segments, their clusters, windows, R peaks."""
    import sleepecg
    import wfdb as peer
    from sklearn.cluster import KMeans

    record = wfdb.read(folder / "100")
    both, lead = record.signal, record.signal[0]
    path = str(folder / "100")
    yield "read format 212", "wfdb.rdrecord", lambda: wfdb.read(path, annotators=()), lambda: peer.rdrecord(path)
    sixteen = written_as(16, path)
    yield "read format 16", "wfdb.rdrecord", lambda: wfdb.read(sixteen), lambda: peer.rdrecord(sixteen)
    yield "annotations", "wfdb.rdann", lambda: wfdb.read_annotations(path, "atr"), lambda: peer.rdann(path, "atr")
    yield "rpeaks", "sleepecg", lambda: signal.rpeaks(lead, 360), lambda: sleepecg.detect_heartbeats(lead, 360)
    peaks = signal.rpeaks(lead, 360)
    yield "segment and cut", "numpy gather", lambda: by_biotl(lead, peaks), lambda: by_gather(lead, peaks)
    found = signal.segment(lead, peaks, 360)
    for length, k in ((36, 19), (64, 25), (64, 70)):
        cuts = found.cut(lead, length)
        X = np.resize(cuts, (100_000, length))
        C = cuts[:: len(cuts) // k][:k] + np.float32(0.02)
        name = f"assign {length} values to {k}"
        yield name, "numpy product and argmin", lambda X=X, C=C: signal.assign(X, C), lambda X=X, C=C: by_gemm(X, C)
    cuts = found.cut(lead, 36)
    yield (
        "kmeans fit 36 values to 19",
        "sklearn, 4 starts",
        lambda: signal.kmeans(cuts, 19, seed=0),
        lambda: KMeans(19, n_init=4, random_state=0).fit(cuts),
    )
    for size, hop in ((512, 256), (512, 64), (3600, 1800)):
        how = {"normalize": "zscore", "eps": 1e-6}
        out = signal.windows(both, size, hop, **how)
        yield (
            f"windows {size} every {hop}, out=",
            "numpy in place",
            lambda a=size, b=hop, out=out, how=how: signal.windows(both, a, b, out=out, **how),
            lambda a=size, b=hop: in_place(both, a, b),
        )
        yield (
            f"windows {size} every {hop}, fresh memory",
            "numpy in place",
            lambda a=size, b=hop, how=how: signal.windows(both, a, b, **how),
            lambda a=size, b=hop: in_place(both, a, b),
        )


def written_as(number: int, path: str) -> str:
    """Return the path of a copy of a record in another format, which goes with the process."""
    import atexit
    import shutil
    import tempfile

    import wfdb as peer

    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    record = peer.rdrecord(path, physical=False)
    peer.wrsamp(
        "r",
        fs=record.fs,
        units=record.units,
        sig_name=record.sig_name,
        d_signal=record.d_signal,
        fmt=[str(number)] * record.n_sig,
        adc_gain=record.adc_gain,
        baseline=record.baseline,
        write_dir=folder,
    )
    return f"{folder}/r"


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
