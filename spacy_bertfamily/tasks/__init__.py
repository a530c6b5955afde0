"""Tasks: one folder each, with component, head, loss, examples, scorer and builders."""
