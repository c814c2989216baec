"""Whole pipelines: raw files to a model and the evidence that it works."""
