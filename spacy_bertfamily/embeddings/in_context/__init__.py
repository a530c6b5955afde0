"""The vectors of a word in several sentences, beside each other, layer by layer."""
