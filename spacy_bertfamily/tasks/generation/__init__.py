"""The component `text_generator`: writes texts.

The component knows Docs, settings and storage. What reads a source and predicts the next piece is a
`Writer` (writer.py), one for each architecture; what chooses pieces is the search (search.py and
beam.py), the same for all writers. An architecture makes its model with `build_writer_model`
(model.py) from a `tok2vec`, which says which transformer it uses, and its writer.
"""
