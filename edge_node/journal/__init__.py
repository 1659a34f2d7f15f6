"""What the node keeps until the city has it: rows on disk, ranges of samples, quota, damage."""
