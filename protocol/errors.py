"""Errors of the wires. Runs on MicroPython and CPython.

`ProtocolError` is the base. `FrameError` means the peer (or the line) sent something
malformed; `LimitError` means a length, count or depth went over its limit; `UnknownKindError`
a kind that a later version may have: count it and go on. `VersionError` is our own fault: a
message asked for in a version that does not have it.
"""


class ProtocolError(ValueError):
    """Something broke the agreement written in docs/protocol.md."""


class FrameError(ProtocolError):
    """The peer's bytes are malformed; the message says what was expected and found."""


class LimitError(FrameError):
    """A length, count or depth went over the limit that keeps memory bounded."""


class UnknownKindError(FrameError):
    """The kind is none that this version knows; it has no effect."""


class VersionError(ProtocolError):
    """What was to be sent does not exist in the version that the peer speaks."""
