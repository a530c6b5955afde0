"""The libraries that users would take instead, on the same backbone, used as each documents it."""
