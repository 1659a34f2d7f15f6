"""The console of a port in text mode, as far as it is always there: it tells text from frames. Sans-IO, both VMs.

The rest is in `firmware/console`. The editor is loaded with the first key, commands when their line arrives, and both
are dropped: a command with the last line of its reply, the editor a minute after the last key or at a host's hello.
"""

import gc
import sys

_ROOM = "firmware.console"
_PAUSE_MS = 100
_IDLE_MS = 60000


def borrow(name: str):  # type: ignore[no-untyped-def]
    """Return a module of firmware/console; it stays until `drop()`, and as long as somebody holds what is in it."""
    return getattr(__import__(_ROOM + "." + name).console, name)


def drop() -> None:
    """Give back the room of all that was borrowed and is not held."""
    for name in list(sys.modules):
        if name.startswith(_ROOM):
            del sys.modules[name]
    package = sys.modules["firmware"]
    if hasattr(package, "console"):
        delattr(package, "console")
    gc.collect()


class Console:
    """`feed` takes what is typed, `read_into` gives what to send. `staged`: settings before their commit."""

    def __init__(self, node) -> None:  # type: ignore[no-untyped-def]
        """Serve `node`."""
        self.node = node
        self.staged = None
        self._editor = None
        self._muted = False
        self._fed_ms = 0

    @property
    def busy(self) -> bool:
        """Whether a command runs or a reply waits."""
        return self._editor is not None and self._editor.busy

    def feed(self, byte: int) -> None:
        """Take one byte. A zero is a frame's: what follows it without a pause is no text."""
        now_ms = self.node.clock.ms
        self._muted = byte == 0 or (self._muted and now_ms - self._fed_ms < _PAUSE_MS)
        self._fed_ms = now_ms
        if self._muted:
            if byte == 0 and self._editor is not None:
                self._editor.clear()
            return
        if self._editor is None:
            try:
                self._editor = borrow("editor").Editor(self)
            except (ImportError, MemoryError):
                return
            finally:
                drop()
        self._editor.feed(byte)

    def clear(self) -> None:
        """A frame has ended: forget the line begun."""
        self._muted = False
        if self._editor is not None:
            self._editor.clear()

    def close(self) -> None:
        """A host took the port: end all that was begun."""
        if self._editor is not None:
            self._editor.stop()
            self._editor = None

    def read_into(self, wire: bytearray) -> int:
        """Return how many bytes to send were put into `wire`."""
        if self._editor is None:
            return 0
        n = self._editor.read_into(wire)
        if not self.busy and self.node.clock.ms - self._fed_ms > _IDLE_MS:
            self._editor = None
        return n
