"""Adapters and heads in files: the native format, and those of the libraries adapters and peft."""

from .head import Head
from .heads import read_head, write_head
from .read import LoadedAdapter, read_adapter
from .write import write_adapter

__all__ = ["Head", "LoadedAdapter", "read_adapter", "read_head", "write_adapter", "write_head"]
