"""Staged training: configuration, stages, losses, metrics, trainer, checkpoint."""
