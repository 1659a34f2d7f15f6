"""Recorders that are killed, and whether what they recorded can be replayed bit for bit."""
