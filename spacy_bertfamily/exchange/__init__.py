"""Files of other libraries: adapters and heads (adapters, peft), and whole models (GGUF)."""

from .head import Head
from .heads import read_head, write_head
from .read import LoadedAdapter, read_adapter
from .write import write_adapter

__all__ = ["Head", "LoadedAdapter", "read_adapter", "read_head", "write_adapter", "write_head"]
