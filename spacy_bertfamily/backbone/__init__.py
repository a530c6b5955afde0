from .load import Backbone, load_backbone, make_model, read_config

__all__ = ["Backbone", "load_backbone", "make_model", "read_config"]
