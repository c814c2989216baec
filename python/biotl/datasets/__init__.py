"""Signal specifications, shards, splits, beats, vocabulary and sentences."""
