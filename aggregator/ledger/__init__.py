"""What was sent and what became of it, by board and boot; who asks why gets the gap records."""
