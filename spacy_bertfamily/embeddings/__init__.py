"""Vectors before transformers: static ones, ELMo, Chinese characters; words in sentences."""
