"""A data set of a module of its own, as a loader worker must find it."""

import numpy as np

import biotl.signal as s


class Filtered:
    """Leads that are filtered as they are asked for, in a kernel that shares them out over threads."""

    def __init__(self):
        self.x = np.random.default_rng(0).standard_normal((8, 6, 20_000)).astype(np.float32)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return {"x": s.resample(s.highpass(self.x[index], 250.0, cutoff=0.5), 250.0, 125.0)}
