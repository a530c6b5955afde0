"""Registered builders: from a config's blocks to models. Assembly only."""
