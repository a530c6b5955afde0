"""Scripts that compare results with those of other libraries."""
