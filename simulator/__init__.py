"""Virtual chips, buses, boards and world."""
