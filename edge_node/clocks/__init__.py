"""Event time: each board's offset and skew against this host, and the records of it for the city."""
