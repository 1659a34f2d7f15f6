"""Chip and actuator drivers, one file per chip; the same file runs on MicroPython and on CPython."""
