"""Vectors before transformers, as parts of a tok2vec: ELMo, parts and pictures of characters."""
