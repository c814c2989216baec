"""Batches in an order that depends on the seed alone, whatever the number of workers and processes."""

import mmap
import multiprocessing
import os
import pickle
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import parent_process
from multiprocessing.reduction import ForkingPickler
from threading import Thread
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from biotl.errors import ConfigError

Batch = dict[str, Tensor]


class Dataset(Protocol):
    """What the trainer needs of a data set: a length, and samples as dicts of arrays.

    It may also have ``draw(index, rng)``, used instead of ``[index]`` where random numbers are needed (masks,
    augmentation): `rng` depends on seed, stage, epoch and index alone, and not on the epoch in validation.
    ``collate(samples)`` replaces stacking. ``subjects`` (a name per sample), ``labels`` (int, per sample or recording),
    ``fitted_on`` (the subjects that the normaliser saw) and ``digest`` (a hash of the data) serve the guards and the
    log.
    """

    def __len__(self) -> int:
        """Return the number of samples."""

    def __getitem__(self, index: int, /) -> dict[str, NDArray[Any]]:
        """Return one sample."""


@dataclass(frozen=True)
class View:
    """The two data sets of a stage; masked sentences and labelled beats are two views of the same recordings."""

    train: Dataset
    validation: Dataset


@dataclass(frozen=True)
class Task:
    """What a recipe hands to the trainer: a model, data views by name, and what must travel in every checkpoint.

    The model has ``inputs`` (the batch fields that are the arguments of ``forward``), returns a dict of tensors, and
    declares ``groups()``. `about` is JSON: spec, vocabulary, labels.
    """

    model: nn.Module
    views: Mapping[str, View]
    about: dict[str, Any] = field(default_factory=dict)


def mix(*numbers: int) -> int:
    """Return a seed of 63 bits from any numbers: different ones give unrelated seeds."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def order(n: int, *numbers: int) -> NDArray[np.int64]:
    """Return the permutation of n samples that the numbers (seed, stage, epoch) give."""
    return np.random.default_rng(numbers).permutation(n)


class Batches(TorchDataset[Batch | None]):
    """The collated parts of an epoch: item k holds the samples of ``parts[k]``, None if that is empty."""

    def __init__(self, dataset: Dataset, parts: Sequence[NDArray[np.int64]], numbers: Sequence[int]) -> None:
        self.dataset, self.parts, self.numbers = dataset, parts, numbers

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, k: int) -> Batch | None:
        if not len(self.parts[k]):
            return None
        draw = getattr(self.dataset, "draw", None)
        if draw is None:
            samples = [self.dataset[int(index)] for index in self.parts[k]]
        else:
            samples = [draw(int(index), np.random.default_rng([*self.numbers, int(index)])) for index in self.parts[k]]
        return collate(self.dataset, samples)

    def load(self, *, start: int = 0, workers: int = 0, pin: bool = False) -> Iterator[Batch | None]:
        """Yield the items from `start` on, made by worker processes if there are any."""
        if workers == 0:
            return (self[k] for k in range(start, len(self)))
        try:
            ForkingPickler.dumps(self)  # what a loader says of it is about start methods
        except (AttributeError, TypeError, pickle.PicklingError) as error:
            what = type(self.dataset).__name__
            raise ConfigError(
                f"engine.workers: {what} cannot be sent to a worker ({error}); define it at the top of a module, hold "
                "paths instead of open files, or use workers: 0"
            ) from error
        loader = DataLoader(
            self,
            batch_size=None,
            sampler=range(start, len(self)),
            num_workers=workers,
            pin_memory=pin,
            worker_init_fn=_serve,
            generator=torch.Generator(),  # its own: the loader must not advance the run's random numbers
            multiprocessing_context=_context(),
        )
        return iter(loader)


def _context() -> Any:
    """Return how workers are started: not forked from this process, whose pools of threads would not come along.

    A fork has the locks of the pools of Rust, OpenMP and onnxruntime, and none of their threads: the first kernel that
    it calls waits for ever. A fork server that has only imported is free of them, and starts a worker in milliseconds.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _by_path(value: Any) -> Any:
    """Send a contiguous memory map of a file, or a part of one, as where it lies: by value each worker had a copy."""
    if value.mode not in {"r", "r+"} or not value.flags.c_contiguous or not value.size or value.filename is None:
        return value.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if value._mmap is None:
        return value.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    begin = np.frombuffer(value._mmap, np.uint8).ctypes.data
    first = value.offset - value.offset % mmap.ALLOCATIONGRANULARITY  # where numpy began to map
    return _map, (str(value.filename), value.dtype, first + value.ctypes.data - begin, value.shape)


ForkingPickler.register(np.memmap, _by_path)  # what multiprocessing sends to its workers by


def _map(path: str, dtype: Any, offset: int, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.memmap(path, dtype, "r", offset, shape)


def collate(dataset: Dataset, samples: list[dict[str, NDArray[Any]]]) -> Batch:
    """Make one batch of samples."""
    if hasattr(dataset, "collate"):
        fields: dict[str, Any] = dataset.collate(samples)
    else:
        fields = {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}
    return {name: torch.as_tensor(value) for name, value in fields.items()}


def _serve(_worker: int) -> None:
    # Ctrl-C reaches the whole process group; the trainer alone decides when the run stops
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    Thread(target=_end_with_the_trainer, daemon=True).start()


def _end_with_the_trainer() -> None:
    # waits on a pipe whose other end only the trainer holds: torch's watchdog asks for the parent's number, which under
    # a fork server is the server's, and the server lives as long as a worker does
    if trainer := parent_process():
        trainer.join()
    os._exit(1)


def epoch_parts(
    indices: NDArray[np.int64], batch_size: int, accumulate: int = 1, rank: int = 0, size: int = 1
) -> list[NDArray[np.int64]]:
    """Cut an epoch into the parts of one process: `accumulate` for each update; over all processes every sample once.

    What all processes have as their k-th part of an update is the k-th part of a single process.

    Examples
    --------
    >>> [part.tolist() for part in epoch_parts(np.arange(10), 4, rank=1, size=2)]
    [[2, 3], [6, 7], [9]]
    """
    parts: list[NDArray[np.int64]] = []
    for start in range(0, len(indices), batch_size):
        whole = np.array_split(indices[start : start + batch_size], accumulate)
        parts += [np.array_split(part, size)[rank] for part in whole]
    return parts


def move(batch: Batch, device: torch.device) -> Batch:
    """Return the batch on a device."""
    if device.type == "cpu":
        return batch
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
