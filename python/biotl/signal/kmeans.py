"""k-means: centroids of a set of vectors, and the nearest centroid of each."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core


class Clusters(NamedTuple):
    """What `kmeans` found: centroids, shape (k, length), and the sum of squared distances to them."""

    centroids: NDArray[np.floating[Any]]
    inertia: float


def _matrix(x: ArrayLike, dtype: Any = None) -> NDArray[Any]:
    x = np.asarray(x)
    return np.ascontiguousarray(x, dtype=dtype or (np.float32 if x.dtype == np.float32 else np.float64))


def kmeans(X: ArrayLike, k: int, *, seed: int, max_iter: int = 300) -> Clusters:
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

    Returns
    -------
    Clusters
        ``centroids``, shape (k, length), and ``inertia``. A cluster that loses its last vector takes over the one that
        lies farthest from its centroid; with fewer distinct vectors than `k`, some centroids are equal.

    Raises
    ------
    SignalError
        If `k` is not 1 to n, or a value is not finite.

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
    return Clusters(*_core.kmeans_fit(_matrix(X), k, seed, max_iter))


def assign(X: ArrayLike, C: ArrayLike) -> NDArray[np.int64]:
    """Return the index of the nearest centroid of each vector, by Euclidean distance, ties to the lowest index.

    Parameters
    ----------
    X : array_like, shape (n, length)
        float32 stays float32, everything else becomes float64.
    C : array_like, shape (k, length)
        Centroids; taken in the type of `X`.

    Returns
    -------
    ndarray of int64, shape (n,)

    Raises
    ------
    SignalError
        If there is no centroid, or the lengths differ.

    Examples
    --------
    >>> assign([[0.0, 1.0], [5.0, 5.0]], [[0.0, 0.0], [4.0, 4.0]]).tolist()
    [0, 1]
    """
    X = _matrix(X)
    return _core.assign(X, _matrix(C, X.dtype))
