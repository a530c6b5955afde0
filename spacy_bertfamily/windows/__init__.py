"""Split text into pieces, windows and batches, and map pieces back to tokens.

The modules in the order in which a text goes through them: `pieces` (with `offsets`) tokenizes it,
`lay_out` cuts it into windows (`cut`) and notes where its pieces are (`layout`), `batching` and
`padding` make arrays of the windows, and `align` maps the pieces to spaCy's tokens.
"""
