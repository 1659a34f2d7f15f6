"""A virtual board's UART: two pipes to the VM, two paced lines, and something at the other end.

The receive FIFO is the pipe itself: `FIONREAD` tells how much the board has not read yet, so bytes beyond
`rxbuf` are lost and counted as overruns, as on a chip.
"""

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass

from simulator.line import STEP_MS, Line

F_SETPIPE_SZ = 1031
TX_QUEUE = 512
CHUNK = 4096


@dataclass
class UartCounters:
    """What went wrong on a UART."""

    overrun: int = 0
    unheard: int = 0
    wrong_baud: int = 0


class VirtualUart:
    """One UART. `far_end(data)` receives what the board sends; `send(data)` is the far end talking."""

    def __init__(self, baud: int, name: str = "uart", step_ms: float = STEP_MS) -> None:
        self.baud = baud
        self.to_board = Line(baud, f"{name}-rx", step_ms)
        self.from_board = Line(baud, f"{name}-tx", step_ms)
        self.counters = UartCounters()
        self.far_end: Callable[[bytes], None] | None = None
        self.on_drained: Callable[[], None] | None = None
        self._rx_read = self._rx_write = self._tx_read = -1
        self._rxbuf = 0
        self._board_baud = 0
        self._timer: asyncio.TimerHandle | None = None
        self._reading = False

    @property
    def in_use(self) -> bool:
        """Whether the board's program has opened it in this start."""
        return self._rxbuf > 0

    def power_on(self) -> tuple[int, int]:
        """Descriptors (rx, tx) for a new VM; the caller closes them after the VM has started."""
        self._rx_read, self._rx_write = os.pipe()
        self._tx_read, tx_write = os.pipe()
        for descriptor in (self._rx_write, self._tx_read, self._rx_read):
            os.set_blocking(descriptor, False)
        fcntl.fcntl(tx_write, F_SETPIPE_SZ, CHUNK)
        self._resume_reading()
        return os.dup(self._rx_read), tx_write

    def power_off(self) -> None:
        """Close the pipes; what was on the way to the board is lost, what it had sent still leaves."""
        if self._rx_read < 0:
            return
        self._pause_reading()
        self._final_read()
        for descriptor in (self._rx_read, self._rx_write, self._tx_read):
            os.close(descriptor)
        self._rx_read = self._rx_write = self._tx_read = -1
        self._rxbuf = 0
        self.to_board.clear()

    def close(self) -> None:
        """Stop for good."""
        self.power_off()
        if self._timer is not None:
            self._timer.cancel()

    def configure(self, baud: int, rxbuf: int) -> None:
        """`UART.init` of the board."""
        self._board_baud, self._rxbuf = baud, rxbuf
        self._drop_unread()

    def unread(self) -> int:
        """Bytes in the receive FIFO."""
        if self._rx_read < 0:
            return 0
        return int(struct.unpack("i", fcntl.ioctl(self._rx_read, termios.FIONREAD, b"\0" * 4))[0])

    def send(self, data: bytes) -> None:
        """The far end sends bytes to the board."""
        self.to_board.push(data, time.monotonic_ns())
        self._schedule()

    def babble(self, data: bytes) -> None:
        """Put bytes on the wire from the board's side that the board never sent."""
        self._push_from_board(data)

    def _drop_unread(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._rx_read, CHUNK):
                pass

    def _resume_reading(self) -> None:
        if not self._reading and self._tx_read >= 0:
            asyncio.get_running_loop().add_reader(self._tx_read, self._on_board_bytes)
            self._reading = True

    def _pause_reading(self) -> None:
        if self._reading:
            asyncio.get_running_loop().remove_reader(self._tx_read)
            self._reading = False

    def _on_board_bytes(self) -> None:
        data = os.read(self._tx_read, CHUNK)
        if not data:
            self._pause_reading()
            return
        self._push_from_board(data)
        if len(self.from_board) >= TX_QUEUE:
            self._pause_reading()

    def _final_read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._tx_read, CHUNK):
                self._push_from_board(data)

    def _push_from_board(self, data: bytes) -> None:
        self.from_board.push(self._at_speed(data), time.monotonic_ns())
        self._schedule()

    def _at_speed(self, data: bytes) -> bytes:
        """The bytes as the other side sees them: garbage when the two speeds differ."""
        if self._board_baud in (self.baud, 0):
            return data
        self.counters.wrong_baud += len(data)
        return bytes(byte ^ 0xA5 for byte in data)

    def _schedule(self) -> None:
        if self._timer is not None:
            return
        now = time.monotonic_ns()
        waits = [wait for line in (self.to_board, self.from_board) if (wait := line.wait_ns(now)) is not None]
        if waits:
            self._timer = asyncio.get_running_loop().call_later(min(waits) / 1e9, self._pump)

    def _pump(self) -> None:
        self._timer = None
        now = time.monotonic_ns()
        self._deliver(self.to_board.take(now))
        data = self.from_board.take(now)
        if data and self.far_end is not None:
            self.far_end(data)
        if len(self.from_board) < TX_QUEUE:
            self._resume_reading()
        if self.on_drained is not None:
            self.on_drained()
        self._schedule()

    def _deliver(self, data: bytes) -> None:
        if not data or not self._rxbuf:
            return
        data = self._at_speed(data)
        room = max(0, self._rxbuf - self.unread())
        self.counters.overrun += len(data) - min(len(data), room)
        if room:
            with contextlib.suppress(BlockingIOError):
                os.write(self._rx_write, data[:room])
