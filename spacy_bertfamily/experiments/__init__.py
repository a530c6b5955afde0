"""Compare ways to train: many runs, their results on disk, and the adapter curve."""
