"""Components that read a transformer, one folder each."""
