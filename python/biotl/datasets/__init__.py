"""From raw recordings to samples: manifests, splits, preprocessing of every kind, targets, stores."""
