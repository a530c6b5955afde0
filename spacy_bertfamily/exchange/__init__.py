"""An adapter or its head in files: our own format, and those of the libraries adapters (AdapterHub)
and peft.
"""

from .heads import Head, read_head, write_head
from .read import FoundAdapter, read_adapter
from .write import write_adapter

__all__ = ["FoundAdapter", "Head", "read_adapter", "read_head", "write_adapter", "write_head"]
