"""Ctrl-C during one long call of a kernel is answered within a second: a process of its own, and a real signal."""

import signal
import subprocess
import sys
import time

import pytest

PREPARE = """
import signal, sys
import numpy as np
from biotl import records
from biotl import signal as s
# what runs in the background of a shell ignores SIGINT, and hands that down
signal.signal(signal.SIGINT, signal.default_int_handler)
zeros = lambda *shape: np.zeros(shape, np.float32)
"""
# what is prepared, and a call that takes seconds or near it
CALLS = {
    "bandstop": ("x = zeros(120_000_000)", "s.bandstop(x, 360, low=50, high=60)"),
    "highpass, causal": ("x = zeros(150_000_000)", "s.highpass(x, 360, cutoff=0.5, causal=True)"),
    "median": ("x = np.arange(30_000_000.0) % 701", "s.remove_baseline(x, 360, method='median')"),
    "wavelet": ("x = zeros(120_000_000)", "s.remove_baseline(x, 360, method='wavelet')"),
    "wavedec": ("x = zeros(120_000_000)", "s.wavedec(x, wavelet='db10', level=9)"),
    "resample": ("x = zeros(120_000_000)", "s.resample(x, 360, 125)"),
    "kmeans": ("x = np.random.default_rng(0).standard_normal((200_000, 64))", "s.kmeans(x, 70, seed=0)"),
    "assign": ("x = zeros(3_000_000, 64)", "s.assign(x, x[:70])"),
    "windows": (
        "x = zeros(3_000_000); x[:] = 1",
        "s.windows(x, 512, 2, normalize='zscore', out=zeros(1_499_745, 512))",
    ),
    "rpeaks": ("x = zeros(400_000_000)", "s.rpeaks(x, 360)"),
    "delineate": ("x = zeros(2_000_000)", "s.delineate(x, np.arange(100, 2_000_000, 60), 360)"),
    "ppg_peaks": ("x = np.sin(np.arange(8_000_000, dtype=np.float32) * 0.05)", "s.ppg_peaks(x, 125)"),
    "read": ("", "records.read(sys.argv[1])"),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_interrupted_within_a_second(name, tmp_path):
    prepare, call = CALLS[name]
    # zeros that take no room on the disk, averaged so that they take none in memory
    (tmp_path / "r.hea").write_text("r 1 250 3000000\nr.dat 80x1000 200 8 0\n")
    with (tmp_path / "r.dat").open("wb") as file:
        file.truncate(3_000_000_000)
    code = f"{PREPARE}\n{prepare}\nprint('go', flush=True)\n{call}\nprint('not interrupted')"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "r")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "go\n"
            time.sleep(0.05)
            before = time.monotonic()
            process.send_signal(signal.SIGINT)
            out, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        took = time.monotonic() - before
    assert out == ""
    assert "KeyboardInterrupt" in errors
    assert took < 1, f"{took:.2f} s"
