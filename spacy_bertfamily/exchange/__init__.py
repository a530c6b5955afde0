"""One adapter in files: our own format, and those of the libraries adapters (AdapterHub) and peft."""

from .read import FoundAdapter, read_adapter
from .write import write_adapter

__all__ = ["FoundAdapter", "read_adapter", "write_adapter"]
