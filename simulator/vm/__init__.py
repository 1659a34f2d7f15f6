"""MicroPython files that stand in for `machine`, `time` and `select` on a virtual board. Never run on CPython."""
