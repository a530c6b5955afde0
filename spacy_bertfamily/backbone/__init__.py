from .load import Backbone, load_backbone, model_class, read_config

__all__ = ["Backbone", "load_backbone", "model_class", "read_config"]
