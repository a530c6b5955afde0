"""Smaller pipelines and backbones out of trained ones."""
