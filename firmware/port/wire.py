"""The link's UART: takes what has arrived, gives no more than the line can carry."""

from time import ticks_diff, ticks_us

import machine

TX_LIMIT = 256
TX_BUFFER = 512
RX_BUFFER = 1024
CHUNKS = 8
BITS_PER_BYTE = 10


class Wire:
    """Keeps at most TX_LIMIT bytes waiting in the UART, so that urgent frames never queue behind a backlog."""

    def __init__(self, config: dict, link) -> None:  # type: ignore[no-untyped-def,type-arg]
        """`config` is the link of board.json, `link` a core Link."""
        tx, rx = machine.Pin(config["tx"]), machine.Pin(config["rx"])
        baud = config["baud"]
        self.uart = machine.UART(
            config["uart"], baudrate=baud, tx=tx, rx=rx, rxbuf=RX_BUFFER, txbuf=TX_BUFFER, timeout=0
        )
        self._link = link
        self._us_per_byte = BITS_PER_BYTE * 1000000 // baud
        self._chunk = bytearray(128)
        self._view = memoryview(link.writer.wire)
        self._at = self._end = 0
        self._queued = 0
        self._drained_us = ticks_us()

    @property
    def busy(self) -> bool:
        """Whether a frame waits for room in the UART."""
        return self._at < self._end

    def receive(self) -> None:
        """Hand over all that has arrived."""
        for _ in range(CHUNKS):  # what comes meanwhile has to wait: a host that never pauses must not stop the board
            n = self.uart.readinto(self._chunk) if self.uart.any() else 0
            if not n:
                return
            self._link.feed(self._chunk, n)

    def send(self) -> None:
        """Give the UART as much as it should have room for."""
        self._drain()
        while self._queued < TX_LIMIT:
            if not self.busy:
                self._at = 0
                self._end = self._link.next_wire(self._queued * self._us_per_byte)
                if not self._end:
                    return
            self._write()

    def _write(self) -> None:
        """Write the part of the frame that fits (one small slice object a call)."""
        end = min(self._end, self._at + TX_LIMIT - self._queued)
        done = self.uart.write(self._view[self._at : end]) or 0
        self._at += done
        self._queued += done if done else TX_LIMIT

    def _drain(self) -> None:
        """Count what has left since the last call at the line's speed."""
        now_us = ticks_us()
        sent = ticks_diff(now_us, self._drained_us) // self._us_per_byte
        if sent >= self._queued:
            self._queued = 0
            self._drained_us = now_us
        else:
            self._queued -= sent
            self._drained_us = (self._drained_us + sent * self._us_per_byte) & 0x3FFFFFFF
