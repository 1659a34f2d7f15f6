"""What the city keeps: the hot database, sealed Parquet, the reader over both, and the care for them."""
