"""The only place where torch, transformers or peft is changed from outside.

Each module says what it changes, why, with which versions it was tried, and how it is undone. The
versions are the pinned ones of the development environment (torch 2.13.0, transformers 4.53.2,
peft 0.21.2), the lowest ones that the tests run on (transformers 4.45.0, peft 0.11.0, both on
torch 2.13.0; see `tests/lowest.txt`), and the newest transformers (5.24.0).
"""
