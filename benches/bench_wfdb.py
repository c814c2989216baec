"""WFDB reading beside the wfdb package: `pytest benches/bench_wfdb.py --benchmark-enable -n 0`.

Groups `read` and `annotations`. Needs MIT-BIH under BIOTL_DATA.
"""

import os
from pathlib import Path

import pytest
import wfdb as peer

from biotl.records import wfdb

DATA = Path(os.environ.get("BIOTL_DATA", Path(__file__).parents[2] / "shared" / "data"))
RECORD = DATA / "mitdb" / "100"

pytestmark = pytest.mark.skipif(not RECORD.with_suffix(".hea").exists(), reason=f"no mitdb under {DATA}")


@pytest.mark.benchmark(group="read")
@pytest.mark.parametrize("who", ["biotl", "wfdb"])
def test_read_a_record(benchmark, who):
    if who == "biotl":
        benchmark(wfdb.read, RECORD, annotators=())
    else:
        benchmark(peer.rdrecord, str(RECORD), return_res=32)


@pytest.mark.benchmark(group="annotations")
@pytest.mark.parametrize("who", ["biotl", "wfdb"])
def test_read_annotations(benchmark, who):
    if who == "biotl":
        benchmark(wfdb.read_annotations, RECORD, "atr")
    else:
        benchmark(peer.rdann, str(RECORD), "atr")
