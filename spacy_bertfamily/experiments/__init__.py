"""Comparing ways to train: many runs, their results on disk, and the curve that they make."""
