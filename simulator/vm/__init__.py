"""MicroPython stand-ins for `machine`, `time` and `select` on a virtual board. Never run on CPython."""
