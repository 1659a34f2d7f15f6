"""Edits a line and runs its command a step at a time. Both VMs.

A command is a generator that yields lines of its reply, or "" to wait for a turn: it never holds the loop.
"""

from firmware.core.console import borrow, drop


class Editor:
    """`held`: whether a key was since the command began; `waiting`: whether the line begun is to be run after it."""

    def __init__(self, console) -> None:  # type: ignore[no-untyped-def]
        """An empty line."""
        self.console = console
        self.name = console.node.identity_data.thing + "> "
        self.held = False
        self.command = None
        self.text = ""
        self.bad = ""
        self._last = 0
        self.skip = 0
        self.waiting = False
        self.wire = b""

    @property
    def busy(self) -> bool:
        """Whether a command runs or a reply waits."""
        return self.command is not None or bool(self.wire)

    def feed(self, byte: int) -> None:
        """Take one key. Cursor keys and the like (ESC, [ or O, up to a letter) do nothing."""
        last, self._last = self._last, byte
        if self.skip and byte >= 32:
            self.skip = 2 if (byte in b"[O" if self.skip == 1 else byte < 64) else 0
            return
        self.skip = byte == 27
        if byte != 10 or last != 13:  # of CR LF the LF is no key
            self.held = True
        if 32 <= byte < 127:
            self._typed(chr(byte))
        elif byte == 13 or (byte == 10 and last != 13):
            self._received()
        elif byte in (8, 127):
            if self.text:
                self.text = self.text[:-1]
                self.put("\b \b")
        elif byte in (3, 21):
            self.put("\b \b" * len(self.text))
            self.clear()
            if byte == 3:
                self.put("^C\r\n")
                self.stop()
                self.put(self.name)
        elif byte == 9:
            self.complete()
        elif byte not in (10, 27):
            self.bad = "noise"

    def clear(self) -> None:
        """Forget the line begun."""
        self.text = self.bad = ""
        self.waiting = False

    def stop(self) -> None:
        """End the command that runs; it puts its outputs back."""
        if self.command is not None:
            self.command.close()
            self.command = None
            drop()
        self.clear()

    def put(self, text: str) -> None:
        """Queue text; somebody who sends without reading loses what is beyond 1 KB."""
        if len(self.wire) < 1024:
            self.wire += text.encode()

    def read_into(self, wire: bytearray) -> int:
        """Return how many bytes to send were put into `wire`; lets the command make a step if there is room."""
        if self.command is not None and len(self.wire) < 64:
            self.step()
        n = min(len(self.wire), len(wire))
        if n:
            wire[:n] = self.wire[:n]
            self.wire = self.wire[n:]
        return n

    def _typed(self, text: str) -> None:
        """More of the line, shown unless a command runs: no key tears its reply."""
        if len(self.text) + len(text) > 80:
            self.bad = self.bad or "long"
        if self.bad:
            return
        self.text += text
        if self.command is None:
            self.put(text)

    def _received(self) -> None:
        """The line is whole: run it, or after the command that runs."""
        if self.command is not None:
            self.waiting = True
            return
        line, spoilt = self.text.strip(), self.bad
        self.clear()
        self.put("\r\n")
        if spoilt == "noise" or not line:
            self.put(self.name)
            return
        self.held = False
        try:
            self.command = borrow("run").run(self.console, self, "" if spoilt else line)
        except (ImportError, MemoryError) as error:
            self.put("err E-LOAD found %s; expected room; reset the board\r\n%s" % (repr(error), self.name))

    def step(self) -> None:
        """Let the command go on to its next line."""
        try:
            text = next(self.command)
            if text:
                self.put(text + "\r\n")
        except StopIteration:
            self.command = None
            drop()
            self.put(self.name + self.text)
            if self.waiting:
                self._received()

    def complete(self) -> None:
        """Tab: add what is certain, or show what is possible."""
        if self.command is None and not self.bad:
            more, shown = borrow("about").complete(self.console.node, self.text)
            drop()
            self._typed(more)
            self.put(shown)
            if shown:
                self.put(self.name + self.text)
