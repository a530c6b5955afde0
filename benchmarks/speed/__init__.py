"""Scripts that measure time."""
