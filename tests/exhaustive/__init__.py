"""Explicit-state model check of lease, interlock and task machine, on the product's own classes (docs/testing.md)."""
