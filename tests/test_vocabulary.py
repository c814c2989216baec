"""The words of an ECG: ids, clusters, and one file that cannot be changed unseen."""

import json

import numpy as np
import pytest

from biotl.datasets.vocabulary import (
    CLS,
    MASK,
    OFFSETS,
    PAD,
    SEP,
    SIZES,
    TOKENS,
    UNKNOWN,
    Vocabulary,
    fit_vocabulary,
    token,
    wave_and_cluster,
)
from biotl.errors import ConfigError, RecordError, SignalError


def segments(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, n).astype(np.int8), rng.normal(size=(n, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def vocabulary():
    wave, patches = segments()
    return fit_vocabulary([wave], [patches], spec_digest="abc", records=["101"], seed=3)


def test_the_75_ids_are_those_of_the_document():
    assert SIZES == (12, 19, 14, 25)
    assert sum(SIZES) == UNKNOWN == 70
    assert (CLS, SEP, MASK, PAD, TOKENS) == (71, 72, 73, 74, 75)
    assert [token(w, 0) for w in range(4)] == [0, 12, 31, 45]
    assert [token(w, k - 1) for w, k in enumerate(SIZES)] == [11, 30, 44, 69]


def test_ids_and_clusters_map_both_ways():
    assert [token(*wave_and_cluster(i)) for i in range(70)] == list(range(70))
    with pytest.raises(ConfigError, match="token: got 70"):
        wave_and_cluster(70)
    with pytest.raises(ConfigError, match="cluster: got 12, wanted 0 to 11 for P"):
        token(0, 12)


def test_a_segment_gets_an_id_of_its_own_wave_and_of_the_nearest_centroid(vocabulary):
    wave, patches = segments(seed=1)
    ids = vocabulary.tokens(wave, patches)
    for kind, (offset, size) in enumerate(zip(OFFSETS, SIZES, strict=True)):
        own = ids[wave == kind]
        assert own.min() >= offset
        assert own.max() < offset + size
        distance = ((patches[wave == kind][:, None] - vocabulary.centroids[kind]) ** 2).sum(-1)
        np.testing.assert_array_equal(own - offset, distance.argmin(1))


def test_a_segment_that_is_not_finite_is_unknown(vocabulary):
    wave, patches = segments(10)
    patches[4, 2] = np.nan
    ids = vocabulary.tokens(wave, patches)
    assert ids[4] == UNKNOWN
    assert np.all(np.delete(ids, 4) < UNKNOWN)


def test_segments_of_another_length_are_refused(vocabulary):
    with pytest.raises(SignalError, match="segments of 9 samples do not fit a vocabulary of 8"):
        vocabulary.tokens(np.zeros(1, np.int8), np.zeros((1, 9), np.float32))


def test_the_same_seed_gives_the_same_digest_and_counts_add_up(vocabulary):
    wave, patches = segments()
    again = fit_vocabulary([wave], [patches], spec_digest="abc", records=["101"], seed=3)
    other = fit_vocabulary([wave], [patches], spec_digest="abc", records=["101"], seed=4)
    assert again.digest() == vocabulary.digest() != other.digest()
    assert [c.sum() for c in vocabulary.counts] == np.bincount(wave).tolist()


def test_a_short_recording_gives_fewer_clusters_and_works():
    wave, patches = np.array([0, 1, 1, 2], np.int8), np.eye(4, 8, dtype=np.float32)
    small = fit_vocabulary([wave], [patches], spec_digest="", records=["a"], seed=0)
    assert [len(c) for c in small.centroids] == [1, 2, 1, 0]
    assert small.tokens(wave, patches)[0] == 0
    assert small.tokens(np.array([3], np.int8), patches[:1])[0] == UNKNOWN


def test_more_clusters_than_ids_are_refused():
    wave, patches = segments()
    with pytest.raises(ConfigError, match=r"vocabulary\.sizes"):
        fit_vocabulary([wave], [patches], spec_digest="", records=[], seed=0, sizes=(13, 19, 14, 25))


def test_a_file_gives_back_the_same_bits(vocabulary, tmp_path):
    vocabulary.save(tmp_path / "v.json")
    again = Vocabulary.load(tmp_path / "v.json")
    for a, b in zip(vocabulary.centroids, again.centroids, strict=True):
        np.testing.assert_array_equal(a, b)
    assert again.digest() == vocabulary.digest()
    assert (again.spec_digest, again.recordings, again.seed) == ("abc", vocabulary.recordings, 3)
    assert again.recordings[0] == 1
    assert "101" not in (tmp_path / "v.json").read_text().split("recordings")[1]


@pytest.mark.parametrize(
    ("key", "value"), [("records", ["101", "100"]), ("spec_digest", "x"), ("counts", [[1], [1], [1], [1]])]
)
def test_a_changed_file_is_refused_by_its_sha256(vocabulary, tmp_path, key, value):
    path = tmp_path / "v.json"
    path.write_text(json.dumps(json.loads(vocabulary.to_json()) | {key: value}))
    with pytest.raises(RecordError, match="sha256"):
        Vocabulary.load(path)


def test_a_changed_centroid_is_refused(vocabulary, tmp_path):
    text = vocabulary.to_json()
    first = json.loads(text)["centroids"][0]
    path = tmp_path / "v.json"
    path.write_text(text.replace(first[:4], "AAAA", 1))
    with pytest.raises(RecordError, match=r"v\.json: sha256"):
        Vocabulary.load(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"format": 3}', "\x80pickle"])
def test_what_is_no_vocabulary_is_refused(text):
    with pytest.raises(RecordError, match=r"vocabulary|format"):
        Vocabulary.from_json(text)
