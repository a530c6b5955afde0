"""Every place where torch or transformers is changed from outside."""
