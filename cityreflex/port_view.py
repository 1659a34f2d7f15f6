"""What comes from a serial port, as text for a terminal: plain, with times, as hex, only some lines. No I/O."""

import re

WIDTH = 16
TEXT = frozenset(range(32, 127))
LEFT_ALONE = b"\r\n\b\t\a"
IDLE_S = 0.3


class View:
    """`feed` and `idle` return what to show. `times`, `as_hex` and `only` may change at any moment.

    With `only` a line is shown once it is whole and matches; one that never ends (a prompt) when nothing more came for
    0.3 s. Without it every byte is shown as it comes.
    """

    def __init__(self, *, times: bool = False, as_hex: bool = False, only: str = "") -> None:
        self.times, self.as_hex = times, as_hex
        self.only: re.Pattern[str] | None = re.compile(only) if only else None
        self._line = ""
        self._bytes = b""
        self._at = 0
        self._fresh = True

    def feed(self, data: bytes, clock: str) -> str:
        """Return what to show of bytes that came at `clock` (the time as text)."""
        if self.as_hex:
            return self._hex(data, clock)
        text = "".join(chr(byte) if byte in TEXT or byte in LEFT_ALONE else "." for byte in data)
        return self._filtered(text, clock) if self.only else self._stamped(text, clock)

    def idle(self, clock: str) -> str:
        """Return what waited for more that did not come."""
        shown = self._row(clock) if self._bytes else ""
        if self._line and self.only and self.only.search(self._line):
            shown += self._stamped(self._line, clock)
            self._line = ""
        return shown

    def end_line(self) -> str:
        """Return a line end if the screen is in mid-line."""
        ended, self._fresh = self._fresh, True
        return "" if ended else "\r\n"

    def _filtered(self, text: str, clock: str) -> str:
        assert self.only is not None
        *lines, self._line = (self._line + text).split("\n")
        return "".join(self._stamped(line + "\n", clock) for line in lines if self.only.search(line))

    def _stamped(self, text: str, clock: str) -> str:
        shown = ""
        for character in text:
            if self.times and self._fresh and character not in "\r\n":
                shown += clock + " "
            if character not in "\r":
                self._fresh = character == "\n"
            shown += character
        return shown

    def _hex(self, data: bytes, clock: str) -> str:
        shown = self.end_line()
        self._bytes += data
        while len(self._bytes) >= WIDTH:
            shown += self._row(clock)
        return shown

    def _row(self, clock: str) -> str:
        """Return one row of hex: 71 columns, with seconds before it 78."""
        row, self._bytes = self._bytes[:WIDTH], self._bytes[WIDTH:]
        text = "".join(chr(byte) if byte in TEXT else "." for byte in row)
        place, self._at = self._at, self._at + len(row)
        time = clock[-6:] + " " if self.times else ""
        return f"{time}{place & 0xFFFF:04x}  {row.hex(' '):<{3 * WIDTH - 1}}  {text}\r\n"
