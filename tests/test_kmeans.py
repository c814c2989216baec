"""k-means against brute force and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

import reference
from biotl import signal
from biotl.errors import SignalError


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(st.integers(0, 60), st.integers(1, 40), st.integers(1, 30), st.integers(0, 2**32))
def test_the_nearest_centroid_is_that_of_brute_force(dtype, n, length, k, seed):
    rng = np.random.default_rng(seed)
    X, C = rng.standard_normal((n, length)).astype(dtype), rng.standard_normal((k, length)).astype(dtype)
    got = signal.assign(X, C)
    assert got.dtype == np.int64
    assert np.array_equal(got, reference.assign(X, C))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32))
def test_ties_go_to_the_lowest_index(length, k, seed):
    rng = np.random.default_rng(seed)
    C = rng.integers(-1, 2, (k, length)).astype(np.float32)
    X = rng.integers(-1, 2, (50, length)).astype(np.float32)
    assert np.array_equal(signal.assign(X, C), reference.assign(X, C))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("level", [0.0, 1.0, 1e3, 1e6])
def test_near_ties_are_decided_by_the_distances_whatever_the_level(dtype, level):
    rng = np.random.default_rng(7)
    step = np.spacing(dtype(max(level, 1.0)))  # on this grid the sums of squares are exact, in any order
    C = (level + rng.integers(-3, 4, (25, 64)) * step * 4.0).astype(dtype)
    C[3] = 1e4  # far away, and long
    X = (level + rng.integers(-3, 4, (2000, 64)) * (step * 2.0)).astype(dtype)
    X[::9] = (C[rng.integers(4, 25, len(X[::9]))] + C[rng.integers(4, 25, len(X[::9]))]) / 2
    assert np.array_equal(signal.assign(X, C), reference.assign(X, C))


def test_a_fit_is_as_tight_as_that_of_scikit_learn():
    rng = np.random.default_rng(3)
    X = (rng.standard_normal((19, 36))[rng.integers(0, 19, 4000)] * 2 + rng.standard_normal((4000, 36))).astype(
        np.float32
    )
    found = signal.kmeans(X, 19, seed=0)
    assert found.inertia <= 1.01 * KMeans(19, n_init=3, random_state=0).fit(X).inertia_
    distances = ((X.astype(np.float64)[:, None] - found.centroids) ** 2).sum(2).min(1)
    np.testing.assert_allclose(found.inertia, distances.sum(), rtol=1e-9)


@pytest.mark.parametrize(("n", "length", "k", "seed"), [(300, 5, 7, 0), (90, 2, 20, 1), (40, 3, 1, 2), (60, 1, 5, 3)])
def test_a_fit_is_that_of_the_readable_twin(n, length, k, seed):
    X = np.random.default_rng(seed).standard_normal((n, length))
    found = signal.kmeans(X, k, seed=seed)
    centroids, inertia = reference.kmeans(X, k, seed)
    np.testing.assert_allclose(found.centroids, centroids, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.inertia, inertia, rtol=1e-12, atol=1e-20)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    X = np.random.default_rng(4).standard_normal((500, 8)).astype(np.float32)
    first = signal.kmeans(X, 9, seed=5)
    assert np.array_equal(first.centroids, signal.kmeans(X, 9, seed=5).centroids)
    assert not np.array_equal(first.centroids, signal.kmeans(X, 9, seed=6).centroids)


def test_fewer_distinct_vectors_than_clusters_give_equal_centroids_and_no_distance():
    X = np.repeat(np.eye(3), 5, axis=0)
    found = signal.kmeans(X, 6, seed=0)
    assert found.inertia == 0
    assert {tuple(c) for c in found.centroids} == {tuple(c) for c in np.eye(3)}


def test_what_cannot_be_clustered_is_refused():
    for k, message in ((0, "k: got 0, wanted at least 1"), (4, "k: got 4, wanted 1 to the 3 rows")):
        with pytest.raises(SignalError, match=message):
            signal.kmeans(np.zeros((3, 2)), k, seed=0)
    with pytest.raises(SignalError, match="X: got NaN as value 1 of row 1"):
        signal.kmeans([[0.0, 1.0], [2.0, np.nan]], 1, seed=0)
    with pytest.raises(SignalError, match="at least one centroid"):
        signal.assign(np.zeros((3, 2)), np.zeros((0, 2)))
    with pytest.raises(SignalError, match=r"C: got shape \(2, 8\), wanted \(k, 4\)"):
        signal.assign(np.zeros((3, 4)), np.zeros((2, 8)))


def test_centroids_are_the_means_of_the_vectors_nearest_to_them():
    X = np.random.default_rng(6).standard_normal((800, 5))
    C = signal.kmeans(X, 7, seed=0).centroids
    labels = signal.assign(X, C)
    np.testing.assert_allclose(C, [X[labels == k].mean(0) for k in range(7)], atol=1e-12)


def test_values_whose_distances_overflow_are_refused_and_large_ones_are_not():
    big = np.array([[1e30], [-1e30], [2e30]], dtype=np.float32)
    assert signal.assign(big, big).tolist() == [0, 1, 2]
    huge = np.array([[1e200], [-1e200]])
    with pytest.raises(SignalError, match="squared distances overflow"):
        signal.assign(huge, -huge * 2)
    with pytest.raises(SignalError, match="squared distances overflow"):
        signal.kmeans(huge, 1, seed=0)
