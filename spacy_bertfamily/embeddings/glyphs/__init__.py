"""Chinese characters by their pictures."""
