"""The console of a port in text mode: help, id, status. Every reply ends with ok or err. Both VMs."""

MAX_LINE = 80
_HELP = "help    this list\r\nid      who this board is\r\nstatus  samples, faults, actuators\r\nok\r\n"


class Console:
    """Collects a line; `feed` returns the reply once it is complete, else ""."""

    def __init__(self, describe) -> None:  # type: ignore[no-untyped-def]
        """`describe` has identity() and summary(), both lists of lines."""
        self._describe = describe
        self._line = bytearray(MAX_LINE)
        self._n = 0
        self._spoilt = False

    def feed(self, byte: int) -> str:
        """Take one byte of text. A line with bytes that are not text (part of a frame, noise) is ignored."""
        if byte in (10, 13):
            line = "" if self._spoilt else bytes(self._line[: self._n]).decode().strip()
            self.clear()
            return self._reply(line) if line else ""
        if self._n == MAX_LINE or not 32 <= byte < 127:
            self._spoilt = True
        else:
            self._line[self._n] = byte
            self._n += 1
        return ""

    def clear(self) -> None:
        """Forget the line begun."""
        self._n = 0
        self._spoilt = False

    def _reply(self, line: str) -> str:
        """Return the answer to a command."""
        if line == "help":
            return _HELP
        if line == "id":
            return "\r\n".join(self._describe.identity()) + "\r\nok\r\n"
        if line == "status":
            return "\r\n".join(self._describe.summary()) + "\r\nok\r\n"
        return "err E-COMMAND unknown command, try help\r\n"
