"""From raw recordings to samples: manifests, splits, preprocessing of three kinds, targets, stores."""

from biotl.datasets.spec import Filter
from biotl.datasets.vocabulary import Vocabulary, fit_vocabulary

__all__ = ["Filter", "Vocabulary", "fit_vocabulary"]
