"""Annotation that users see on a Doc: two segments, and answers."""
