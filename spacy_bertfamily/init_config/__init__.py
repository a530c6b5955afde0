"""Configs for `spacy train`: templates, the table of tasks, and the training modes."""
