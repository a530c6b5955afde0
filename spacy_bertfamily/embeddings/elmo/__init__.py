"""ELMo: a bidirectional language model over words that are spelled out in bytes."""
