"""Learned weights of hidden states."""
