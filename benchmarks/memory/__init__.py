"""Scripts that measure memory."""
