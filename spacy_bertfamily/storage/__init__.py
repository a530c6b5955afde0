"""What a pipeline writes: the delta, its adapters, the backbone's files."""
