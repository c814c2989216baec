"""Loader workers: kernels that keep a pool of threads may be called in them, and memory maps travel as paths."""

import pickle
import subprocess
import sys
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest

from biotl.errors import ConfigError
from biotl.training.data import Batches
from toys import Points

KERNEL = """
import numpy as np
import biotl.signal as s
from biotl.training.data import Batches
from loader_data import Filtered
if __name__ == "__main__":
    data = Filtered()
    data[0]  # this process has used the pool: a fork of it would wait for threads that did not come along
    batches = Batches(data, [np.arange(4), np.arange(4, 8)], (0,))
    found = [batch["x"].sum().item() for batch in batches.load(workers=2)]
    print(found == [batch["x"].sum().item() for batch in batches.load()])
"""


def test_a_kernel_with_a_pool_of_threads_runs_in_workers(tmp_path):
    (tmp_path / "script.py").write_text(KERNEL)
    words = [sys.executable, str(tmp_path / "script.py")]
    environment = {"PYTHONPATH": str(Path(__file__).parent), "PATH": "", "RAYON_NUM_THREADS": "2"}
    run = subprocess.run(words, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert run.stdout == "True\n", run.stderr


class Mapped:
    def __init__(self, path):
        self.whole = np.memmap(path, np.float32, "r", shape=(1000, 1000))
        self.part = self.whole[100:200]
        self.across = self.whole[:, 3]

    def __len__(self):
        return 1000

    def __getitem__(self, index):
        return {"x": np.array(self.whole[index])}


def test_a_memory_map_travels_as_its_path(tmp_path):
    np.arange(1_000_000, dtype=np.float32).tofile(tmp_path / "x.f32")
    data = Mapped(tmp_path / "x.f32")
    batches = Batches(data, [np.arange(2)], (0,))
    sent = ForkingPickler.dumps(batches)
    assert len(sent) < 20_000  # 4 MB by value; the column is no stretch of the file, and travels as it is
    there = pickle.loads(sent).dataset
    assert isinstance(there.whole, np.memmap)
    for name in ("whole", "part", "across"):
        np.testing.assert_array_equal(getattr(there, name), getattr(data, name))


def test_a_data_set_that_cannot_be_sent_is_refused_by_name():
    class Local(Points):
        pass

    with pytest.raises(ConfigError, match=r"engine\.workers: Local cannot be sent to a worker .* or use workers: 0"):
        Batches(Local(4), [np.arange(4)], (0,)).load(workers=1)
