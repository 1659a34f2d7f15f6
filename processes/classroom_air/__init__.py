"""Template: keep the air of a classroom fresh with a fan."""
