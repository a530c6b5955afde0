"""Load a pretrained encoder and its tokenizer, from data only, and share it within the process."""

from .load import Backbone, load_backbone, make_model, read_config

__all__ = ["Backbone", "load_backbone", "make_model", "read_config"]
