"""From text to pieces, from pieces to windows and batches, and back to tokens."""
