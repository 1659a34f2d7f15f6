"""What every long-running process of ours shares: config sections, key files, its HTTP interface."""
