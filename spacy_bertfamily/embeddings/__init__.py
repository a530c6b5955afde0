"""Vectors before transformers, as ordinary tok2vec parts: ELMo, parts and pictures of characters."""
