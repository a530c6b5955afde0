"""Data-parallel training: several processes divide each batch, and add up their gradients."""
