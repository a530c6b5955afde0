"""Converters of public data formats into Docs, one module for each format."""
