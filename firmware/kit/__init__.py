"""Host side: bundles firmware."""
