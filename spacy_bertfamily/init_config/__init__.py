"""Configs for `spacy train`, made to measure: a template, a table of tasks and the ways to train a
transformer.
"""
