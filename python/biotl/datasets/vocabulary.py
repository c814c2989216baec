"""The words of an ECG: clusters of P, QRS, T and BG segments, and the 75 token ids."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.preprocessor import fitted_on
from biotl.errors import ConfigError, RecordError, SignalError
from biotl.records.atomic import write_text
from biotl.signal import WAVES, assign, kmeans

SIZES = (12, 19, 14, 25)
OFFSETS = (0, 12, 31, 45)
UNKNOWN, CLS, SEP, MASK, PAD = 70, 71, 72, 73, 74
TOKENS = 75
SPECIAL = 4
"""Wave type of CLS, SEP, MASK and PAD, which are no wave."""
_FORMAT = "biotl.vocabulary/2"


@dataclass(frozen=True)
class Vocabulary:
    """Centroids of each wave type, and what they were made of.

    Parameters
    ----------
    centroids : tuple of 4 ndarrays of float32, shapes (12, length), (19, length), (14, length), (25, length)
        P, QRS, T, BG. A wave type with fewer distinct segments than clusters has fewer rows.
    counts : tuple of 4 ndarrays of int64
        Segments in each cluster when it was fitted.
    spec_digest : str
        `SentenceSpec.digest` of the preparation that the segments came from.
    recordings : tuple of (int, str)
        How many training recordings it was fitted on, and the sha256 of their names, which do not travel with a model.
    seed : int
        Seed of k-means++.
    """

    centroids: tuple[NDArray[np.float32], ...]
    counts: tuple[NDArray[np.int64], ...]
    spec_digest: str
    recordings: tuple[int, str]
    seed: int

    def tokens(self, wave: NDArray[Any], patches: NDArray[Any]) -> NDArray[np.int64]:
        """Name each segment by its nearest centroid.

        Parameters
        ----------
        wave : ndarray of int8, shape (n,)
            Wave type, 0 P, 1 QRS, 2 T, 3 BG.
        patches : ndarray of float32, shape (n, length)
            The segments, resampled to the length of the centroids.

        Returns
        -------
        ndarray of int64, shape (n,)
            Ids 0-69; `UNKNOWN` where a segment is not finite.

        Raises
        ------
        SignalError
            If the segments have another length than the centroids.
        """
        length = self.centroids[0].shape[1]
        if patches.shape[1] != length:
            raise SignalError(f"segments of {patches.shape[1]} samples do not fit a vocabulary of {length}")
        ids = np.full(len(wave), UNKNOWN, np.int64)
        known = np.isfinite(patches).all(axis=1)
        for kind, (offset, centroids) in enumerate(zip(OFFSETS, self.centroids, strict=True)):
            rows = np.flatnonzero((wave == kind) & known)
            if len(rows) and len(centroids):
                ids[rows] = offset + assign(np.ascontiguousarray(patches[rows]), centroids)
        return ids

    def digest(self) -> str:
        """Return the sha256 of the contents."""
        return hashlib.sha256(json.dumps(self._payload(), sort_keys=True).encode()).hexdigest()

    def _payload(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "waves": list(WAVES),
            "shapes": [list(c.shape) for c in self.centroids],
            "centroids": [base64.b64encode(c.astype("<f4").tobytes()).decode() for c in self.centroids],
            "counts": [c.tolist() for c in self.counts],
            "spec_digest": self.spec_digest,
            "recordings": list(self.recordings),
            "seed": self.seed,
        }

    def to_tree(self) -> dict[str, Any]:
        """Return the vocabulary as JSON: a header, base64 arrays, and the sha256 of both."""
        return {**self._payload(), "sha256": self.digest()}

    def to_json(self) -> str:
        """Return `to_tree` as text."""
        return json.dumps(self.to_tree())

    @classmethod
    def from_json(cls, text: str, source: str = "vocabulary") -> "Vocabulary":
        """Read what `to_json` wrote.

        Parameters
        ----------
        text : str
            The JSON text.
        source : str
            Where it came from, for the message.

        Raises
        ------
        RecordError
            If it is no vocabulary, of another version, or its contents do not give its sha256.
        """
        try:
            payload = json.loads(text)
        except ValueError:
            payload = None
        return cls.from_tree(payload, source)

    @classmethod
    def from_tree(cls, tree: Any, source: str = "vocabulary") -> "Vocabulary":
        """Read what `to_tree` gave; see `from_json` for what is refused."""
        try:
            payload, version = dict(tree), tree["format"]
        except (ValueError, TypeError, KeyError):
            raise RecordError(source, "format", "no vocabulary", _FORMAT, "fit one with `biotl tokens`") from None
        if version != _FORMAT:
            raise RecordError(source, "format", str(version), _FORMAT, "fit it again with this version")
        stated = payload.pop("sha256", "nothing")
        actual = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
        if stated != actual:
            raise RecordError(source, "sha256", actual, str(stated), "the file was changed; fit or fetch it again")
        arrays = [np.frombuffer(base64.b64decode(part), "<f4") for part in payload["centroids"]]
        return cls(
            tuple(a.astype(np.float32).reshape(shape) for a, shape in zip(arrays, payload["shapes"], strict=True)),
            tuple(np.array(c, np.int64) for c in payload["counts"]),
            payload["spec_digest"],
            (int(payload["recordings"][0]), str(payload["recordings"][1])),
            payload["seed"],
        )

    def save(self, path: Path | str) -> None:
        """Write the one file that holds it, whole or not at all."""
        write_text(Path(path), self.to_json())

    @classmethod
    def load(cls, path: Path | str) -> "Vocabulary":
        """Read a file that `save` wrote; see `from_json` for what is refused."""
        return cls.from_json(Path(path).read_text(), str(path))


def fit_vocabulary(
    waves: Sequence[NDArray[Any]],
    patches: Sequence[NDArray[Any]],
    *,
    spec_digest: str,
    records: Sequence[str],
    seed: int,
    sizes: tuple[int, int, int, int] = SIZES,
) -> Vocabulary:
    """Cluster the segments of the training recordings, each wave type by itself.

    Parameters
    ----------
    waves : sequence of ndarray of int8, shape (n,)
        Wave type of each segment, one array a recording.
    patches : sequence of ndarray of float32, shape (n, length)
        The segments, one array a recording; segments that are not finite are left out.
    spec_digest : str
        `SentenceSpec.digest` of their preparation.
    records : sequence of str
        Names of the recordings.
    seed : int
        Seed of k-means++; the same seed gives the same bits.
    sizes : tuple of 4 int
        Clusters of P, QRS, T and BG, at most 12, 19, 14, 25.

    Raises
    ------
    ConfigError
        If a wave type is asked for more clusters than it has ids.
    """
    if any(k > most for k, most in zip(sizes, SIZES, strict=True)):
        raise ConfigError(f"vocabulary.sizes: got {sizes}, wanted at most {SIZES}, which is what the token ids hold")
    wave, patch = np.concatenate(waves), np.concatenate(patches)
    centroids, counts = [], []
    for kind, k in enumerate(sizes):
        rows = np.ascontiguousarray(patch[(wave == kind) & np.isfinite(patch).all(axis=1)], np.float32)
        # k-means needs as many different segments as clusters: a short or flat recording has fewer
        k = min(k, len(np.unique(rows, axis=0))) if len(rows) < 10 * k else k
        found = kmeans(rows, k, seed=seed).centroids if k else rows[:0]
        centroids.append(np.asarray(found, np.float32))
        counts.append(np.bincount(assign(rows, found), minlength=k) if k else np.zeros(0, np.int64))
    count, names = fitted_on(records)
    return Vocabulary(tuple(centroids), tuple(counts), spec_digest, (count, names), seed)


def token(wave: int, cluster: int) -> int:
    """Return the id of a cluster.

    Examples
    --------
    >>> token(WAVES.index("QRS"), 3)
    15
    """
    if not 0 <= cluster < SIZES[wave]:
        raise ConfigError(f"cluster: got {cluster}, wanted 0 to {SIZES[wave] - 1} for {WAVES[wave]}")
    return OFFSETS[wave] + cluster


def wave_and_cluster(token: int) -> tuple[int, int]:
    """Return the wave type and cluster of an id below 70.

    Examples
    --------
    >>> wave_and_cluster(15)
    (1, 3)
    """
    if not 0 <= token < UNKNOWN:
        raise ConfigError(f"token: got {token}, wanted a wave, 0 to {UNKNOWN - 1}")
    wave = int(np.searchsorted(OFFSETS, token, side="right")) - 1
    return wave, token - OFFSETS[wave]
