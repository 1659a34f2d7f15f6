"""Numba kernels and physical models."""
