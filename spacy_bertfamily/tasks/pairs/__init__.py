"""The component `pair_classifier`."""
