"""What the city shows over HTTP. Read-only, but for a restore and keys."""
