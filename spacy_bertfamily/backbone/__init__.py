from .load import Backbone, load_backbone, read_config

__all__ = ["Backbone", "load_backbone", "read_config"]
