"""Vectors of characters, joined to the vectors of tokens by a gate."""
