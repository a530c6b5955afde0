"""The components, one file each."""
