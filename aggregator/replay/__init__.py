"""Runs the city's engine again from what its store recorded: read only, on a living city's data or a backup."""
