"""What the components of all tasks share."""
