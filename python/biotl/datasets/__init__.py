"""Signal specifications, shards, splits, beats, vocabulary and sentences."""

from biotl.datasets.sentences import Sentence, Window, prepare, window_arrays, windows
from biotl.datasets.spec import Filter, SignalSpec
from biotl.datasets.vocabulary import Vocabulary, fit_vocabulary

__all__ = [
    "Filter",
    "Sentence",
    "SignalSpec",
    "Vocabulary",
    "Window",
    "fit_vocabulary",
    "prepare",
    "window_arrays",
    "windows",
]
