"""Simple learners on tables of features; scikit-learn is imported when one of its own is made."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from biotl.errors import ConfigError, MissingExtraError

Array = NDArray[Any]


class Learner(Protocol):
    """Anything that learns from a table."""

    def fit(self, table: Array, target: Array) -> None:
        """Learn from rows (n, features) and a class or value of each."""

    def predict(self, table: Array) -> Array:
        """Answer each row."""


def answer(
    learners: Mapping[str, Learner], train: Sequence[tuple[Array, Array]], test: Sequence[Array]
) -> dict[str, list[Array]]:
    """Fit every learner on one set of recordings and answer another.

    Parameters
    ----------
    learners : mapping of str to Learner
        By name.
    train : sequence of (ndarray (n, features), ndarray (n,))
        One pair a recording: its table, and the class (negative: left out) or value (NaN: left out) of each row.
    test : sequence of ndarray, shape (n, features)
        The tables to answer.

    Returns
    -------
    dict of str to list of ndarray, shape (n,)
        By learner, the answers of each test recording.

    Raises
    ------
    ConfigError
        If no row has a target.
    """
    table = np.concatenate([rows for rows, _ in train])
    target = np.concatenate([of for _, of in train])
    kept = ~np.isnan(target) if np.issubdtype(target.dtype, np.floating) else target >= 0
    if not kept.any():
        raise ConfigError("baselines: no training row has a target; see that the labels are read")
    found = {}
    for name, learner in learners.items():
        learner.fit(table[kept], target[kept])
        found[name] = [learner.predict(rows) if len(rows) else target[:0] for rows in test]
    return found


class Majority:
    """The most frequent class, always."""

    def fit(self, table: Array, target: Array) -> None:  # noqa: ARG002
        """Count."""
        self.label = int(np.bincount(target).argmax())

    def predict(self, table: Array) -> Array:
        """Return the one class for every row."""
        return np.full(len(table), self.label, np.int64)


class Mean:
    """The mean of the training values, always."""

    def fit(self, table: Array, target: Array) -> None:  # noqa: ARG002
        """Average."""
        self.value = float(np.mean(target, dtype=np.float64))

    def predict(self, table: Array) -> Array:
        """Return the one value for every row."""
        return np.full(len(table), self.value)


class Ridge:
    """Linear regression on standardised features (lambda 1), which are held within 4 SD and answers within the target.

    A subject unlike those learnt from is not extrapolated to: one feature far out would answer hundreds of bpm.
    """

    def fit(self, table: Array, target: Array) -> None:
        """Solve the normal equations."""
        x = np.asarray(table, np.float64)
        self.center, self.scale = x.mean(axis=0), x.std(axis=0)
        self.scale[self.scale == 0] = 1
        z, self.value = self._standard(x), float(np.mean(target, dtype=np.float64))
        self.ends = float(np.min(target)), float(np.max(target))
        self.slope = np.linalg.solve(z.T @ z + np.eye(z.shape[1]), z.T @ (target - self.value))

    def predict(self, table: Array) -> Array:
        """Return the value of each row."""
        return np.asarray(np.clip(self._standard(table) @ self.slope + self.value, *self.ends))

    def _standard(self, table: Array) -> Array:
        return np.asarray(np.clip((np.asarray(table, np.float64) - self.center) / self.scale, -4, 4))


class Logistic:
    """Logistic regression (scikit-learn) on standardised features, classes weighted by their inverse frequency."""

    def __init__(self) -> None:
        try:
            from sklearn.linear_model import LogisticRegression
            from sklearn.pipeline import make_pipeline
            from sklearn.preprocessing import StandardScaler
        except ImportError:
            raise MissingExtraError("scikit-learn", "train") from None
        self.model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced"))

    def fit(self, table: Array, target: Array) -> None:
        """Fit; one class alone is answered always."""
        self.only = int(target[0]) if (target == target[0]).all() else None
        if self.only is None:
            self.model.fit(table, target)

    def predict(self, table: Array) -> Array:
        """Return the most probable class of each row."""
        if self.only is not None:
            return np.full(len(table), self.only, np.int64)
        return np.asarray(self.model.predict(table), np.int64)


class Boosting:
    """Histogram gradient boosting (scikit-learn); classes weighted by the inverse square root of their frequency.

    Parameters
    ----------
    classes : bool
        Whether classes or values are learnt.
    leaf : int
        Rows that a leaf holds at least: with scikit-learn's 20 a few dozen windows give no tree at all.
    seed : int
        Of the trees.
    """

    def __init__(self, *, classes: bool, leaf: int = 20, seed: int = 0) -> None:
        try:
            from sklearn import ensemble
        except ImportError:
            raise MissingExtraError("scikit-learn", "train") from None
        kind = ensemble.HistGradientBoostingClassifier if classes else ensemble.HistGradientBoostingRegressor
        self.classes = classes
        self.model = kind(
            max_iter=100,
            max_bins=63,
            max_leaf_nodes=15,
            min_samples_leaf=leaf,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=seed,
        )

    def fit(self, table: Array, target: Array) -> None:
        """Fit the trees."""
        weight = 1 / np.sqrt(np.bincount(target)[target] / len(target)) if self.classes else None
        self.model.fit(table, target, sample_weight=weight)

    def predict(self, table: Array) -> Array:
        """Return the most probable class, or the value, of each row."""
        return np.asarray(self.model.predict(table), np.int64 if self.classes else np.float64)
