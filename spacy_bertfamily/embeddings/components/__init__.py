"""Chinese characters by their parts."""
