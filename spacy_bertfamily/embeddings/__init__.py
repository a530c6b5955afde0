"""Vectors before transformers: static ones and ELMo; and a word's vectors in sentences."""
