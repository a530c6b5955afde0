"""Docs in, hidden states out: windows, alignment, batching, and the one forward path."""
