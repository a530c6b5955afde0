"""Scripts that train and score."""
