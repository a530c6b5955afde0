"""Pretraining on raw text: objectives for `spacy pretrain`, and backbones of one's own."""
