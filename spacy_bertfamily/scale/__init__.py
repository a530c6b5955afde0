"""Annotation of many texts: in one process, in several, and on the engines of others."""
