"""Kills: edge and aggregator as real processes over real sockets and PTYs, killed, stopped, cut off, out of disk."""
