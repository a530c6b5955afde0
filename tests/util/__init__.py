"""Helpers of the tests, each in the module that is named after its subject."""
