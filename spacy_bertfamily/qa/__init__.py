"""Extractive question answering in numpy: targets, decoding, calibration, metrics."""
