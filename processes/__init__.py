"""The engine that runs smart processes, and one folder per process template."""
