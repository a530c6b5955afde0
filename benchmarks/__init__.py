"""Measures of parity, quality, speed and memory; README.md lists the scripts."""
