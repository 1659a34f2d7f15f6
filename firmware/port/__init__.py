"""All that touches machine."""
