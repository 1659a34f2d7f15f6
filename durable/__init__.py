"""The one way to commit."""
