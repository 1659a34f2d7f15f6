"""The Pi daemon."""
