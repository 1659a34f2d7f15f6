"""How long from a threshold that is crossed at one board to a pin that changes at another (docs/latency.md)."""
