"""The engine that runs smart processes."""
