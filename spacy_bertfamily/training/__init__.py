"""Training: checkpoints to resume from, sampling from several corpora, and the training log."""
