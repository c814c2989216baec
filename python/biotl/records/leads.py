"""Limb leads that follow from I and II: devices store eight of twelve."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

ORDER = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def twelve(rows: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Add III, aVR, aVL and aVF where I and II are there (Einthoven, Goldberger), and put leads in the usual order.

    Examples
    --------
    >>> one = np.array([2], np.float32)
    >>> {name: row.tolist() for name, row in twelve({"V1": one, "II": one + 1, "I": one}).items()}
    {'I': [2.0], 'II': [3.0], 'III': [1.0], 'aVR': [-2.5], 'aVL': [0.5], 'aVF': [2.0], 'V1': [2.0]}
    """
    found = dict(rows)
    if {"I", "II"} <= rows.keys():
        one, two = rows["I"], rows["II"]
        found = {"III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2} | found
    return {name: found[name] for name in [*(name for name in ORDER if name in found), *(set(found) - set(ORDER))]}
