"""Texts that are read once and asked often: passages, their vectors, search, answers."""
