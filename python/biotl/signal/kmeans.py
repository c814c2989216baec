"""k-means: centroids of a set of vectors, and the nearest centroid of each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError
from biotl.signal._arrays import Floats, NanPolicy, bridge, check_policy, coerce, whole
from biotl.signal._results import line, same


class Clusters(NamedTuple):
    """What `kmeans` found: centroids, shape (k, length), and the sum of squared distances to them."""

    centroids: NDArray[np.floating[Any]]
    inertia: float

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Clusters):
            return NotImplemented
        return same(self.centroids, other.centroids) and self.inertia == other.inertia

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __repr__(self) -> str:
        return line("Clusters", [("centroids", self.centroids), ("inertia", self.inertia)])


def kmeans(X: ArrayLike, k: int, *, seed: int, max_iter: int = 300, nan_policy: NanPolicy = "raise") -> Clusters:
    """Cluster vectors into `k`: greedy k-means++ seeding, then Lloyd's iteration until no vector changes its cluster.

    Parameters
    ----------
    X : array_like, shape (n, length)
        float32 stays float32, everything else becomes float64.
    k : int
        Number of clusters, 1 to n.
    seed : int
        The same seed gives the same bits on every platform and number of threads.
    max_iter : int
        Iterations at most.
    nan_policy : {"raise", "mask", "interpolate"}
        What happens to vectors with values that are NaN or infinite: "raise" refuses them, "mask" leaves them out of
        the fit, "interpolate" bridges such values by straight lines along the vector and leaves out the vectors that
        have no other.

    Returns
    -------
    Clusters
        ``centroids``, shape (k, length), and ``inertia``. A cluster that loses its last vector takes over the one that
        lies farthest from its centroid; with fewer distinct vectors than `k`, some centroids are equal.

    Raises
    ------
    SignalError
        If `k` is not 1 to n, a value is not finite under "raise", or squared distances overflow.

    References
    ----------
    .. [1] D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
    .. [2] S. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28(2), 1982.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> found = kmeans(X, 2, seed=0)
    >>> sorted(found.centroids.ravel().tolist()), found.inertia
    ([0.5, 10.5], 1.0)
    """
    k = whole(k, "k", "at least 1 cluster", least=1)
    seed, max_iter = whole(seed, "seed", "0 to 2^63 - 1"), whole(max_iter, "max_iter", "at least 0")
    rows, lost = _rows(X, nan_policy)
    return Clusters(*_core.kmeans_fit(rows if lost is None else rows[~lost], k, seed, max_iter))


def assign(X: ArrayLike, C: ArrayLike, *, nan_policy: NanPolicy = "raise") -> NDArray[np.int64]:
    """Return the index of the nearest centroid of each vector, by Euclidean distance, ties to the lowest index.

    Parameters
    ----------
    X : array_like, shape (n, length)
        float32 stays float32, everything else becomes float64.
    C : array_like, shape (k, length)
        Centroids; taken in the type of `X`.
    nan_policy : {"raise", "mask", "interpolate"}
        What happens to vectors with values that are NaN or infinite: "raise" refuses them, "mask" gives them the index
        -1, "interpolate" bridges such values by straight lines along the vector; -1 where there is no other.

    Returns
    -------
    ndarray of int64, shape (n,)

    Raises
    ------
    SignalError
        If there is no centroid, the lengths differ, a centroid is not finite, a value is not finite under "raise", or
        squared distances overflow.

    Examples
    --------
    >>> assign([[0.0, 1.0], [5.0, 5.0]], [[0.0, 0.0], [4.0, 4.0]]).tolist()
    [0, 1]
    """
    rows, lost = _rows(X, nan_policy)
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused by the kernel
        centroids = coerce(C, name="C").astype(rows.dtype, copy=False)
    if centroids.ndim != 2 or centroids.shape[1] != rows.shape[1]:
        raise SignalError(f"C: got shape {centroids.shape}, wanted (k, {rows.shape[1]}) as X {rows.shape} calls for")
    labels = _core.assign(rows, centroids)
    labels[slice(0) if lost is None else lost] = -1
    return labels


def _rows(X: ArrayLike, nan_policy: NanPolicy) -> tuple[Floats, NDArray[np.bool_] | None]:
    """Return vectors, finite unless the policy is "raise" (then the kernels look), and which of them are lost."""
    check_policy(nan_policy)
    rows = coerce(X, name="X")
    if rows.ndim != 2:
        raise SignalError(f"X: got shape {rows.shape}, wanted (n, length)")
    bad = None if nan_policy == "raise" else ~np.isfinite(rows)
    if bad is None or not bad.any():
        return rows, None
    return bridge(rows, bad), bad.any(axis=1) if nan_policy == "mask" else bad.all(axis=1)
