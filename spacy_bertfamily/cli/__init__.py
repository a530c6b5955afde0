"""The command line: `python -m spacy bertfamily ...`."""

from .main import bertfamily_cli

__all__ = ["bertfamily_cli"]
