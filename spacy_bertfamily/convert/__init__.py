"""Readers of public data formats, one file each."""
