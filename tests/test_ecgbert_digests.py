"""What ECGBERT reads and learns from the 48 records of MIT-BIH is what it was in the first house, bit for bit."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from biotl.datasets.adapters import mitdb as list_mitdb
from biotl.datasets.labels import BeatClass
from biotl.datasets.sentences import SentencePreprocessor
from biotl.datasets.spec_kinds import SentenceSpec
from biotl.datasets.splits import SplitConfig, make_split
from biotl.parallel import in_threads

# the sha256 of each array's bytes, written by the code at commit 01a674d; of patches, features and words once more when
# filters came to run in eight lanes, which moved the last bits of some (3e-7 at most) and no token; of patches when
# what is behind the eighth lane went on from where it ends, which moved 22 values of 13 records (4e-9 at most)
STATED = json.loads((Path(__file__).parent / "ecgbert_digests.json").read_text())


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


@pytest.fixture(scope="module")
def prepared(mitdb):
    """Entry, prepared recording and targets of each record."""
    preprocessor, target = SentencePreprocessor(SentenceSpec()), BeatClass()

    def one(entry):
        records = entry.read(target.annotators)
        found = preprocessor.prepare(records)
        return entry, found, target.of(entry, records, found, preprocessor.units(found))

    return {entry.id: (entry, *rest) for entry, *rest in in_threads(one, list_mitdb(mitdb), 2)}


@pytest.fixture(scope="module")
def fitted(prepared):
    config = SplitConfig(by="de_chazal", validation=tuple(STATED["vocabulary"]["validation"]))
    names = make_split([entry for entry, *_ in prepared.values()], config, seed=0).ids("train")
    seed = STATED["vocabulary"]["seed"]
    return SentencePreprocessor(SentenceSpec()).fit((prepared[n][1] for n in names), names=names, seed=seed)


def test_the_vocabulary_is_what_it_was(fitted):
    assert [digest(c) for c in fitted.vocabulary.centroids] == STATED["vocabulary"]["centroids"]
    assert [c.tolist() for c in fitted.vocabulary.counts] == STATED["vocabulary"]["counts"]


def test_segments_features_tokens_and_labels_of_all_48_records_are_what_they_were(prepared, fitted):
    assert set(prepared) == set(STATED["records"])
    for name, (_, found, targets) in prepared.items():
        arrays = {key: found.arrays[key] for key in ("wave", "start", "stop", "beat", "patches", "features", "rpeaks")}
        arrays |= {"tokens": fitted.tokens(found), "label": targets["labels"], "missed": targets["missed"]}
        assert {key: digest(array) for key, array in arrays.items()} == STATED["records"][name], name


def test_tokens_named_window_by_window_are_those_of_the_whole_recording(prepared, fitted):
    """A data set names the segments of one window at a time."""
    _, found, _ = prepared["203"]
    whole = fitted.tokens(found)
    for cut in fitted.cuts(found):
        named = fitted.inputs(found, cut)["tokens"]
        n = cut.stop_token - cut.first_token
        np.testing.assert_array_equal(named[1 : n + 1], whole[cut.first_token : cut.stop_token])
