"""`serial.Serial` and `busio.UART` over a virtual chip at the far end of a UART, for programs on CPython."""

from collections.abc import Callable
from typing import Any

from simulator.line import Line

STEP_NS = 1_000_000


class Serial:
    """A port at the chip's own baud rate. Waiting lets virtual time pass: `sleep_ns(duration)` moves the clock."""

    def __init__(self, chip: Any, now_ns: Callable[[], int], sleep_ns: Callable[[int], None]) -> None:
        self.timeout: float | None = 1.0
        self.baudrate = chip.baud
        self.port = "virtual"
        self.is_open = True
        self._chip = chip
        self._now_ns = now_ns
        self._sleep_ns = sleep_ns
        self._line = Line(chip.baud)
        self._received = bytearray()

    @property
    def in_waiting(self) -> int:
        """Bytes received and not read."""
        self._listen()
        return len(self._received)

    def read(self, size: int = 1) -> bytes:
        """Up to `size` bytes, fewer only after the timeout."""
        return self._take_when(lambda: len(self._received) >= size, lambda: size)

    def readline(self) -> bytes:
        """Bytes up to and with a line feed, without one only after the timeout."""
        return self._take_when(lambda: b"\n" in self._received, lambda: self._received.find(b"\n") + 1 or 0)

    def readinto(self, buf: bytearray) -> int:
        """Fill the buffer with what there is, at least something before the timeout."""
        data = self._take_when(lambda: len(self._received) > 0, lambda: len(buf))
        buf[: len(data)] = data
        return len(data)

    def write(self, data: bytes) -> int:
        """Send bytes; they arrive when they have passed the line."""
        self._listen()
        self._sleep_ns(len(data) * self._line.byte_ns)
        self._chip.receive(bytes(data))
        return len(data)

    def reset_input_buffer(self) -> None:
        """Forget what was received."""
        self._listen()
        self._received.clear()

    def reset_output_buffer(self) -> None:
        """Nothing waits to be sent."""

    def flush(self) -> None:
        """Nothing waits to be sent."""

    def open(self) -> None:
        """The port is open."""
        self.is_open = True

    def close(self) -> None:
        """The port stays usable: nothing is behind it that could be given back."""
        self.is_open = False

    def _take_when(self, ready: Callable[[], bool], size: Callable[[], int]) -> bytes:
        limit_ns = self._now_ns() + int((self.timeout if self.timeout is not None else 60.0) * 1e9)
        self._listen()
        while not ready() and self._now_ns() < limit_ns:
            self._sleep_ns(STEP_NS)
            self._listen()
        count = size()
        data = bytes(self._received[:count])
        del self._received[:count]
        return data

    def _listen(self) -> None:
        now_ns = self._now_ns()
        self._line.push(self._chip.tick(now_ns), now_ns)
        self._received += self._line.take(now_ns)
