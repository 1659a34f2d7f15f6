"""The city."""
