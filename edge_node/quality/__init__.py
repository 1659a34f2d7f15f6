"""What this node makes of the quality of samples: it knows ranges, response times and neighbours; docs/quality.md."""
