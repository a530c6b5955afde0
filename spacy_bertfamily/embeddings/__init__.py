"""Vectors before transformers, as ordinary tok2vec parts: ELMo."""
