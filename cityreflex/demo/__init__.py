"""The demonstration: one storm twice on real processes, gate left alone and gate under control."""
