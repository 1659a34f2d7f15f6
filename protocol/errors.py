"""Errors of the wires. Runs on MicroPython and CPython.

`ProtocolError` is the base. `FrameError` means the peer (or the line) sent something
malformed; `LimitError` means a length, count or depth went over its limit.
"""


class ProtocolError(ValueError):
    """Something broke the agreement written in docs/protocol.md."""


class FrameError(ProtocolError):
    """The peer's bytes are malformed; the message says what was expected and found."""


class LimitError(FrameError):
    """A length, count or depth went over the limit that keeps memory bounded."""
