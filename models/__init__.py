"""Numba kernels and physical models, one folder per domain. No process and no I/O in here."""
