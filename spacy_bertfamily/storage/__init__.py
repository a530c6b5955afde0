"""Write and read what a pipeline stores: the delta, its adapters, and the backbone's files."""
