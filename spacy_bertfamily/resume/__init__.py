"""Training that can be interrupted: spaCy's loop, with a state on disk that it goes on from."""
