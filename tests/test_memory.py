"""Memory that is freed and asked for again."""

import platform
import subprocess
import sys

import pytest

WORK = """
import resource
from biotl.training.memory import keep_freed
if {keep}:
    keep_freed()
def use(times):
    for _ in range(times):
        kept = [bytearray(b"x") * (16 << 20) for _ in range(4)]
        del kept
use(2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use(10)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*, keep):
    command = [sys.executable, "-c", WORK.format(keep=keep)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
def test_what_is_freed_is_there_for_the_next_to_ask():
    assert 10 * faults(keep=True) < faults(keep=False)
